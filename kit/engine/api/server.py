"""The socket: HTTP comes in, answers go out, and a connection may leave HTTP behind.

The loop only moves bytes. Each request gets a thread of its own, because many of them wait for long (``wait``,
``logs -f``, ``attach``, a build) and a pool of them would one day be full: then ``docker ps`` would hang.
"""

import asyncio
import contextlib
import http
import logging
import os
import socket
import stat
import threading
from collections.abc import Awaitable, Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qs

from tornado import httputil
from tornado.http1connection import HTTP1Connection
from tornado.httpserver import HTTPServer
from tornado.iostream import StreamClosedError

from kit.engine.api import streams
from kit.engine.api.app import HEADERS, answer
from kit.engine.api.backend import Backend
from kit.engine.api.flows import ClientGone, Inflow, Outflow
from kit.engine.api.wire import Answer, Hijack, Reply, Request, Stream
from kit.errors import Conflict, Invalid

LONGEST_PATH = 107
"""Bytes of a unix socket's path. Source: unix(7)."""
_MANY = 1 << 50
"""Bytes of a body: without a bound, because it is never held as a whole."""
_LARGEST_HEAD = 1 << 20
_PEEK = 1 << 16
_log = logging.getLogger(__name__)
Result = TypeVar("Result")


class AlreadyThere(Conflict):
    """An engine answers on the socket."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"another engine answers on {path}: stop it, or choose another socket")


def listen(path: Path) -> socket.socket:
    """A listening socket that only its owner may use; one that a dead engine left is replaced.

    Raises:
        AlreadyThere
        Invalid: the path is too long, or something else is there.
    """
    if len(os.fsencode(path)) > LONGEST_PATH:
        raise Invalid(f"the socket's path {path} is longer than {LONGEST_PATH} bytes: choose a shorter one")
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise Invalid(f"{path} is there, and is no socket: remove it, or choose another path")
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(str(path)) == 0:
                raise AlreadyThere(path)
        path.unlink()
    path.parent.mkdir(parents=True, exist_ok=True)
    found = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)
    try:
        found.bind(str(path))
    finally:
        os.umask(before)
    found.listen(128)
    found.setblocking(False)
    return found


class Server(httputil.HTTPServerConnectionDelegate):
    """Serves a backend. Make it in the loop that it shall run in."""

    def __init__(self, backend: Backend) -> None:
        self.backend, self.loop = backend, asyncio.get_running_loop()
        self._http = HTTPServer(self, max_body_size=_MANY, max_header_size=_LARGEST_HEAD)

    def add(self, listener: socket.socket) -> None:
        """From now on it answers there."""
        self._http.add_socket(listener)

    def stop(self) -> None:
        """Takes no more connections."""
        self._http.stop()

    def start_request(self, server_conn: object, request_conn: httputil.HTTPConnection) -> "Exchange":
        assert isinstance(request_conn, HTTP1Connection)
        return Exchange(self, request_conn)


class Exchange(httputil.HTTPMessageDelegate):
    """One request and its answer."""

    def __init__(self, server: Server, connection: HTTP1Connection) -> None:
        self._server, self._connection = server, connection
        self._body = Inflow(server.loop)
        self._out = Outflow(server.loop, self._send)
        self._stream: Stream | None = None
        self._head_only = False

    # what comes in, in the loop

    def headers_received(
        self,
        start_line: "httputil.RequestStartLine | httputil.ResponseStartLine",
        headers: httputil.HTTPHeaders,
    ) -> None:
        assert isinstance(start_line, httputil.RequestStartLine)
        path, _, query = start_line.path.partition("?")
        self._head_only = start_line.method == "HEAD"
        self._connection.set_close_callback(self.on_connection_close)
        request = Request(start_line.method, path, parse_qs(query, keep_blank_values=True), headers, self._body)
        threading.Thread(target=self._work, args=(request,), name=f"{request.method} {path}", daemon=True).start()

    def data_received(self, chunk: bytes) -> Awaitable[None]:
        return self._body.feed(chunk)

    def finish(self) -> None:
        self._body.finish()

    def on_connection_close(self) -> None:
        self._body.finish(gone=True)
        self._out.leave()
        if self._stream is not None:
            threading.Thread(target=self._stream.cancel, name="cancel", daemon=True).start()

    # what goes out, in the request's thread

    def _work(self, request: Request) -> None:
        found = answer(self._server.backend, request)
        try:
            self._give(found)
        except ConnectionError:
            pass  # the client is gone
        except Exception:
            _log.exception("%s %s", request.method, request.path)
            self._await(self._abort())

    def _give(self, found: Answer) -> None:
        match found:
            case Reply():
                self._await(self._reply(found))
            case Stream():
                self._pour(found)
            case Hijack():
                try:
                    connection, early = self._await(self._detached())
                except ConnectionError:
                    found.session.close()
                    raise
                head = streams.head(upgrade=found.upgrade, extra=HEADERS.items())
                with contextlib.suppress(OSError):
                    streams.send_head(connection, head)
                streams.serve(connection, found.session, stdin=found.stdin, framed=found.framed, early=early)

    def _pour(self, found: Stream) -> None:
        """Sends every piece as it comes; what breaks in the middle breaks the connection."""
        self._stream = found
        try:
            if self._out.gone:
                raise ClientGone("the client has left")
            self._await(self._head(200, found.kind, found.headers))
            for piece in found.pieces:
                self._out.put(piece)
            self._out.flush()
            self._await(self._end())
        except ConnectionError:
            found.cancel()
        finally:
            close = getattr(found.pieces, "close", None)
            if close:
                close()

    def _await(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Done in the loop, while this thread waits."""
        return asyncio.run_coroutine_threadsafe(work, self._server.loop).result()

    # what goes out, in the loop

    async def _reply(self, found: Reply) -> None:
        headers = dict(found.headers)
        if found.status not in (204, 304):
            headers["Content-Length"] = str(len(found.body))
        await self._head(found.status, found.kind, headers, b"" if self._head_only else found.body)
        await self._end()

    async def _head(self, status: int, kind: str, headers: Mapping[str, str], body: bytes = b"") -> None:
        lines = httputil.HTTPHeaders(HEADERS)
        if kind:
            lines["Content-Type"] = kind
        lines.update(headers)
        reason = http.HTTPStatus(status).phrase
        start_line = httputil.ResponseStartLine("HTTP/1.1", status, reason)
        with _leaving():
            await self._connection.write_headers(start_line, lines, body or None)

    async def _send(self, data: bytes) -> None:
        with _leaving():
            await self._connection.write(data)

    async def _end(self) -> None:
        """The answer is whole. It ends only after the request has: a client that still sends must not be cut off."""
        await self._rest_of_request()
        if not self._out.gone:
            self._connection.finish()

    async def _rest_of_request(self) -> None:
        """Nobody reads it any more, but it must have come."""
        self._body.discard()
        await self._body.ended.wait()

    async def _abort(self) -> None:
        self._connection.close()

    async def _detached(self) -> tuple[socket.socket, bytes]:
        """The bare connection, and what the client sent behind its request."""
        await self._rest_of_request()
        if self._out.gone:
            raise ClientGone("the client has left")
        stream = self._connection.detach()
        connection = socket.socket(fileno=os.dup(int(stream.socket.fileno())))
        early = b""
        while True:
            reading = asyncio.ensure_future(stream.read_bytes(_PEEK, partial=True))
            if not reading.done() or reading.exception():
                break
            early += reading.result()
        stream.close()
        with contextlib.suppress(StreamClosedError):
            await reading
        return connection, early


@contextlib.contextmanager
def _leaving() -> Iterator[None]:
    try:
        yield
    except StreamClosedError as error:
        raise ClientGone("the client has left") from error
