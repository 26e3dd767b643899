"""COPY's wildcards, as Go's ``filepath.Match`` has them: ``*`` and ``?`` stop at a slash, ``[a-z]`` is one character.

(``.dockerignore`` and ``--exclude`` have a grammar of their own: ``kit.dockerfile.ignore``.)

Source: Go, path/filepath "Match"; Dockerfile reference, "COPY", "Pattern matching".
"""

from collections.abc import Callable, Iterator
from functools import lru_cache

from kit.dockerfile.globs import Automaton, Item


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
    """The test whether the whole of a path matches. A malformed pattern matches nothing, as COPY has it."""
    try:
        return Automaton(_items(pattern)).matches
    except ValueError:
        return lambda path: False


def _not_slash(char: str) -> bool:
    return char != "/"


def _items(pattern: str) -> Iterator[Item]:
    """The places of ``pattern``.

    Raises:
        ValueError: it ends in the middle of an escape or of a class.
    """
    place = 0
    while place < len(pattern):
        char = pattern[place]
        place += 1
        if char == "*":
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
