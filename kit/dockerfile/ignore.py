"""``.dockerignore``: which files of a context stay at home.

A pattern keeps out a path and all that is below it; the last pattern that fits decides; ``!`` takes back in. ``*``
and ``?`` stop at a slash, ``**`` doesn't.

Source: Docker docs, "Build context", ".dockerignore files"; moby/patternmatcher for what they leave open.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from kit.dockerfile.globs import Automaton, Item
from kit.dockerfile.go import SPACE, clean
from kit.errors import Invalid

SIMPLE = 2  # wildcards that ``re`` may have: with more, going back and trying again can take forever
_CLASS = re.compile(r"\[\^?(?:(?:\\.|[^\\\]-])(?:-(?:\\.|[^\\\]-]))?)+\]", re.DOTALL)


@dataclass(frozen=True)
class Pattern:
    """One line of the file: ``text`` without ``!``; ``exception`` says that it takes back in."""

    text: str
    exception: bool
    fits: Callable[[str], bool]

    @property
    def fixed(self) -> str:
        """What stands before the first wildcard."""
        return re.split(r"[*?\[\\]", self.text, maxsplit=1)[0]


class Matcher:
    """The patterns of a ``.dockerignore``, ready to be asked. Paths are relative to the context, with ``/``."""

    def __init__(self, patterns: Iterable[Pattern] = ()) -> None:
        self.patterns = tuple(patterns)
        self._known: dict[str, tuple[bool, ...]] = {"": ()}

    @property
    def has_exceptions(self) -> bool:
        return any(pattern.exception for pattern in self.patterns)

    @property
    def excludes_everything(self) -> bool:
        return any(not p.exception and p.text in ("*", "**", "**/*") for p in self.patterns)

    def excludes(self, path: str) -> bool:
        """Is ``path`` kept out? Asked for a directory, it is about the directory itself: see ``may_hold``."""
        fitting = self._fitting(path, self._of_directory(path.rpartition("/")[0]))
        return any(fitting) and not self.patterns[_last(fitting)].exception

    def may_hold(self, directory: str) -> bool:
        """Can a ``!`` take back in something below ``directory``, which is kept out?"""
        below = directory + "/"
        for pattern in self.patterns:
            fixed = pattern.fixed
            if pattern.exception and (fixed.startswith(below) or (fixed != pattern.text and below.startswith(fixed))):
                return True
        return False

    def _of_directory(self, directory: str) -> tuple[bool, ...]:
        missing = []
        while directory not in self._known:
            missing.append(directory)
            directory = directory.rpartition("/")[0]
        fitting = self._known[directory]
        for name in reversed(missing):
            fitting = self._known[name] = self._fitting(name, fitting)
        return fitting

    def _fitting(self, path: str, above: tuple[bool, ...]) -> tuple[bool, ...]:
        """For each pattern: does it decide about ``path``, by itself or through the directory ``above``?

        A pattern that would change nothing where it stands isn't asked, so it doesn't count below, either.
        """
        excluded = False
        found = []
        for number, pattern in enumerate(self.patterns):
            fits = bool(above and above[number])
            if not fits and pattern.exception == excluded:
                fits = pattern.fits(path)
            if fits:
                excluded = not pattern.exception
            found.append(fits)
        return tuple(found)


def _last(fitting: tuple[bool, ...]) -> int:
    return len(fitting) - 1 - fitting[::-1].index(True)


def parse_ignore(data: str | bytes, filename: str = ".dockerignore") -> Matcher:
    """The matcher that ``data`` describes.

    Raises:
        Invalid: a pattern that can't be one; says which and where.
    """
    text = data.decode("utf-8", "replace") if isinstance(data, bytes) else data
    patterns = []
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        if line.startswith("#") or not (line := line.strip(SPACE)):
            continue
        exception = line.startswith("!")
        try:
            patterns.append(parse_pattern(line.removeprefix("!").strip(SPACE), exception=exception))
        except ValueError as error:
            raise Invalid(f"{filename}:{number}: {error}: {line!r}") from error
    return Matcher(patterns)


def parse_patterns(lines: Iterable[str]) -> Matcher:
    """The matcher of patterns as a program gives them (``COPY --exclude``): no comments.

    Raises:
        Invalid: a pattern that can't be one.
    """
    return parse_ignore("\n".join(line for line in lines if not line.startswith("#")), "pattern")


def parse_pattern(text: str, *, exception: bool = False) -> Pattern:
    """
    Raises:
        ValueError: it can't be a pattern.
    """
    if not text:
        raise ValueError('illegal exclusion pattern: "!"')
    cleaned = clean(text)
    cleaned = cleaned[1:] if len(cleaned) > 1 and cleaned.startswith("/") else cleaned
    return Pattern(cleaned, exception, _test(cleaned))


def _test(pattern: str) -> Callable[[str], bool]:
    """The quickest test that does what ``pattern`` says: equality, a start, an end, or reading along."""
    parts = _parts(pattern)
    wild = [part for part in parts if len(part) > 1 or part == "?"]
    if not wild:
        return pattern.__eq__
    if wild == ["**"] and pattern.endswith("**"):
        start = pattern[:-2]
        return lambda path: path.startswith(start)
    if wild in (["**"], ["**/"]) and pattern.startswith("**"):
        end = pattern[2:]
        return lambda path: path.endswith(end) or path == end.removeprefix("/")
    if sum(part in ("*/", "**", "**/") for part in parts) <= SIMPLE:
        return _compiled(parts)
    return Automaton(_items(parts)).matches


def _parts(pattern: str) -> list[str]:
    """Characters (one letter), and wildcards: ``?``, ``*/`` (a star), ``**``, ``**/``, ``[…]``, ``\\x``."""
    parts: list[str] = []
    position = 0
    while position < len(pattern):
        rest = pattern[position : position + 3]
        if rest.startswith("**"):
            ending = rest == "**/"
            last = position + (3 if ending else 2) >= len(pattern)
            if last or parts[-1:] != ["**/"]:
                parts.append("**" if last else "**/")
            position += 3 if ending else 2
        elif rest[0] == "*":
            parts.append("*/")
            position += 1
        elif rest[0] == "[":
            found = _CLASS.match(pattern, position)
            if found is None:
                raise ValueError("syntax error in pattern")
            parts.append(found[0])
            position = found.end()
        elif rest[0] == "\\":
            if len(rest) < 2:
                raise ValueError("syntax error in pattern")
            parts.append(rest[:2])
            position += 2
        else:
            parts.append(rest[0])
            position += 1
    return parts


_REGEX = {"*/": "[^/]*", "?": "[^/]", "**": ".*", "**/": "(?:.*/)?"}


def _compiled(parts: list[str]) -> Callable[[str], bool]:
    expression = "".join(_REGEX.get(part) or (part if part[0] == "[" else re.escape(part[-1])) for part in parts)
    try:
        match = re.compile(expression).fullmatch
    except re.error as error:
        raise ValueError("syntax error in pattern") from error
    return lambda path: match(path) is not None


def _items(parts: list[str]) -> list[Item]:
    items: list[Item] = []
    for part in parts:
        if part == "**/":
            items += Item(_any, many=True, optional=True), Item("/")
        elif part == "**":
            items.append(Item(_any, many=True))
        elif part == "*/":
            items.append(Item(_no_slash, many=True))
        elif part == "?":
            items.append(Item(_no_slash))
        elif part[0] == "[":
            items.append(Item(_compiled([part])))
        else:
            items.append(Item(part[-1]))
    return items


def _any(char: str) -> bool:
    return char != "\n"


def _no_slash(char: str) -> bool:
    return char != "/"
