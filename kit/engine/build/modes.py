"""``--chmod``: octal, or symbols as ``chmod`` reads them (``u=rwX,go-w``).

Source: Dockerfile reference, "COPY --chmod"; POSIX, "chmod". Symbols without a who mean all: there is no umask.
"""

import re
from collections.abc import Callable

from kit.errors import Invalid

Change = Callable[[int, bool], int]
"""From a mode, and whether it is a directory's, to the new mode."""
_CLAUSE = re.compile(r"([ugoa]*)((?:[-+=](?:[rwxXst]*|[ugo]))+)")
_ACTION = re.compile(r"([-+=])([rwxXstugo]*)")
_BITS = {"r": 0o444, "w": 0o222, "x": 0o111}
_WHO = {"u": 0o4700, "g": 0o2070, "o": 0o1007, "a": 0o7777}
_SHIFT = {"u": 6, "g": 3, "o": 0}


def parse_mode(text: str) -> Change:
    """
    Raises:
        Invalid: it is neither.
    """
    if re.fullmatch(r"[0-9]+", text):
        if not re.fullmatch(r"[0-7]+", text) or int(text, 8) > 0o7777:
            raise Invalid(f"invalid chmod parameter: '{text}'. it should be octal string and between 0 and 07777")
        number = int(text, 8)
        return lambda mode, directory: number
    clauses = [_CLAUSE.fullmatch(clause) for clause in text.split(",")]
    if None in clauses:
        raise Invalid(f"invalid chmod parameter: {text!r} is neither octal nor like u=rwX,go-w")
    steps = [(found[1] or "a", action) for found in clauses if found for action in _ACTION.findall(found[2])]

    def change(mode: int, directory: bool) -> int:
        for who, (sign, what) in steps:
            mode = _apply(mode, directory, who, sign, what)
        return mode

    return change


def _apply(mode: int, directory: bool, who: str, sign: str, what: str) -> int:
    scope = 0
    for name in who:
        scope |= _WHO[name]
    bits = _wanted(mode, directory, what) & scope
    if "s" in what:
        bits |= scope & 0o6000
    if "t" in what:
        bits |= 0o1000
    if sign == "+":
        return mode | bits
    if sign == "-":
        return mode & ~bits
    keep = 0o7000 if directory else 0
    return mode & ~(scope & ~keep) | bits


def _wanted(mode: int, directory: bool, what: str) -> int:
    bits = 0
    for letter in what:
        if letter in _SHIFT:
            bits |= (mode >> _SHIFT[letter] & 7) * 0o111
        elif letter == "X":
            bits |= 0o111 if directory or mode & 0o111 else 0
        else:
            bits |= _BITS.get(letter, 0)
    return bits
