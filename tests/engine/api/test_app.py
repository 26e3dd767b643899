"""Requests in, answers out: versions, paths, families of errors. The backend is as small as each test needs."""

import base64
import io
import json
from typing import Any

import pytest

from kit.engine.api import app, wire
from kit.engine.api.routing import Route, find
from kit.engine.api.wire import Reply, Request, Stream
from kit.errors import Conflict, Denied, Invalid, KitError, NotFound, Unavailable


def ask(
    method: str,
    path: str,
    backend: Any = None,
    query: dict[str, list[str]] | None = None,
    body: bytes = b"",
    **headers: str,
) -> Any:
    request = Request(method, path, query or {}, headers, io.BytesIO(body))
    return app.answer(backend, request)


def message(reply: Reply) -> str:
    text: str = json.loads(reply.body)["message"]
    return text


@pytest.mark.parametrize("path", ["/_ping", "/v1.24/_ping", "/v1.41/_ping"])
def test_a_ping_is_answered_in_every_version(path: str) -> None:
    assert ask("GET", path) == Reply(200, b"OK", "text/plain; charset=utf-8", ask("GET", path).headers)
    assert ask("HEAD", path).body == b""


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("1.99", "client version 1.99 is too new. Maximum supported API version is 1.41"),
        ("2.0", "client version 2.0 is too new. Maximum supported API version is 1.41"),
        (
            "1.12",
            "client version 1.12 is too old. Minimum supported API version is 1.24, "
            "please upgrade your client to a newer version",
        ),
    ],
)
def test_other_versions_are_refused_in_dockerds_words(version: str, words: str) -> None:
    reply = ask("GET", f"/v{version}/info")
    assert (reply.status, message(reply)) == (400, words)


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/nothing"), ("POST", "/_ping"), ("POST", "/session"), ("GET", "/v1.41")]
)
def test_an_unknown_route_is_no_page(method: str, path: str) -> None:
    reply = ask(method, path)
    assert (reply.status, message(reply)) == (404, "page not found")


class Failing:
    """A backend where everything fails in one way."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Any:
        raise self._error


@pytest.mark.parametrize(
    ("family", "status"),
    [(Invalid, 400), (Denied, 403), (NotFound, 404), (Conflict, 409), (KitError, 500), (Unavailable, 503)],
)
def test_each_family_has_its_status(family: type[KitError], status: int) -> None:
    class Concrete(family):  # type: ignore[misc, valid-type]
        pass

    reply = ask("GET", "/info", Failing(Concrete("because")))
    assert (reply.status, message(reply)) == (status, "because")


def test_a_wrong_password_is_401() -> None:
    assert ask("POST", "/auth", Failing(Denied("no"))).status == 401


def test_a_bug_is_500_with_words() -> None:
    reply = ask("GET", "/info", Failing(RuntimeError("oh")))
    assert (reply.status, message(reply)) == (500, "RuntimeError: oh")


def test_image_names_have_slashes_and_escapes() -> None:
    route, names = find(app.ROUTES, "GET", "/images/127.0.0.1:5000/you/app%3A1/json") or (None, {})
    assert route is not None and names == {"name": "127.0.0.1:5000/you/app:1"}


def test_a_containers_name_has_none() -> None:
    assert Route("GET", "/containers/{id}/json", lambda *_: Reply()).match("GET", "/containers/a/b/json") is None


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", True), ("True", True), ("yes", True), ("0", False), ("False", False), ("", False), ("no", False)],
)
def test_flags_are_read_as_dockerd_reads_them(text: str, value: bool) -> None:
    assert Request("GET", "/", {"a": [text]}, {}, io.BytesIO()).flag("a", default=not value) is value


@pytest.mark.parametrize("body", [b"[1]", b"{", b"\xff"])
def test_a_body_that_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(Invalid, match=r"JSON|unmarshal"):
        Request("POST", "/networks/create", {}, {}, io.BytesIO(body)).json()


def test_a_number_that_is_none_is_refused() -> None:
    with pytest.raises(Invalid, match="invalid syntax"):
        Request("GET", "/", {"t": ["soon"]}, {}, io.BytesIO()).number("t")


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_credentials_come_in_two_alphabets_with_or_without_padding(encode: Any) -> None:
    login = {"username": "ö?>~", "password": "p"}
    raw = encode(json.dumps(login, ensure_ascii=False).encode()).decode()
    for header in (raw, raw.rstrip("=")):
        assert (
            Request("GET", "/", {}, {"X-Registry-Auth": header}, io.BytesIO()).header_json("X-Registry-Auth") == login
        )


class Line:
    def __init__(self, text: str) -> None:
        self._text = text

    def to_json(self) -> dict[str, str]:
        return {"status": self._text}


def test_an_error_before_the_first_line_is_a_status_and_after_it_a_line() -> None:
    def messages(before: int) -> Any:
        for number in range(before):
            yield Line(str(number))
        raise NotFound("gone")

    with pytest.raises(NotFound):
        wire.lines(messages(0))
    told = [json.loads(line) for line in wire.lines(messages(1))]
    assert told == [{"status": "0"}, {"errorDetail": {"message": "gone"}, "error": "gone"}]


def test_a_stream_that_is_given_up_closes_what_it_reads() -> None:
    closed: list[bool] = []

    def messages() -> Any:
        try:
            while True:
                yield Line("more")
        finally:
            closed.append(True)

    stream = Stream(wire.lines(messages()))
    next(stream.pieces)
    stream.pieces.close()  # type: ignore[attr-defined]
    assert closed == [True]
