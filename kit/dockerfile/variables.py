"""Variables and quotes: ``${NAME:-default}``, ``$NAME``, ``'…'``, ``"…"``, escapes.

Close to a shell, but not one: no command substitution, no arithmetic, no positional parameters.

Source: Dockerfile reference, "Environment replacement"; BuildKit's shell lexer for what the reference leaves open.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from kit.dockerfile import globs
from kit.dockerfile.errors import Wrong
from kit.dockerfile.go import SPACE, quote

DEEPEST = 100  # ${a:-${b:-…}}: nobody writes more than three; Python's own stack ends near 1000
LONGEST = 2 << 20  # characters of one result: as long as a Dockerfile may be, with the files written in it
SPECIAL = "@*#?-$!0"  # parameters that a shell would have; here they are never set


@dataclass(frozen=True)
class Expanded:
    """A result: whole, or as ``words`` split at unquoted spaces; and the names that were met."""

    text: str
    words: tuple[str, ...]
    matched: frozenset[str]
    unmatched: frozenset[str]


@dataclass(frozen=True)
class Lexer:
    """How to read. ``escape`` is the file's escape character.

    ``raw_quotes`` and ``raw_escapes`` keep quotes and escapes in the result; without ``quotes``, quotes are
    ordinary characters; ``keep_unset`` leaves variables that aren't set as they are written.
    """

    escape: str = "\\"
    raw_quotes: bool = False
    raw_escapes: bool = False
    quotes: bool = True
    keep_unset: bool = False

    def expand(self, text: str, env: Mapping[str, str]) -> Expanded:
        """``text`` with its variables replaced.

        Raises:
            Wrong: a quote or brace has no end, a pattern is no pattern, or ``:?`` refuses.
        """
        reading = _Reading(self, text, env)
        try:
            result = reading.until("", self.raw_escapes, reading.words)
        except Wrong as wrong:
            raise Wrong(f"failed to process {quote(_short(text))}: {wrong.reason}", wrong.near or text) from wrong
        return Expanded(result, reading.words.finished(), frozenset(reading.matched), frozenset(reading.unmatched))

    def with_(self, **changes: bool) -> "Lexer":
        return replace(self, **changes)  # type: ignore[arg-type]


def _short(text: str) -> str:
    return text if len(text) <= 200 else text[:200] + "…"


@dataclass
class _Words:
    """Collects words; only unquoted spaces part them."""

    done: list[str] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)

    def add(self, text: str) -> None:
        """``text`` was not quoted: its spaces part words."""
        run = ""
        for run in _RUNS.findall(text):
            if run[0] in SPACE:
                self.end()
            else:
                self.parts.append(run)

    def add_whole(self, text: str) -> None:
        self.parts.append(text)

    def end(self) -> None:
        if word := "".join(self.parts):
            self.done.append(word)
        self.parts.clear()

    def finished(self) -> tuple[str, ...]:
        self.end()
        return tuple(self.done)


_RUNS = re.compile(f"[{SPACE}]+|[^{SPACE}]+")


class _Reading:
    """One text being read, from left to right, each character once."""

    def __init__(self, lexer: Lexer, text: str, env: Mapping[str, str]) -> None:
        self.lexer, self.text, self.env = lexer, text, env
        self.at = self.depth = self.length = 0
        self.words = _Words()
        self.matched: set[str] = set()
        self.unmatched: set[str] = set()
        special = "$<" + lexer.escape + ("'\"" if lexer.quotes else "")
        self.plain = {stop: re.compile("[^" + re.escape(special + stop) + "]+") for stop in ("", "}", "/")}
        self.in_quotes = re.compile("[^" + re.escape('$"' + lexer.escape) + "]+")

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def next(self) -> str:
        char = self.text[self.at : self.at + 1]
        self.at += 1
        return char

    def run(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.at)
        if not found:
            return ""
        self.at = found.end()
        return found[0]

    def until(self, stop: str, raw_escapes: bool, words: _Words) -> str:
        """What stands before ``stop`` (which is taken too), or up to the end if ``stop`` is ""."""
        out: list[str] = []
        while char := self.peek():
            if char == stop:
                self.at += 1
                return self.sized(out)
            if plain := self.run(self.plain[stop]):
                words.add(plain)
                out.append(plain)
            elif char == "$":
                value = self.dollar(raw_escapes)
                words.add(value)
                out.append(value)
            elif char == self.lexer.escape:
                self.at += 1
                escaped = (char if raw_escapes else "") + self.next()
                words.add_whole(escaped)
                out.append(escaped)
            else:
                whole = self.quoted(char, raw_escapes)
                words.add_whole(whole)
                out.append(whole)
        if stop:
            raise Wrong(f"unexpected end of statement while looking for matching {stop}")
        return self.sized(out)

    def sized(self, parts: list[str]) -> str:
        text = "".join(parts)
        if len(text) > LONGEST:
            raise Wrong(f"the result is longer than {LONGEST} characters")
        return text

    def quoted(self, char: str, raw_escapes: bool) -> str:
        if char == "'":
            return self.single_quoted()
        if char == '"':
            return self.double_quoted(raw_escapes)
        return self.heredoc_mark()

    def single_quoted(self) -> str:
        end = self.text.find("'", self.at + 1)
        if end < 0:
            self.at = len(self.text)
            raise Wrong("unexpected end of statement while looking for matching single-quote")
        whole = self.text[self.at : end + 1]
        self.at = end + 1
        return whole if self.lexer.raw_quotes else whole[1:-1]

    def double_quoted(self, raw_escapes: bool) -> str:
        mark = '"' if self.lexer.raw_quotes else ""
        self.at += 1
        out = [mark]
        while char := self.peek():
            if char == '"':
                self.at += 1
                return self.sized([*out, mark])
            if char == "$":
                out.append(self.dollar(raw_escapes))
            elif char == self.lexer.escape:
                self.at += 1
                out.append(self.escaped_in_quotes(raw_escapes))
            else:
                out.append(self.run(self.in_quotes))
        raise Wrong("unexpected end of statement while looking for matching double-quote")

    def escaped_in_quotes(self, raw_escapes: bool) -> str:
        """Only ``"``, ``$`` and the escape itself can be escaped here; before others it stays."""
        escape, following = self.lexer.escape, self.peek()
        if not following:
            return escape if raw_escapes else ""
        if following in ('"', "$", escape):
            self.at += 1
            return (escape if raw_escapes else "") + following
        return escape * (2 if raw_escapes else 1)

    def heredoc_mark(self) -> str:
        """``<``, or ``<<`` with the blanks after it, which belong to the word that follows."""
        found = _HEREDOC.match(self.text, self.at)
        assert found
        self.at = found.end()
        return found[0]

    def dollar(self, raw_escapes: bool) -> str:
        self.at += 1
        if self.peek() != "{":
            name = self.name()
            if not name:
                return "$"
            value = self.value(name)
            return ("$" + name if self.lexer.keep_unset else "") if value is None else value
        self.depth += 1
        if self.depth > DEEPEST:
            raise Wrong(f"${{…}} nested more than {DEEPEST} deep")
        try:
            return self.braces()
        finally:
            self.depth -= 1

    def braces(self) -> str:
        self.at += 1
        if not self.peek():
            raise Wrong("syntax error: missing '}'")
        if self.peek() in "{}:":
            raise Wrong("syntax error: bad substitution")
        name, operator = self.name(), self.next()
        if operator == "}":
            value = self.value(name)
            return (f"${{{name}}}" if self.lexer.keep_unset else "") if value is None else value
        if operator == "/":
            return self.replacement(name)
        if operator == ":":
            operator += self.next()
        if not operator:
            raise Wrong("syntax error: missing '}'")
        if operator[0] not in ":+-?#%" or operator in (":#", ":%"):
            raise Wrong(f"unsupported modifier ({operator}) in substitution")
        word = self.braced_word("}", operator in "#%", "syntax error: missing '}'")
        return self.modified(name, operator, word)

    def modified(self, name: str, operator: str, word: str) -> str:
        value = self.value(name)
        if value is None and self.lexer.keep_unset:
            return f"${{{name}{operator}{word}}}"
        missing = value is None or (operator[0] == ":" and value == "")
        match operator[-1]:
            case "-":
                return word if missing or value is None else value
            case "+":
                return "" if missing else word
            case "?":
                if missing or value is None:
                    state = "unset" if value is None else "empty"
                    raise Wrong(f"{name}: {word or f'is not allowed to be {state}'}")
                return value
            case "#" | "%":
                greedy = word.startswith(operator)
                cut = globs.without_prefix if operator == "#" else globs.without_suffix
                try:
                    return cut(value or "", word[1:] if greedy else word, greedy=greedy)
                except ValueError as error:
                    raise Wrong(f"invalid pattern ({word}) in substitution: {error}") from error
        raise Wrong(f"unsupported modifier ({operator}) in substitution")

    def replacement(self, name: str) -> str:
        slash = "/"
        if all_ := self.peek() == "/":
            self.at += 1
            slash = "//"
        pattern = self.braced_word("/", True, "syntax error: missing '/' in ${}")
        by = self.braced_word("}", True, "syntax error: missing '}'")
        value = self.value(name)
        if value is None and self.lexer.keep_unset:
            return f"${{{name}{slash}{pattern}/{by}}}"
        try:
            return self.sized([globs.replaced(value or "", pattern, by, all_=all_)])
        except ValueError as error:
            raise Wrong(f"invalid pattern ({pattern}) in substitution: {error}") from error

    def braced_word(self, stop: str, raw_escapes: bool, missing: str) -> str:
        try:
            return self.until(stop, raw_escapes, _Words())
        except Wrong as wrong:
            if self.at >= len(self.text) and wrong.reason.startswith("unexpected end"):
                raise Wrong(missing) from wrong
            raise

    def name(self) -> str:
        """Letters, digits and ``_``; digits alone if it starts with one; or one special parameter."""
        char = self.peek()
        if char and char in SPECIAL and not char.isdecimal():
            self.at += 1
            return char
        return self.run(_DIGITS if char.isdecimal() else _LETTERS)

    def value(self, name: str) -> str | None:
        value = self.env.get(name)
        (self.unmatched if value is None else self.matched).add(name)
        return value


_DIGITS = re.compile(r"\d+")
_LETTERS = re.compile(r"\w+")
_HEREDOC = re.compile("<<[\t\r ]*|<")
