"""Path patterns as Go reads them: ``COPY *.txt``, ``.dockerignore``, ``--exclude``.

Two grammars, one automaton. COPY's wildcards are Go's ``filepath.Match``: ``*`` and ``?`` stop at a slash,
``[a-z]`` is one character. Ignore patterns also know ``**`` for any number of directories, ``!`` for an
exception, and cover everything below what they match; the last pattern that matches decides.

Source: Go, path/filepath "Match"; moby/patternmatcher; Dockerfile reference, ".dockerignore file".
"""

import posixpath
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache

from kit.dockerfile.globs import Automaton, Item
from kit.errors import Invalid
from kit.layer.changeset import parent_of

_MAGIC = frozenset("*?[\\")


def has_wildcard(text: str) -> bool:
    """Whether ``text`` holds ``*``, ``?`` or ``[`` that no backslash takes away."""
    chars = iter(text)
    for char in chars:
        if char == "\\":
            next(chars, None)
        elif char in "*?[":
            return True
    return False


@lru_cache(maxsize=256)
def glob(pattern: str) -> Callable[[str], bool]:
    """Go's ``filepath.Match``. A malformed pattern matches nothing, as COPY has it."""
    try:
        return Automaton(_items(pattern, stars=False)).matches
    except ValueError:
        return lambda text: False


class IgnorePatterns:
    """Patterns in order. ``covers`` remembers what it found for directories: ask for paths in one tree."""

    def __init__(self, lines: Iterable[str]) -> None:
        """Raises:
        Invalid: a line is no pattern.
        """
        self._rules = [_rule(line) for line in lines]
        self._known: dict[str, tuple[bool, ...]] = {"": (False,) * len(self._rules)}

    def __bool__(self) -> bool:
        return bool(self._rules)

    def covers(self, path: str) -> bool:
        """Whether the last rule that matches ``path``, or a directory above it, is no exception."""
        covered = False
        for (_, exception), hit in zip(self._rules, self._hits(path), strict=True):
            if hit:
                covered = not exception
        return covered

    def _hits(self, path: str) -> tuple[bool, ...]:
        known = self._known.get(path)
        if known is None:
            above = self._hits(parent_of(path))
            known = tuple(hit or matches(path) for hit, (matches, _) in zip(above, self._rules, strict=True))
            self._known[path] = known
        return known


def parse_ignore_file(data: bytes) -> list[str]:
    """The patterns of a ``.dockerignore``: no comments, no empty lines, each cleaned."""
    lines = data.decode("utf-8-sig", errors="surrogateescape").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def _rule(line: str) -> tuple[Callable[[str], bool], bool]:
    exception = line.startswith("!")
    pattern = posixpath.normpath(line.removeprefix("!").strip()).lstrip("/")
    if not _MAGIC & set(pattern):
        return pattern.__eq__, exception
    try:
        return Automaton(_items(pattern, stars=True)).matches, exception
    except ValueError as error:
        raise Invalid(f"error from the pattern {line!r}: syntax error in pattern") from error


def _not_slash(char: str) -> bool:
    return char != "/"


def _anything(char: str) -> bool:
    return True


def _items(pattern: str, *, stars: bool) -> Iterator[Item]:
    """The places of ``pattern``; ``stars``: ``**`` crosses slashes.

    Raises:
        ValueError: it ends in the middle of an escape or of a class.
    """
    place = 0
    while place < len(pattern):
        char = pattern[place]
        place += 1
        if char == "*" and stars and pattern.startswith("*", place):
            place += 1 + pattern.startswith("/", place + 1)
            yield from _double_star(at_end=place >= len(pattern))
        elif char == "*":
            yield Item(_not_slash, many=True)
        elif char == "?":
            yield Item(_not_slash)
        elif char == "[":
            test, place = _class(pattern, place)
            yield Item(test)
        elif char == "\\":
            if place == len(pattern):
                raise ValueError(pattern)
            yield Item(pattern[place])
            place += 1
        else:
            yield Item(char)


def _double_star(*, at_end: bool) -> Iterator[Item]:
    """Anything at all; before more of the pattern: nothing, or whole directories."""
    if at_end:
        yield Item(_anything, many=True)
    else:
        yield Item(_anything, many=True, optional=True)
        yield Item("/")


def _class(pattern: str, place: int) -> tuple[Callable[[str], bool], int]:
    """``[a-z]`` from behind its bracket: the test, and the place behind it."""
    negated = pattern.startswith("^", place)
    place += negated
    ranges: list[tuple[str, str]] = []
    while not ranges or not pattern.startswith("]", place):
        low, place = _class_char(pattern, place)
        high = low
        if pattern.startswith("-", place):
            high, place = _class_char(pattern, place + 1)
        ranges.append((low, high))

    def test(char: str) -> bool:
        return char != "/" and any(low <= char <= high for low, high in ranges) != negated

    return test, place + 1


def _class_char(pattern: str, place: int) -> tuple[str, int]:
    if place < len(pattern) and pattern[place] == "\\":
        place += 1
    elif place < len(pattern) and pattern[place] in "]-":
        raise ValueError(pattern)
    if place >= len(pattern):
        raise ValueError(pattern)
    return pattern[place], place + 1
