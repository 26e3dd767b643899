"""How a build ends early: from another thread, at any moment, also while nothing is printed."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from kit.errors import KitError


class Cancelled(KitError):
    """Nobody wants the build any more."""

    def __init__(self) -> None:
        super().__init__("the build was cancelled")


class Cancel:
    """A wish that can be made once, and what is then to be stopped."""

    def __init__(self) -> None:
        self._lock, self._wished = threading.Lock(), False
        self._stops: list[Callable[[], None]] = []

    def wish(self) -> None:
        """Stops what runs. May be repeated."""
        with self._lock:
            self._wished = True
            stops = list(self._stops)
        for stop in stops:
            stop()

    def check(self) -> None:
        """
        Raises:
            Cancelled
        """
        if self._wished:
            raise Cancelled

    @contextmanager
    def stopping(self, stop: Callable[[], None]) -> Iterator[None]:
        """While inside, a wish calls ``stop``, which may be called again.

        Raises:
            Cancelled: at the end, or at once.
        """
        with self._lock:
            self._stops.append(stop)
        try:
            if self._wished:
                stop()
            yield
        finally:
            with self._lock:
                self._stops.remove(stop)
        self.check()
