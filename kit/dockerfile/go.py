"""The few habits of Go that are visible in a Dockerfile and in an image.

BuildKit is written in Go, and so Go decides what a space, a truth, a duration and a quoted word look like.

Source: Go's standard library: unicode.IsSpace, strconv.ParseBool, strconv.Quote, time.ParseDuration, path.Clean.
"""

import posixpath
import re
from collections.abc import Iterable

from kit.dockerfile.errors import Wrong

SPACE = "\t\n\v\f\r \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"
BLANKS = re.compile("[\t\v\f\r ]+")

_TRUE, _FALSE = ("1", "t", "T", "TRUE", "true", "True"), ("0", "f", "F", "FALSE", "false", "False")
_ESCAPES = {"\a": r"\a", "\b": r"\b", "\f": r"\f", "\n": r"\n", "\r": r"\r", "\t": r"\t", "\v": r"\v"}
_UNITS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "μs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_PART = re.compile(r"([0-9]*)(?:\.([0-9]*))?([^0-9.]+)")
_LONGEST_DURATION = 2**63 - 1  # nanoseconds in an int64: about 292 years


def parse_bool(text: str) -> bool | None:
    """What ``text`` means as a truth, None if it isn't one."""
    return True if text in _TRUE else False if text in _FALSE else None


def quote(text: str) -> str:
    """``text`` in double quotes, as ``%q`` prints it."""
    out = []
    for char in text:
        if char in '"\\':
            out.append("\\" + char)
        elif char in _ESCAPES:
            out.append(_ESCAPES[char])
        elif char.isprintable():
            out.append(char)
        elif ord(char) < 0x80:
            out.append(f"\\x{ord(char):02x}")
        else:
            out.append(f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}")
    return '"' + "".join(out) + '"'


def quoted_list(words: Iterable[str]) -> str:
    """``["a" "b"]``, as ``%q`` prints a list."""
    return "[" + " ".join(map(quote, words)) + "]"


def plain_list(words: Iterable[str]) -> str:
    """``[a b]``, as ``%v`` prints a list."""
    return "[" + " ".join(words) + "]"


def parse_duration(text: str) -> int:
    """Nanoseconds of ``1h30m``, ``1.5s``, ``300ms``.

    Raises:
        Wrong: not a duration, in Go's words.
    """
    sign, rest = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    if rest == "0":
        return 0
    if not rest or len(rest) > 64:
        raise Wrong(f"time: invalid duration {quote(text)}", text)
    total = position = 0
    while position < len(rest):
        part = _PART.match(rest, position)
        if part is None or not (part[1] or part[2]):
            number = re.compile(r"[0-9]+\.?[0-9]*$").match(rest, position)
            what = "missing unit in duration" if number else "invalid duration"
            raise Wrong(f"time: {what} {quote(text)}", text)
        if part[3] not in _UNITS:
            raise Wrong(f"time: unknown unit {quote(part[3])} in duration {quote(text)}", text)
        unit = _UNITS[part[3]]
        fraction = part[2] or ""
        total += int(part[1] or 0) * unit + (int(fraction) * unit // 10 ** len(fraction) if fraction else 0)
        position = part.end()
    if total > _LONGEST_DURATION:
        raise Wrong(f"time: invalid duration {quote(text)}", text)
    return sign * total


def duration_text(nanoseconds: int) -> str:
    """``1m30s``, ``1.5s``, ``300ms``: as Go prints a duration."""
    if nanoseconds == 0:
        return "0s"
    if nanoseconds < 10**9:
        name = "ns" if nanoseconds < 10**3 else "µs" if nanoseconds < 10**6 else "ms"
        return _decimal(nanoseconds, _UNITS[name]) + name
    minutes, rest = divmod(nanoseconds, 60 * 10**9)
    hours, minutes = divmod(minutes, 60)
    text = f"{hours}h" if hours else ""
    text += f"{minutes}m" if hours or minutes else ""
    return text + _decimal(rest, 10**9) + "s"


def _decimal(value: int, unit: int) -> str:
    whole, rest = divmod(value, unit)
    digits = str(rest).rjust(len(str(unit)) - 1, "0").rstrip("0") if rest else ""
    return f"{whole}.{digits}" if digits else str(whole)


def clean(path: str) -> str:
    """The shortest name of the same path; ``//`` at the start is ``/``."""
    return re.sub(r"^//+", "/", posixpath.normpath(path))
