"""Disk and time: one thread looks at both, a few times a second.

Disk is what lies below the engine's home, less what lay there at its start. When it is used up, running containers
are killed and nothing more is written (``wall``); an engine that has twice as much while nothing runs ends itself,
because it is no longer known what it does. One file alone can never be larger than that: the kernel sees to it.
"""

import logging
import os
import resource
import threading
import time
from collections.abc import Callable
from pathlib import Path

from kit.engine.isolators.contract import Running

_PAUSE = 0.25
_BLOCK = 512
_log = logging.getLogger(__name__)


class Quota:
    """``disk`` bytes below ``home``, ``seconds`` for each container. ``end`` is called when nothing else helps."""

    def __init__(self, home: Path, *, disk: int, seconds: float, end: Callable[[], None]) -> None:
        self._home, self._disk, self._seconds, self._end = home, disk, seconds, end
        self._begin = used(home)
        self._running: dict[Running, float] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self.full = False
        resource.setrlimit(resource.RLIMIT_FSIZE, (disk, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
        self._watcher = threading.Thread(target=self._watch, name="quota", daemon=True)
        self._watcher.start()

    def add(self, running: Running) -> None:
        """From now on its time runs."""
        with self._lock:
            self._running[running] = time.monotonic() + self._seconds

    def remove(self, running: Running) -> None:
        with self._lock:
            self._running.pop(running, None)

    @property
    def count(self) -> int:
        """Containers that run."""
        return len(self._running)

    def close(self) -> None:
        self._closed.set()
        self._watcher.join()

    def _watch(self) -> None:
        pause = _PAUSE
        while not self._closed.wait(pause):
            begin = time.monotonic()
            grown = used(self._home) - self._begin
            self.full = grown > self._disk
            overdue = self._overdue(begin)
            if grown > 2 * self._disk and not overdue:
                _log.error("%d bytes were written, %d are allowed: the engine ends", grown, self._disk)
                self._end()
                return
            for running in overdue:
                running.kill()
            pause = max(_PAUSE, 4 * (time.monotonic() - begin))

    def _overdue(self, now: float) -> list[Running]:
        with self._lock:
            return [running for running, end in self._running.items() if self.full or now > end]


def used(directory: Path) -> int:
    """Bytes that the files below ``directory`` take; a file with several names counts once."""
    seen: set[int] = set()
    size, open_places = 0, [str(directory)]
    while open_places:
        try:
            entries = list(os.scandir(open_places.pop()))
        except OSError:
            continue
        for entry in entries:
            try:
                facts = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            if entry.is_dir(follow_symlinks=False):
                open_places.append(entry.path)
            elif facts.st_nlink > 1:
                if facts.st_ino in seen:
                    continue
                seen.add(facts.st_ino)
            size += facts.st_blocks * _BLOCK
    return size
