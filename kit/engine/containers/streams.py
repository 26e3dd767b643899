"""What goes into a process and what comes out, while it runs.

A ``Console`` holds the engine's ends of stdin, stdout and stderr, either three pipes or one terminal. Its
threads read what the process writes, put it into the log first and then before everyone who is attached.

Nothing grows without bound: each attached reader has a queue of ``QUEUE_LIMIT`` bytes, and when a reader does
not keep up the process waits for it, as in Docker. Who leaves is forgotten.

Source: dockerd's "stream" and "BytesPipe" (the limit is its block threshold).
"""

import contextlib
import fcntl
import os
import select
import struct
import sys
import termios
import threading
from collections import deque
from typing import NamedTuple, Protocol

from kit.engine.containers.logs import LineSplitter
from kit.engine.isolators.contract import Stdio

STDIN, STDOUT, STDERR = 0, 1, 2
NAMES = {STDOUT: "stdout", STDERR: "stderr"}
QUEUE_LIMIT = 1_000_000
_CHUNK = 64 * 1024
_LOOK_AGAIN = 200
"""Milliseconds between two looks whether the console was closed meanwhile."""


class Frame(NamedTuple):
    """Bytes of one stream (``STDOUT``, ``STDERR``). A terminal has only stdout."""

    stream: int
    data: bytes


class Recorder(Protocol):
    """Where output is kept: the container's log."""

    def write(self, stream: str, data: bytes) -> None: ...


class FrameQueue:
    """Frames on their way to one attached reader."""

    def __init__(self, limit: int = QUEUE_LIMIT) -> None:
        self._limit, self._size = limit, 0
        self._frames: deque[Frame] = deque()
        self._changed = threading.Condition()
        self._finished = self._closed = False

    def put(self, frame: Frame) -> None:
        """Adds a frame; waits while the queue is full. Nothing, if the reader has left."""
        with self._changed:
            self._changed.wait_for(lambda: self._size < self._limit or self._closed)
            if not self._closed:
                self._frames.append(frame)
                self._size += len(frame.data)
                self._changed.notify_all()

    def admit_all(self) -> None:
        """The process is gone: its last frames wait for nobody."""
        with self._changed:
            self._limit = sys.maxsize
            self._changed.notify_all()

    def finish(self) -> None:
        """No frame will follow."""
        with self._changed:
            self._finished = True
            self._changed.notify_all()

    def get(self) -> Frame | None:
        """The next frame; waits for it. None after the last one, or when the reader has left."""
        with self._changed:
            self._changed.wait_for(lambda: self._frames or self._finished or self._closed)
            if self._closed or not self._frames:
                return None
            frame = self._frames.popleft()
            self._size -= len(frame.data)
            self._changed.notify_all()
            return frame

    def close(self) -> None:
        """The reader leaves: the process no longer waits for it."""
        with self._changed:
            self._closed = True
            self._frames.clear()
            self._changed.notify_all()


class Console:
    """The engine's side of one process's stdin, stdout and stderr, from before its start to its end.

    ``stdio`` is the process's side: hand it to the isolator, then call ``started``.
    """

    def __init__(self, *, terminal: bool, stdin: bool, recorder: Recorder | None = None) -> None:
        self.terminal = terminal
        self._recorder = recorder
        self._lock = threading.Lock()
        self._readers: list[FrameQueue] = []
        self._pumps: list[threading.Thread] = []
        self._ended = threading.Event()
        self._finished = False
        self._input: int | None = None
        self._sources: dict[int, int] = {}
        if terminal:
            master, slave = os.openpty()
            self.stdio = Stdio(slave, slave, slave)
            self._sources[STDOUT] = master
            self._input = os.dup(master) if stdin else None
        else:
            self.stdio = self._pipes(stdin)
        for fd in filter(None, (self._input, *self._sources.values())):
            os.set_blocking(fd, False)

    def _pipes(self, stdin: bool) -> Stdio:
        if stdin:
            child_in, self._input = os.pipe()
        else:
            child_in = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        self._sources[STDOUT], child_out = os.pipe()
        self._sources[STDERR], child_err = os.pipe()
        return Stdio(child_in, child_out, child_err)

    def started(self) -> None:
        """The process has its ends: ours of them are closed, and reading begins."""
        self._close_childs_ends()
        for stream, fd in self._sources.items():
            pump = threading.Thread(target=self._pump, args=(stream, fd), name=f"console-{fd}", daemon=True)
            self._pumps.append(pump)
            pump.start()

    def ended(self) -> None:
        """The process is gone: what it wrote is read to the end, then every attached reader sees the end."""
        with self._lock:
            self._ended.set()
            for reader in self._readers:
                reader.admit_all()
        for pump in self._pumps:
            pump.join()
        self._close_childs_ends()
        self.end_input()
        for fd in self._sources.values():
            os.close(fd)
        self._sources.clear()
        with self._lock:
            self._finished = True
            readers, self._readers = self._readers, []
        for reader in readers:
            reader.finish()

    def _close_childs_ends(self) -> None:
        for fd in set(self.stdio):
            with contextlib.suppress(OSError):
                os.close(fd)
        self.stdio = Stdio(-1, -1, -1)

    def attach(self) -> FrameQueue:
        """A reader of all that comes from now on. After the end it finds nothing."""
        reader = FrameQueue()
        with self._lock:
            if self._ended.is_set():
                reader.admit_all()
            if self._finished:
                reader.finish()
            else:
                self._readers.append(reader)
        return reader

    def detach(self, reader: FrameQueue) -> None:
        """The reader leaves. May be repeated."""
        reader.close()
        with self._lock:
            self._readers = [other for other in self._readers if other is not reader]

    def write(self, data: bytes) -> None:
        """Gives ``data`` to the process's stdin; waits while it doesn't read.

        Raises:
            BrokenPipeError: stdin is closed.
        """
        rest = memoryview(data)
        while rest:
            with self._lock:
                if self._input is None:
                    raise BrokenPipeError("stdin is closed")
                fd = self._input
                with contextlib.suppress(BlockingIOError):
                    rest = rest[os.write(fd, rest) :]
                    continue
            poll = select.poll()
            poll.register(fd, select.POLLOUT)
            poll.poll(_LOOK_AGAIN)

    def end_input(self) -> None:
        """Closes stdin. May be repeated."""
        with self._lock:
            if self._input is not None:
                os.close(self._input)
                self._input = None

    def resize(self, rows: int, columns: int) -> None:
        """The terminal's size. Nothing without a terminal, or after the end."""
        with self._lock:
            fd = self._sources.get(STDOUT)
            if self.terminal and fd is not None:
                fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def _pump(self, stream: int, fd: int) -> None:
        """Reads one stream to its end."""
        splitter = LineSplitter()
        while data := self._read(fd):
            self._record(stream, splitter.feed(data))
            frame = Frame(stream, data)
            with self._lock:
                readers = list(self._readers)
            for reader in readers:
                reader.put(frame)
        self._record(stream, splitter.flush())

    def _record(self, stream: int, lines: bytes) -> None:
        if self._recorder is not None:
            self._recorder.write(NAMES[stream], lines)

    def _read(self, fd: int) -> bytes:
        """The next bytes. b"" at the end, also when the process is gone and something else holds its end open."""
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        while True:
            last = self._ended.is_set()
            if poll.poll(_LOOK_AGAIN if not last else 0):
                try:
                    return os.read(fd, _CHUNK)
                except BlockingIOError:
                    continue
                except OSError:  # EIO: the last holder of the terminal's other side is gone
                    return b""
            if last:
                return b""
