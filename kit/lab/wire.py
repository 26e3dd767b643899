"""A push or a pull, written down: a small proxy on loopback that stands before a registry.

An engine that pushes to ``wire.name`` instead of the registry's own name needs to know nothing of it, so every engine
can be watched. Bodies pass through and are only counted. Headers are never kept: they hold the password. With a
``door`` it passes on only what the door lets in.

    with Wire("127.0.0.1:5000") as wire:
        kit.tag("you/app:1", f"{wire.name}/you/app:1")
        kit.push(f"{wire.name}/you/app:1")
        wire.rows()
"""

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase
from types import TracebackType
from typing import Any

from kit.lab.door import Door, Refusal
from kit.lab.remote import is_loopback
from kit.lab.wire_words import digest_in, short_target, words_of

CHUNK = 64 << 10
TLS_HELLO = b"\x16"
"""The first byte of a TLS connection. Docker tries that first; hanging up at once makes it go on to plain http."""
_HOP = {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
"""Headers that belong to one connection, not to the message (RFC 9110, 7.6.1)."""


@dataclass(frozen=True)
class Row:
    """One request and its answer. ``at`` is seconds since the wire began, ``up`` and ``down`` bytes of the bodies."""

    at: float
    method: str
    path: str
    status: int
    up: int
    down: int
    kind: str
    digest: str
    meaning: str


@dataclass
class _Exchange:
    """A request that may still be on its way."""

    at: float
    method: str
    target: str
    status: int = 0
    up: int = 0
    down: int = 0

    def row(self) -> Row:
        kind, meaning = words_of(self.method, self.target, self.status)
        path, digest = short_target(self.target), digest_in(self.target)
        return Row(round(self.at, 6), self.method, path, self.status, self.up, self.down, kind, digest, meaning)


class Wire:
    """Records what goes to and from ``registry`` (``127.0.0.1:5000``) from the start of ``with`` to its end."""

    def __init__(self, registry: str, door: Door | None = None) -> None:
        self.registry, self.door = registry, door
        self._began = time.monotonic()
        self._exchanges: list[_Exchange] = []
        self._server = _Server(self)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self._thread.start()

    @property
    def name(self) -> str:
        """What to put before a repository, so that its push or pull is recorded."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    def rows(self, since: float = 0.0) -> list[Row]:
        """The answered requests so far, in the order they began; with ``since`` only those from that second on."""
        return [exchange.row() for exchange in self._exchanges if exchange.status and exchange.at >= since]

    def now(self) -> float:
        """Seconds since the wire began: for ``rows(since=…)``."""
        return time.monotonic() - self._began

    def close(self) -> None:
        """Stop recording. The rows stay."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def begin(self, method: str, target: str) -> _Exchange:
        exchange = _Exchange(self.now(), method, target)
        self._exchanges.append(exchange)
        return exchange

    def __enter__(self) -> "Wire":
        return self

    def __exit__(self, *_: TracebackType | type[BaseException] | BaseException | None) -> None:
        self.close()


@lru_cache(maxsize=8)
def wire_to(registry: str, door: Door | None = None) -> Wire:
    """The wire that this process has to a registry, begun at the first call.

    It keeps its name: a registry mounts blobs only for who pushed them to the same one.
    """
    return Wire(registry, door)


def is_watched(docker_host: str, registry: str) -> bool:
    """Whether an engine can be made to go through a wire: it and the registry are on this machine."""
    return is_loopback(registry) and docker_host.startswith("unix://")


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """An engine that hangs up in the middle is nothing to print about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def handle(self) -> None:
        if self.connection.recv(1, socket.MSG_PEEK) != TLS_HELLO:
            super().handle()

    def log_message(self, format: str, *args: Any) -> None:
        """The rows are the log."""

    def _pass_on(self) -> None:
        exchange, door = self.server.wire.begin(self.command, self.path), self.server.wire.door
        proof = self.headers.get("Authorization", "")
        refusal = door.refusal(self.command, self.path, proof) if door else None
        if refusal:
            self._refuse(exchange, refusal)
            return
        upstream = http.client.HTTPConnection(self.server.wire.registry, timeout=300)
        try:
            answer = self._asked(upstream, exchange)
        except (OSError, http.client.HTTPException) as error:
            self._trouble(exchange, error)
        else:
            self._answer(answer, exchange)
        finally:
            upstream.close()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _pass_on

    def _asked(self, upstream: http.client.HTTPConnection, exchange: _Exchange) -> http.client.HTTPResponse:
        upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():  # one by one: a name may come several times
            if name.lower() not in _HOP:
                upstream.putheader(name, value)
        chunked = "chunked" in self.headers.get("Transfer-Encoding", "").lower()
        if chunked:
            upstream.putheader("Transfer-Encoding", "chunked")
            body = _unchunked(self.rfile)
        else:
            body = _counted(self.rfile, int(self.headers.get("Content-Length") or 0))
        upstream.endheaders(_noted_up(body, exchange), encode_chunked=chunked)
        return upstream.getresponse()

    def _answer(self, answer: http.client.HTTPResponse, exchange: _Exchange) -> None:
        exchange.status = answer.status
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in _HOP:
                self.send_header(name, value)
        bodiless = self.command == "HEAD" or answer.status in (204, 304)
        if not bodiless and answer.getheader("Content-Length") is None:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        while chunk := b"" if bodiless else answer.read(CHUNK):
            exchange.down += len(chunk)
            self.wfile.write(chunk)

    def _trouble(self, exchange: _Exchange, error: Exception) -> None:
        """The registry does not answer: say so as one would."""
        words = f"the registry at {self.server.wire.registry} does not answer: {error}"
        self._refuse(exchange, Refusal(502, "UNAVAILABLE", words))

    def _refuse(self, exchange: _Exchange, refusal: Refusal) -> None:
        """Answer in the registry's place, and hang up, for the request may be half read."""
        body = json.dumps(refusal.body).encode()
        exchange.status, exchange.down = refusal.status, len(body)
        self.send_response_only(refusal.status)
        for name, value in refusal.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.close_connection = True
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _noted_up(chunks: Iterator[bytes], exchange: _Exchange) -> Iterator[bytes]:
    for chunk in chunks:
        exchange.up += len(chunk)
        yield chunk


def _counted(stream: BufferedIOBase, length: int) -> Iterator[bytes]:
    """The next ``length`` bytes."""
    while length > 0:
        chunk = stream.read(min(length, CHUNK))
        if not chunk:
            raise ConnectionError("the engine hung up in the middle")
        length -= len(chunk)
        yield chunk


def _unchunked(stream: BufferedIOBase) -> Iterator[bytes]:
    """The bytes of a chunked body (RFC 9112, 7.1)."""
    while size := int(stream.readline(100).partition(b";")[0], 16):
        yield from _counted(stream, size)
        stream.readline(100)
    while stream.readline(8192).strip():
        """Trailers; nobody sends any."""
