"""How far a transfer is, said often enough to watch and seldom enough to cost nothing."""

import time
from collections.abc import Callable

from kit.engine.registry.events import Event

STEP = 512 << 10
"""Bytes between two events, at least: Docker's progress reader has the same."""
PAUSE = 0.1
"""Seconds between two events, at least."""


class Meter:
    """Counts the bytes of one blob."""

    def __init__(self, status: str, id: str, total: int, tell: Callable[[Event], None]) -> None:
        self._status, self._id, self._total, self._tell = status, id, total, tell
        self._said_at, self._said = float("-inf"), -STEP

    def at(self, current: int) -> None:
        """``current`` bytes are done, of all."""
        now = time.monotonic()
        if current - self._said >= STEP and now - self._said_at >= PAUSE:
            self._tell(Event(self._status, self._id, current, self._total))
            self._said_at, self._said = now, current
