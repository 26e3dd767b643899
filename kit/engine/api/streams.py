"""Hijacked connections and framed output: what ``attach``, ``exec`` and ``logs`` send.

Without a terminal each piece of output is a frame: one byte for the stream, three of zero, four for the
length, then the bytes. With a terminal the bytes come bare. A hijacked connection leaves HTTP behind: after the
101 it carries output one way and input the other, each with its own end.

Source: Docker Engine API, "Attach to a container", "Stream format".
"""

import contextlib
import fcntl
import select
import socket
import struct
import termios
import threading
import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

STDIN, STDOUT, STDERR = 0, 1, 2
CONTENT_TYPE = "application/vnd.docker.raw-stream"
_UPGRADED = (
    f"HTTP/1.1 101 UPGRADED\r\nContent-Type: {CONTENT_TYPE}\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n{{extra}}\r\n"
)
_PLAIN = f"HTTP/1.1 200 OK\r\nContent-Type: {CONTENT_TYPE}\r\n{{extra}}\r\n"
_CHUNK = 32 * 1024
_LOOK_AGAIN = 1000
"""Milliseconds between two looks whether a silent client is still there."""
_HEAD_PATIENCE = 0.5
"""Seconds that a client gets to read the head of the answer."""


class Piece(Protocol):
    """Output of one stream."""

    @property
    def stream(self) -> int: ...

    @property
    def data(self) -> bytes: ...


class Session(Protocol):
    """Being attached to a process."""

    terminal: bool

    def frames(self) -> Iterable[Piece]: ...

    def write(self, data: bytes) -> bool: ...

    def end_input(self) -> None: ...

    def close(self) -> None: ...


class Text(NamedTuple):
    """Output that the engine itself makes. Is a ``Piece``."""

    stream: int
    data: bytes


class Farewell:
    """A session with nothing in it but a last word. Is a ``Session``."""

    terminal = True

    def __init__(self, words: str) -> None:
        self._words = words

    def frames(self) -> Iterable[Piece]:
        yield Text(STDOUT, f"{self._words}\r\n".encode())

    def write(self, data: bytes) -> bool:
        return False

    def end_input(self) -> None: ...

    def close(self) -> None: ...


def frame(stream: int, data: bytes) -> bytes:
    """``data`` behind its header of eight bytes."""
    return struct.pack(">BxxxL", stream, len(data)) + data


def encoded(pieces: Iterable[Piece], *, terminal: bool) -> Iterator[bytes]:
    """What goes over the wire."""
    return (piece.data if terminal else frame(piece.stream, piece.data) for piece in pieces)


def head(*, upgrade: bool, extra: Iterable[tuple[str, str]] = ()) -> bytes:
    """The answer that hands the connection over: 101 if the client asked to upgrade, else 200."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in extra)
    return (_UPGRADED if upgrade else _PLAIN).format(extra=lines).encode()


def send_head(connection: socket.socket, data: bytes) -> None:
    """Sends the head and waits until the client has read it.

    The SDK reads the head through a buffer of its own and then goes on with the bare socket: what comes together
    with the head is lost to it. A daemon is slow enough for this never to show.
    """
    connection.sendall(data)
    end = time.monotonic() + _HEAD_PATIENCE
    while _unread(connection) and time.monotonic() < end:
        time.sleep(0.0002)


def _unread(connection: socket.socket) -> int:
    """What the other side has not taken yet: 0 is nothing. Source: unix(7), SIOCOUTQ."""
    return int.from_bytes(fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4)), "little")


def serve(
    connection: socket.socket, session: Session, *, stdin: bool, framed: bool | None = None, early: bytes = b""
) -> None:
    """Carries a hijacked connection until the process ends or the client goes, then closes both.

    Blocks: call it in a thread of its own. Output is ``framed`` unless it comes from a terminal, or as said.
    ``early`` is input that came with the request. The client's end of input is told to the session; a client
    that has closed the whole connection is let go.
    """
    connection.setblocking(True)
    done = threading.Event()
    reader = threading.Thread(target=_carry_input, args=(connection, session, stdin, early, done), daemon=True)
    reader.start()
    try:
        terminal = session.terminal if framed is None else not framed
        for data in encoded(session.frames(), terminal=terminal):
            connection.sendall(data)
    except OSError:
        pass  # the client is gone
    finally:
        done.set()
        session.close()
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        reader.join()
        connection.close()


def _carry_input(
    connection: socket.socket, session: Session, stdin: bool, early: bytes, done: threading.Event
) -> None:
    """Reads from the client to the end of its input; then watches for its leaving."""
    with contextlib.suppress(OSError):
        data = early or connection.recv(_CHUNK)
        while data:
            if stdin and not session.write(data):
                break
            data = connection.recv(_CHUNK)
    if stdin and not done.is_set():
        session.end_input()
    poll = select.poll()
    poll.register(connection, select.POLLHUP)
    while not done.is_set():
        if any(event & (select.POLLHUP | select.POLLERR) for _, event in poll.poll(_LOOK_AGAIN)):
            session.close()
            return
