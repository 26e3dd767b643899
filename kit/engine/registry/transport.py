"""The thin shell around the socket: sends an ``Ask``, brings back an ``Answer`` or a stream of bytes.

It follows redirects as ``messages.redirected`` says, reads no more than it was told to, never lets a body be decoded
(a digest is over the bytes on the wire), and turns every foreign error into one of ours, in Go's words, because those
are what Docker shows.
"""

import errno
import os
import socket
import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import httpx

from kit.engine.registry.endpoints import Endpoint, Patience, is_loopback
from kit.engine.registry.errors import BadAnswer, TooLarge, TooManyRedirects, Unreachable, WrongScheme
from kit.engine.registry.messages import Answer, Ask, redirected

MOST_REDIRECTS = 10
"""As many as Go's client follows."""
CHUNK = 256 << 10
"""Bytes. Large enough that Python's own time per chunk does not show."""


class Stream:
    """An answer whose body is still on the way. ``answer.body`` is empty."""

    def __init__(self, ask: Ask, response: httpx.Response) -> None:
        self._ask, self._response = ask, response
        self.answer = Answer(response.status_code, dict(response.headers))

    def __iter__(self) -> Iterator[bytes]:
        """The bytes as they come, never decoded."""
        try:
            yield from self._response.iter_raw(CHUNK)
        except httpx.HTTPError as error:
            raise _wrapped(self._ask, error, started=True) from error

    def read(self, most: int) -> Answer:
        """The answer with its body.

        Raises:
            TooLarge: the body is longer than ``most`` bytes.
        """
        body = bytearray()
        for chunk in self:
            body += chunk
            if len(body) > most:
                raise TooLarge(self._ask.url, most)
        return Answer(self.answer.status, self.answer.headers, bytes(body))


class Transport:
    """Connections to one registry. May be used by several threads; ``close`` ends it."""

    def __init__(self, endpoint: Endpoint, patience: Patience) -> None:
        host = endpoint.base.partition("://")[2]
        self._client = httpx.Client(
            verify=_trust() if endpoint.verify else _no_trust(),
            timeout=httpx.Timeout(patience.answer, connect=patience.connect),
            trust_env=not is_loopback(host),  # a proxy leads to other machines
            headers={"Accept-Encoding": "identity", "User-Agent": "layerlab"},
        )

    def close(self) -> None:
        self._client.close()

    def send(self, ask: Ask, *, most: int) -> Answer:
        """The answer, redirects followed; its body is at most ``most`` bytes."""
        with self.stream(ask) as stream:
            return stream.read(most)

    @contextmanager
    def stream(self, ask: Ask) -> Iterator[Stream]:
        """The answer, redirects followed, with its body still to be read."""
        first = ask
        for _ in range(MOST_REDIRECTS + 1):
            with self._open(ask, ask.body or None) as stream:
                onward = redirected(ask, stream.answer) if ask.method in ("GET", "HEAD") else None
                if onward is None:
                    yield stream
                    return
            ask = onward
        raise TooManyRedirects(first.method, first.url, MOST_REDIRECTS)

    def upload(self, ask: Ask, chunks: Iterable[bytes], *, most: int) -> Answer:
        """The answer to a request whose body is ``chunks``. Never redirected: the body is gone after one try."""
        with self._open(ask, chunks) as stream:
            return stream.read(most)

    @contextmanager
    def _open(self, ask: Ask, content: Iterable[bytes] | bytes | None) -> Iterator[Stream]:
        headers = dict(ask.headers)
        if content is None and ask.method in ("POST", "PUT", "PATCH"):
            headers["Content-Length"] = "0"
        try:
            request = self._client.build_request(ask.method, ask.url, headers=headers, content=content)
            response = self._client.send(request, stream=True)
        except httpx.InvalidURL as error:
            raise BadAnswer(f"{ask.url!r} is no address for HTTP: {error}") from error
        except httpx.HTTPError as error:
            raise _wrapped(ask, error, started=False) from error
        try:
            yield Stream(ask, response)
        finally:
            response.close()


def _trust() -> ssl.SSLContext:
    """The certificates that httpx brings and those that this machine's owner added."""
    context = httpx.create_ssl_context()
    context.load_default_certs()
    return context


def _no_trust() -> ssl.SSLContext:
    return httpx.create_ssl_context(verify=False)


def _wrapped(ask: Ask, error: httpx.HTTPError, *, started: bool) -> Unreachable:
    if "WRONG_VERSION_NUMBER" in str(_root(error)):
        return WrongScheme(ask.method, ask.url, "http: server gave HTTP response to HTTPS client")
    return Unreachable(ask.method, ask.url, _reason(ask, error, started))


def _reason(ask: Ask, error: httpx.HTTPError, started: bool) -> str:
    """Go's words for what went wrong on the way."""
    url = httpx.URL(ask.url)
    cause = _root(error)
    if isinstance(cause, socket.gaierror):
        return f"dial tcp: lookup {url.host}: no such host"
    if isinstance(cause, ssl.SSLError):
        return f"tls: failed to verify certificate: {getattr(cause, 'verify_message', '') or cause.reason or cause}"
    port = url.port or {"http": 80, "https": 443}.get(url.scheme, 0)
    if isinstance(error, httpx.ConnectTimeout):
        return f"dial tcp {url.host}:{port}: i/o timeout"
    if isinstance(error, httpx.ConnectError):
        return f"dial tcp {url.host}:{port}: connect: {_words(cause)}"
    if isinstance(error, httpx.TimeoutException):
        return "read tcp: i/o timeout" if started else "net/http: timeout awaiting response headers"
    if isinstance(error, httpx.RemoteProtocolError):
        return "unexpected EOF" if started else "EOF"
    return _words(cause)


def _root(error: BaseException) -> BaseException:
    """The first cause: the libraries wrap an OSError several times."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return error


def _words(cause: BaseException) -> str:
    number = getattr(cause, "errno", None)
    if isinstance(number, int) and number in errno.errorcode:
        return os.strerror(number).lower()
    return str(cause) or type(cause).__name__
