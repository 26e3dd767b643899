"""Bytes between the loop, which owns the sockets, and the threads, which do the work.

Both ways are bounded: whoever is faster waits. So a build context of 2 GB, or an image that is saved to a slow
pipe, is never in memory as a whole.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Awaitable, Callable

LIMIT = 1 << 20
"""Bytes that wait at most, but for the piece that exceeds it: about a millisecond of copying."""


class ClientGone(ConnectionError):
    """The client has left."""


class Inflow:
    """A request's body: the loop feeds it, a thread reads it like a file."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop, self._changed = loop, threading.Condition()
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._ended = self._gone = self._unwanted = False
        self._room = asyncio.Event()
        self.ended = asyncio.Event()

    # in the loop

    async def feed(self, data: bytes) -> None:
        """More has come; waits while there is too much."""
        with self._changed:
            if self._unwanted:
                return
            self._pieces.append(data)
            self._size += len(data)
            self._changed.notify()
            self._room.clear()
            full = self._size > LIMIT
        if full:
            await self._room.wait()

    def finish(self, *, gone: bool = False) -> None:
        """That was all, or the client has left in the middle."""
        with self._changed:
            self._ended, self._gone = True, gone and not self._ended
            self._changed.notify()
        self.ended.set()

    # in a thread

    def read(self, size: int = -1, /) -> bytes:
        """``size`` bytes, fewer only at the end; negative is all.

        Raises:
            ClientGone
        """
        found: list[bytes] = []
        while size:
            piece = self._take(size)
            if not piece:
                break
            found.append(piece)
            size = size - len(piece) if size > 0 else size
        return b"".join(found)

    def _take(self, most: int) -> bytes:
        with self._changed:
            self._changed.wait_for(lambda: self._pieces or self._ended)
            if self._gone:
                raise ClientGone("the client left before its request was whole")
            if not self._pieces:
                return b""
            piece = self._pieces.popleft()
            if 0 < most < len(piece):
                self._pieces.appendleft(piece[most:])
                piece = piece[:most]
            self._size -= len(piece)
            if self._size <= LIMIT:
                self._loop.call_soon_threadsafe(self._room.set)
            return piece

    def discard(self) -> None:
        """Nobody reads any more: what still comes is thrown away."""
        with self._changed:
            self._unwanted = True
            self._pieces.clear()
            self._size = 0
        self._loop.call_soon_threadsafe(self._room.set)


class Outflow:
    """An answer's body: a thread puts it in, the loop sends it on."""

    def __init__(self, loop: asyncio.AbstractEventLoop, send: Callable[[bytes], Awaitable[None]]) -> None:
        self._loop, self._send, self._changed = loop, send, threading.Condition()
        self._pieces: list[bytes] = []
        self._size = 0
        self._sending = False
        self._gone = False

    # in a thread

    def put(self, data: bytes) -> None:
        """Sends ``data`` soon; waits while the client does not keep up.

        Raises:
            ClientGone
        """
        with self._changed:
            self._changed.wait_for(lambda: self._size <= LIMIT or self._gone)
            if self._gone:
                raise ClientGone("the client has left")
            self._pieces.append(data)
            self._size += len(data)
            if not self._sending:
                self._sending = True
                asyncio.run_coroutine_threadsafe(self._drain(), self._loop)

    def flush(self) -> None:
        """Waits until everything is sent, or the client has left."""
        with self._changed:
            self._changed.wait_for(lambda: self._gone or not self._sending)

    # in the loop

    async def _drain(self) -> None:
        while True:
            with self._changed:
                pieces, self._pieces = self._pieces, []
                self._size = 0
                if not pieces or self._gone:
                    self._sending = False
                    self._changed.notify_all()
                    return
                self._changed.notify_all()
            try:
                await self._send(b"".join(pieces))
            except OSError:
                self.leave()

    def leave(self) -> None:
        """The client has left. May be repeated."""
        with self._changed:
            self._gone = True
            self._changed.notify_all()

    @property
    def gone(self) -> bool:
        return self._gone
