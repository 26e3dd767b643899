"""One logical line taken apart: keyword, flags, words; exec form and shell form.

Source: Dockerfile reference, "Shell and exec form"; BuildKit's parser for how quotes and escapes part words.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from kit.dockerfile.errors import Wrong
from kit.dockerfile.go import BLANKS, SPACE, quote
from kit.dockerfile.instructions import Pair
from kit.dockerfile.suggest import hint


def split_keyword(line: str) -> tuple[str, str]:
    """The keyword of an instruction and the rest."""
    keyword, *rest = BLANKS.split(line.strip(SPACE), maxsplit=1)
    return keyword, rest[0] if rest else ""


def split_flags(rest: str, escape: str) -> tuple[tuple[str, ...], str]:
    """The words that start with ``--``, unquoted, and what follows them."""
    flags: list[str] = []
    position = 0
    while True:
        position = _skip_space(rest, position)
        if not rest.startswith("--", position):
            return tuple(flags), rest[position:].strip(SPACE)
        word, position = _flag(rest, position, escape)
        if word == "--":
            return tuple(flags), rest[position:].strip(SPACE)
        if word:
            flags.append(word)


def _skip_space(text: str, position: int) -> int:
    while position < len(text) and text[position] in SPACE:
        position += 1
    return position


def _flag(text: str, position: int, escape: str) -> tuple[str, int]:
    """The word at ``position`` without quotes and escapes, and where it ends."""
    out: list[str] = []
    quoted = ""
    while position < len(text):
        char = text[position]
        if char == quoted:
            quoted = ""
        elif not quoted and char in SPACE:
            break
        elif not quoted and char in "'\"":
            quoted = char
        elif char == escape:
            position += 1
            out.append(text[position : position + 1])
        else:
            out.append(char)
        position += 1
    return "".join(out), min(position, len(text))


def split_words(rest: str, escape: str) -> list[str]:
    """Words of ENV, LABEL and ARG: parted by unquoted spaces; quotes and escapes stay, for the variables' lexer."""
    e, space = re.escape(escape), SPACE
    token = re.compile(
        f"(?P<space>[{space}]+)"
        f"|(?P<single>'[^']*(?:'|\\Z))"
        f'|(?P<double>"(?:[^"{e}]|{e}.)*(?:"|{e}?\\Z))'
        f"|(?P<escaped>{e}.)"
        f"|(?P<last>{e}\\Z)"
        f"|(?P<plain>[^{space}'\"{e}]+)",
        re.DOTALL,
    )
    words: list[str] = []
    parts: list[str] = []
    for found in token.finditer(rest):
        match found.lastgroup:
            case "space":
                words += ["".join(parts)] if parts else []
                parts = []
            case "double":
                text = found[0]
                parts.append(text[:-1] if _ends_open(text, escape) else text)
            case "last":
                pass
            case _:
                parts.append(found[0])
    return words + (["".join(parts)] if parts else [])


def _ends_open(text: str, escape: str) -> bool:
    """Does a double-quoted text end in a lone escape, at the end of the line?"""
    count = len(text) - len(text.rstrip(escape))
    return count % 2 == 1


def parse_pairs(keyword: str, rest: str, escape: str) -> tuple[Pair, ...]:
    """``key=value …``, or ``key the rest`` if the first word has no ``=``; () for no words at all."""
    words = split_words(rest, escape)
    if not words:
        return ()
    if "=" not in words[0]:
        key, *value = BLANKS.split(rest, maxsplit=1)
        if not value:
            raise Wrong(f"{keyword} must have two arguments", rest)
        return (Pair(key, value[0], legacy=True),)
    for word in words:
        if "=" not in word:
            raise Wrong(
                f"Syntax error - can't find = in {quote(word)}. Must be of the form: name=value",
                word,
            )
    return tuple(Pair(key, value) for key, _, value in (word.partition("=") for word in words))


def parse_json(rest: str) -> tuple[str, ...] | None:
    """The words of an exec form, None if ``rest`` isn't one.

    Raises:
        Wrong: a JSON array, but not of strings.
    """
    rest = rest.lstrip(SPACE)
    if not rest.startswith("["):
        return None
    try:
        value = json.loads(rest, parse_int=len, parse_float=len, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    if not all(isinstance(word, str) for word in value):
        raise Wrong("when using JSON array syntax, arrays must be comprised of strings only", rest)
    return tuple(word.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for word in value)


def _no_constant(name: str) -> None:
    raise ValueError(name)


@dataclass
class Flags:
    """The flags of one instruction, checked against those that it knows.

    ``kinds`` maps a name to ``bool``, ``str``, or ``list`` for a flag that may be repeated.
    """

    kinds: Mapping[str, type]
    values: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, given: Iterable[str], **kinds: type) -> "Flags":
        """``kinds`` are written with ``_`` for ``-``."""
        flags = cls({name.replace("_", "-"): kind for name, kind in kinds.items()})
        for flag in given:
            flags._take(flag)
        return flags

    def _take(self, flag: str) -> None:
        option, equals, value = flag.partition("=")
        name = option[2:]
        if name not in self.kinds:
            raise Wrong(f"unknown flag: {option}{hint(name, self.kinds)}", option)
        kind = self.kinds[name]
        if name in self.values and kind is not list:
            raise Wrong(f"duplicate flag specified: {option}", option)
        if (not equals and kind is not bool) or (equals and kind is bool and not value):
            raise Wrong(f"missing a value on flag: {option}", option)
        if kind is bool:
            value = value.lower() or "true"
            if value not in ("true", "false"):
                raise Wrong(f"expecting boolean value for flag {option}, not: {flag.partition('=')[2]}", option)
        self.values.setdefault(name, []).append(value)

    def text(self, name: str, default: str = "") -> str:
        return self.values.get(name, [default])[-1]

    def truth(self, name: str) -> bool | None:
        """None if not given."""
        return self.values[name][-1] == "true" if name in self.values else None

    def all(self, name: str) -> tuple[str, ...]:
        return tuple(self.values.get(name, ()))
