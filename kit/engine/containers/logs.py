"""What a container wrote, kept on disk: ``docker logs``.

Each record is a JSON line ``{"log", "stream", "time"}`` with one or more whole lines of one stream; a line
without its end is recorded when it grows long or its writer ends. The disk it may use is bounded: a full file
becomes the old one, and the older one goes.

One thread writes, many read. A reader that follows waits for the next record and ends with the run.

Source: dockerd's json-file log driver; the partial-line rule is its "copier.go".
"""

import json
import os
import re
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO, NamedTuple

from kit.engine.containers import clock

LONGEST_LINE = 16 * 1024
"""Bytes after which a line without an end is recorded as it is (dockerd's figure)."""
FILE_LIMIT = 16 * 1024 * 1024
"""Bytes of one log file. Two are kept; a day of a chatty server fits, a runaway loop doesn't fill a laptop."""
_LINE = re.compile(rb"[^\n]*\n|[^\n]+")
_FOLLOW_WAIT = 0.5
"""Seconds between two looks at the clock of a follower with an ``until``."""
_BATCH = 200
"""Records that a follower reads at a time, while the writer waits."""


class LogLine(NamedTuple):
    """One line as it was written, with its line end if it had one."""

    stream: str
    time: int
    data: bytes


@dataclass(frozen=True)
class LogQuery:
    """Which lines are wanted. Times are nanoseconds since 1970, 0 is open; ``tail`` None is all."""

    stdout: bool = True
    stderr: bool = True
    since: int = 0
    until: int = 0
    tail: int | None = None
    follow: bool = False

    def takes(self, line: LogLine) -> bool:
        return self.stdout if line.stream == "stdout" else self.stderr


class LineSplitter:
    """Bytes as they come in, whole lines out."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        """The whole lines that are now complete; also a line that has grown too long."""
        data = self._rest + data
        end = data.rfind(b"\n") + 1
        if len(data) - end >= LONGEST_LINE:
            end = len(data)
        self._rest = data[end:]
        return data[:end]

    def flush(self) -> bytes:
        """The line that never ended."""
        rest, self._rest = self._rest, b""
        return rest


class Log:
    """The log of one container, over all its runs."""

    def __init__(self, path: Path, *, limit: int = FILE_LIMIT) -> None:
        self._path, self._old, self._limit = path, path.with_name(path.name + ".1"), limit
        self._changed = threading.Condition()
        self._file: int | None = None
        self._size = 0
        self._generation = 0

    def open(self) -> None:
        """A run begins: there will be records."""
        with self._changed:
            if self._file is None:
                self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
                self._size = os.fstat(self._file).st_size

    def close(self) -> None:
        """The run has ended: those who follow read to the end and go."""
        with self._changed:
            if self._file is not None:
                os.close(self._file)
                self._file = None
            self._changed.notify_all()

    def write(self, stream: str, data: bytes) -> None:
        """Adds a record. Nothing, if ``data`` is empty or no run is open."""
        if not data:
            return
        text = data.decode("utf-8", "surrogateescape")
        record = {"log": text, "stream": stream, "time": clock.as_text(clock.now(), fixed=True)}
        line = json.dumps(record, separators=(",", ":")).encode() + b"\n"
        with self._changed:
            if self._file is None:
                return
            if self._size and self._size + len(line) > self._limit:
                self._rotate()
            self._size += os.write(self._file, line)
            self._changed.notify_all()

    def _rotate(self) -> None:
        assert self._file is not None
        os.close(self._file)
        self._path.replace(self._old)
        self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._size = 0
        self._generation += 1

    def read(self, query: LogQuery) -> Iterator[LogLine]:
        """The lines that ``query`` asks for, oldest first. With ``follow`` it waits for more until the run ends.

        As in Docker, ``tail`` counts the lines of both streams.
        """
        with ExitStack() as opened:
            with self._changed:
                generation = self._generation
                paths = [path for path in (self._old, self._path) if path.exists()]
                files = [opened.enter_context(path.open("rb")) for path in paths]
            past = (line for file in files for record in _records(file) for line in record)
            kept = past if query.tail is None else deque(past, maxlen=query.tail)
            coming = self._follow(files[-1], generation, query.until) if query.follow and files else ()
            for line in chain(kept, coming):
                if query.until and line.time > query.until:
                    return
                if line.time >= query.since and query.takes(line):
                    yield line

    def _follow(self, file: BinaryIO, generation: int, until: int) -> Iterator[LogLine]:
        """What comes behind the end of ``file``, which is the log's file number ``generation``."""
        while True:
            with self._changed:
                records = list(islice(_records(file), _BATCH))
                if not records and generation < self._generation:
                    generation = max(generation + 1, self._generation - 1)
                    file.close()
                    file = (self._path if generation == self._generation else self._old).open("rb")
                    continue
                if not records and (self._file is None or (until and clock.now() > until)):
                    file.close()
                    return
                if not records:
                    self._changed.wait(_FOLLOW_WAIT if until else None)
            yield from chain.from_iterable(records)

    def delete(self) -> None:
        """Removes the files. May be repeated."""
        for path in (self._path, self._old):
            path.unlink(missing_ok=True)


def _records(file: BinaryIO) -> Iterator[list[LogLine]]:
    """The lines of each record from here to the last whole one; the file then stands behind it."""
    while raw := file.readline():
        if not raw.endswith(b"\n"):
            file.seek(-len(raw), os.SEEK_CUR)
            return
        try:
            record = json.loads(raw)
            data, time = record["log"].encode("utf-8", "surrogateescape"), clock.parse_moment(record["time"])
        except ValueError:  # cut short by a kill of the engine, then continued
            continue
        yield [LogLine(record["stream"], time, line) for line in _LINE.findall(data)]
