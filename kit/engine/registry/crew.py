"""Several jobs at once, their events in one stream.

The jobs run in threads and tell their progress; one reader takes it as it comes. The first job that fails ends the
others: their next ``tell`` or ``wait`` raises ``Stopped``. Nobody is left running when the ``with`` ends.
"""

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from kit.engine.registry.events import Event

SIZE = 3
"""Blobs in transfer at once: Docker's max-concurrent-downloads."""


class Stopped(Exception):
    """The job is no longer wanted: another one failed, or the reader left."""


class Crew:
    """Runs jobs, at most ``size`` at once."""

    def __init__(self, size: int = SIZE) -> None:
        self._pool = ThreadPoolExecutor(size, thread_name_prefix="transfer")
        self._news: queue.SimpleQueue[Event | Future[None]] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._running = 0

    def __enter__(self) -> "Crew":
        return self

    def __exit__(self, *_: TracebackType | type[BaseException] | BaseException | None) -> None:
        self._stop.set()
        self._pool.shutdown(cancel_futures=True)

    def start(self, job: Callable[[], None]) -> None:
        """Add a job."""
        self._running += 1
        self._pool.submit(job).add_done_callback(self._news.put)

    def tell(self, event: Event) -> None:
        """For jobs: say something.

        Raises:
            Stopped: stop now.
        """
        if self._stop.is_set():
            raise Stopped
        self._news.put(event)

    def wait(self, seconds: float) -> None:
        """For jobs: sleep.

        Raises:
            Stopped: stop now.
        """
        if self._stop.wait(seconds):
            raise Stopped

    def events(self) -> Iterator[Event]:
        """What the jobs say, until all are done. Raises the first error that one of them had."""
        while self._running:
            news = self._news.get()
            if isinstance(news, Event):
                yield news
            else:
                self._running -= 1
                news.result()
