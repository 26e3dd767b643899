"""Times as Docker writes them: nanoseconds since 1970 inside, RFC 3339 in documents, durations for people.

Source: Go's ``time.RFC3339Nano`` (trailing zeros dropped); docker/go-units "HumanDuration".
"""

import re
import time
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from kit.errors import Invalid

NEVER = "0001-01-01T00:00:00Z"
"""Go's zero time, which a container that never ran shows."""
SECOND = 10**9
_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)?")


def now() -> int:
    """Nanoseconds since 1970."""
    return time.time_ns()


def as_text(time_ns: int, *, fixed: bool = False) -> str:
    """RFC 3339 in UTC; 0 is ``NEVER``. ``fixed`` keeps all nine digits, as log lines have them."""
    if not time_ns:
        return NEVER
    seconds, fraction = divmod(time_ns, SECOND)
    digits = f"{fraction:09d}" if fixed else f"{fraction:09d}".rstrip("0")
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}" + (f".{digits}" if digits else "") + "Z"


def parse_moment(text: str) -> int:
    """Nanoseconds of a client's ``since`` or ``until``: Unix seconds with a fraction, or RFC 3339. "" is 0.

    Raises:
        Invalid
    """
    if not text:
        return 0
    try:
        return int(Decimal(text) * SECOND)
    except InvalidOperation:
        pass
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise Invalid(f'invalid time {text!r}: give Unix seconds or "2006-01-02T15:04:05Z"')
    day, fraction, zone = match.groups()
    whole = datetime.fromisoformat(day + ("+00:00" if zone in (None, "Z") else zone))
    return int(whole.timestamp()) * SECOND + int((fraction or "").ljust(9, "0")[:9])


def duration(seconds: float) -> str:
    """A length of time as ``docker ps`` says it: "About a minute", "3 hours"."""
    whole, minutes, hours = int(seconds), int(seconds / 60), int(seconds / 3600 + 0.5)
    steps = (
        (whole < 1, "Less than a second"),
        (whole == 1, "1 second"),
        (whole < 60, f"{whole} seconds"),
        (minutes == 1, "About a minute"),
        (minutes < 60, f"{minutes} minutes"),
        (hours == 1, "About an hour"),
        (hours < 48, f"{hours} hours"),
        (hours < 24 * 14, f"{hours // 24} days"),
        (hours < 24 * 60, f"{hours // (24 * 7)} weeks"),
        (hours < 24 * 365 * 2, f"{hours // (24 * 30)} months"),
    )
    return next((text for fits, text in steps if fits), f"{hours // (24 * 365)} years")
