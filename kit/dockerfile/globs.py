"""Patterns with ``*`` and ``?``, matched in one pass.

A pattern is a row of places. All places that the text read so far can have led to are the bits of one integer;
each further character moves all of them at once. So the time is that of reading the text, whatever the pattern:
``*a*a*a*a*b`` can't make a build hang, as it would with a matcher that goes back and tries again.

Source: POSIX shell, 2.13 "Pattern Matching Notation", without brackets; a newline is matched by itself only.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

Test = Callable[[str], bool]


@dataclass(frozen=True)
class Item:
    """One place: the character ``what``, or one that passes the test ``what``; ``many`` is any number, none as well.

    ``optional`` lets this place and the next be skipped together (``**/``).
    """

    what: str | Test
    many: bool = False
    optional: bool = False


class Automaton:
    """A row of items, ready to read text."""

    def __init__(self, items: Iterable[Item]) -> None:
        self._characters: defaultdict[str, int] = defaultdict(int)
        self._tests: defaultdict[Test, int] = defaultdict(int)
        self._many = self._optional = 0
        self._final = 1
        for item in items:
            if isinstance(item.what, str):
                self._characters[item.what] |= self._final
            else:
                self._tests[item.what] |= self._final
            self._many |= self._final if item.many else 0
            self._optional |= self._final if item.optional else 0
            self._final <<= 1

    def ends(self, text: Iterable[str]) -> Iterator[int]:
        """How many characters a match from the start of ``text`` may take, in rising order."""
        places = self._closed(1)
        if places & self._final:
            yield 0
        for count, char in enumerate(text, 1):
            places = self._after(places, char)
            if not places:
                return
            if places & self._final:
                yield count

    def matches(self, text: str) -> bool:
        """Whether the whole of ``text`` is a match."""
        places = self._closed(1)
        for char in text:
            places = self._after(places, char)
            if not places:
                return False
        return bool(places & self._final)

    def everywhere(self, text: Iterable[str]) -> Iterator[bool]:
        """For each character: does a match end right after it, wherever it began?"""
        start = self._closed(1)
        places = start
        for char in text:
            places = self._after(places, char) | start
            yield bool(places & self._final)

    @property
    def takes_nothing(self) -> bool:
        return bool(self._closed(1) & self._final)

    def _after(self, places: int, char: str) -> int:
        fitting = self._characters.get(char, 0)
        for test, mask in self._tests.items():
            if places & mask and test(char):
                fitting |= mask
        places &= fitting
        return (places & self._many) | self._closed(places << 1)

    def _closed(self, arrived: int) -> int:
        """The places, and those behind what may be left out. Whoever stays at a ``**/`` can't skip it any more."""
        places = 0
        while arrived & ~places:
            places |= arrived
            arrived = (arrived & self._optional) << 2 | (arrived & self._many) << 1
        return places


def not_newline(char: str) -> bool:
    return char != "\n"


def compiled(pattern: str) -> tuple[Item, ...]:
    """The items of a shell pattern; ``\\`` makes the next of ``* ? \\ } /`` stand for itself.

    Raises:
        ValueError: a ``\\`` before anything else.
    """
    items: list[Item] = []
    chars = iter(pattern)
    for char in chars:
        if char == "*":
            if not (items and items[-1].many):
                items.append(Item(not_newline, many=True))
        elif char == "?":
            items.append(Item(not_newline))
        elif char == "\\":
            char = next(chars, "")
            if char not in tuple("*?\\}/"):
                raise ValueError(f"invalid escape '\\{char}'")
            items.append(Item(char))
        else:
            items.append(Item(char))
    return tuple(items)


def without_prefix(value: str, pattern: str, *, greedy: bool) -> str:
    """``value`` without the shortest (``greedy``: longest) start that matches."""
    return value[_taken(Automaton(compiled(pattern)), value, greedy) :]


def without_suffix(value: str, pattern: str, *, greedy: bool) -> str:
    """``value`` without the shortest (``greedy``: longest) end that matches."""
    backwards = Automaton(compiled(pattern)[::-1])
    return value[: len(value) - _taken(backwards, value[::-1], greedy)]


def replaced(value: str, pattern: str, replacement: str, *, all_: bool) -> str:
    """``value`` with the first match (``all_``: every match) replaced; each is taken as long as it can be."""
    items = compiled(pattern)
    forwards, backwards = Automaton(items), Automaton(items[::-1])
    starts = [*reversed(list(backwards.everywhere(reversed(value)))), backwards.takes_nothing]
    out: list[str] = []
    position = copied = 0
    after_match = False
    while position <= len(value):
        if not starts[position]:
            position, after_match = position + 1, False
            continue
        end = position + _taken(forwards, _from(value, position), greedy=True)
        if end > position or not after_match:
            out += value[copied:position], replacement
            copied = end
            if not all_:
                break
        after_match = end > position
        position = end if end > position else position + 1
    return "".join(out) + value[copied:]


def _from(text: str, position: int) -> Iterator[str]:
    return (text[i] for i in range(position, len(text)))


def _taken(automaton: Automaton, text: Iterable[str], greedy: bool) -> int:
    taken = 0
    for taken in automaton.ends(text):
        if not greedy:
            return taken
    return taken
