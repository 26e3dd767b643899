"""Messages of the Engine API as values: what was asked, and what is answered.

A route is a function from ``Request`` to one of the answers below. It may block, because each request has a
thread of its own; ``server`` carries the bytes.

Source: Docker Engine API, "Errors"; dockerd's "httputils" for how it reads a query.
"""

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from kit.engine.api.streams import Session
from kit.errors import Invalid, KitError

JSON = "application/json"
TAR = "application/x-tar"
LARGEST_DOCUMENT = 4 << 20
"""Bytes of a JSON body. dockerd reads without a limit; the largest that a client sends is a few kB."""
_FALSE = ("", "0", "no", "false", "none")


class Body(Protocol):
    """The request's body as it comes in. A read waits for it."""

    def read(self, size: int = -1, /) -> bytes: ...


@dataclass(frozen=True)
class Request:
    """What a client asks. ``path`` is without the version; ``names`` are the parts that the route left open."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: Body
    names: Mapping[str, str] = field(default_factory=dict)

    def text(self, key: str, default: str = "") -> str:
        """The first value of a query key."""
        return (self.query.get(key) or [default])[0]

    def texts(self, key: str) -> list[str]:
        """Every value of a key that may be repeated."""
        return self.query.get(key, [])

    def flag(self, key: str, default: bool = False) -> bool:
        """As dockerd reads it: anything is true but a few words."""
        return self.text(key).strip().lower() not in _FALSE if key in self.query else default

    def number(self, key: str, default: int = 0) -> int:
        """
        Raises:
            Invalid: it is no whole number.
        """
        return self.find_number(key) if self.text(key) else default  # type: ignore[return-value]

    def find_number(self, key: str) -> int | None:
        """None if it was not given."""
        text = self.text(key)
        try:
            return int(text) if text else None
        except ValueError:
            raise Invalid(f'strconv.Atoi: parsing "{text}": invalid syntax') from None

    def json_text(self, key: str, default: Any) -> Any:
        """A query value that is JSON; ``default``, which tells the kind, when it is not given."""
        return _parsed(self.text(key) or "null", default)

    def json(self) -> dict[str, Any]:
        """The body as a JSON object; {} when there is none.

        Raises:
            Invalid
        """
        raw = self.body.read(LARGEST_DOCUMENT + 1)
        if len(raw) > LARGEST_DOCUMENT:
            raise Invalid(f"the request's body is longer than {LARGEST_DOCUMENT} bytes")
        parsed: dict[str, Any] = _parsed(raw or b"null", {})
        return parsed

    def header_json(self, name: str) -> dict[str, Any]:
        """A header that is base64 of a JSON object (``X-Registry-Auth``), or {}.

        As dockerd: what can't be read says nothing.
        """
        raw = self.headers.get(name, "").replace("-", "+").replace("_", "/")
        try:
            found = json.loads(base64.b64decode(raw + "=" * (-len(raw) % 4)) or b"null")
        except (ValueError, binascii.Error):
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def upgrades(self) -> bool:
        """Whether the client wants to leave HTTP behind."""
        return "upgrade" in self.headers.get("Connection", "").lower() and bool(self.headers.get("Upgrade"))


def _parsed(raw: str | bytes, default: Any) -> Any:
    try:
        value = json.loads(raw)
    except (ValueError, UnicodeDecodeError) as error:
        raise Invalid(f"invalid JSON: {error}") from error
    if value is None:
        return default
    if not isinstance(value, type(default)):
        raise Invalid(f"json: cannot unmarshal {value!r}: expected {'an object' if default == {} else 'a list'}")
    return value


@dataclass(frozen=True)
class Reply:
    """A whole answer."""

    status: int = 200
    body: bytes = b""
    kind: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Stream:
    """An answer that comes piece by piece; each is sent at once. The head goes out before the first piece."""

    pieces: Iterator[bytes]
    kind: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    cancel: Callable[[], None] = lambda: None
    """Called when the client has left, from another thread than the one that waits for a piece."""


@dataclass(frozen=True)
class Hijack:
    """HTTP ends here: the connection belongs to the session. ``framed`` None: unless it is a terminal's."""

    session: Session
    stdin: bool
    upgrade: bool
    framed: bool | None = None


Answer = Reply | Stream | Hijack


def ok(document: Any, status: int = 200) -> Reply:
    """A JSON document, with dockerd's line end."""
    return Reply(status, dumped(document) + b"\n", JSON)


def done(status: int = 204) -> Reply:
    """Nothing to say but that it is done."""
    return Reply(status)


def changed(was: bool) -> Reply:
    """204, or 304 when everything was so already."""
    return Reply(204 if was else 304)


def dumped(document: Any) -> bytes:
    """Compact JSON; file names that are no UTF-8 come out as Go writes them."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")


def begun(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same pieces, the first of them made: an error before it still becomes a status."""
    rest = iter(pieces)
    first = next(rest, None)

    def again() -> Iterator[bytes]:
        try:
            if first is not None:
                yield first
            yield from rest
        finally:
            close = getattr(rest, "close", None)
            if close:
                close()

    return again()


class Message(Protocol):
    """One line of progress."""

    def to_json(self) -> Mapping[str, Any]: ...


def lines(messages: Iterable[Message]) -> Iterator[bytes]:
    """Progress as JSON lines. An error after the first one is told as a line, because the status is out."""
    return begun(_lines(iter(messages)))


def _lines(messages: Iterator[Message]) -> Iterator[bytes]:
    told = False
    try:
        for message in messages:
            yield dumped(message.to_json()) + b"\r\n"
            told = True
    except KitError as error:
        if not told:
            raise
        yield error_line(str(error))
    finally:
        close = getattr(messages, "close", None)
        if close:
            close()


def error_line(text: str) -> bytes:
    """The end of a stream of progress that went wrong."""
    return dumped({"errorDetail": {"message": text}, "error": text}) + b"\r\n"
