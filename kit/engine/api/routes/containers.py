"""``/containers``: everything about containers but their files."""

import json
import time
from collections.abc import Iterator
from typing import Any

from kit.engine.api import streams
from kit.engine.api.backend import Backend
from kit.engine.api.routing import Route
from kit.engine.api.wire import Answer, Hijack, Request, Stream, changed, done, dumped, ok
from kit.errors import Invalid

RAW_STREAM = "application/vnd.docker.raw-stream"


def listing(backend: Backend, request: Request) -> Answer:
    wanted = backend.filters(request.text("filters"))
    rows = backend.containers.list(
        wanted, everything=request.flag("all"), limit=request.number("limit"), size=request.flag("size")
    )
    return ok(rows)


def create(backend: Backend, request: Request) -> Answer:
    if "json" not in request.headers.get("Content-Type", "application/json"):
        raise Invalid(f"Content-Type specified ({request.headers['Content-Type']}) must be 'application/json'")
    key, warnings = backend.containers.create(request.json(), request.text("name"))
    return ok({"Id": key, "Warnings": warnings}, 201)


def inspect(backend: Backend, request: Request) -> Answer:
    return ok(backend.containers.inspect(request.names["id"], size=request.flag("size")))


def start(backend: Backend, request: Request) -> Answer:
    return changed(backend.containers.start(request.names["id"]))


def stop(backend: Backend, request: Request) -> Answer:
    return changed(backend.containers.stop(request.names["id"], request.find_number("t")))


def restart(backend: Backend, request: Request) -> Answer:
    backend.containers.restart(request.names["id"], request.find_number("t"))
    return done()


def kill(backend: Backend, request: Request) -> Answer:
    backend.containers.kill(request.names["id"], request.text("signal"))
    return done()


def pause(backend: Backend, request: Request) -> Answer:
    backend.containers.pause(request.names["id"])
    return done()


def unpause(backend: Backend, request: Request) -> Answer:
    backend.containers.unpause(request.names["id"])
    return done()


def rename(backend: Backend, request: Request) -> Answer:
    backend.containers.rename(request.names["id"], request.text("name"))
    return done()


def update(backend: Backend, request: Request) -> Answer:
    return ok({"Warnings": backend.containers.update(request.names["id"], request.json()) or None})


def remove(backend: Backend, request: Request) -> Answer:
    backend.containers.remove(
        request.names["id"], force=request.flag("force"), volumes=request.flag("v"), link=request.flag("link")
    )
    return done()


def prune(backend: Backend, request: Request) -> Answer:
    return ok(backend.containers.prune(backend.filters(request.text("filters"))))


def wait(backend: Backend, request: Request) -> Answer:
    """The head goes out at once: the command line sends ``start`` only when it has come."""
    exit_code = backend.containers.waiter(request.names["id"], request.text("condition"))

    def pieces() -> Iterator[bytes]:
        yield dumped({"Error": None, "StatusCode": exit_code()}) + b"\n"

    return Stream(pieces(), "application/json")


def attach(backend: Backend, request: Request) -> Answer:
    session = backend.containers.attach(
        request.names["id"],
        stdin=request.flag("stdin"),
        stdout=request.flag("stdout"),
        stderr=request.flag("stderr"),
        logs=request.flag("logs"),
        stream=request.flag("stream"),
        keys=request.text("detachKeys"),
    )
    return Hijack(session, stdin=request.flag("stdin"), upgrade=request.upgrades)


def resize(backend: Backend, request: Request) -> Answer:
    backend.containers.resize(request.names["id"], request.number("h"), request.number("w"))
    return done(200)


def logs(backend: Backend, request: Request) -> Answer:
    name = request.names["id"]
    pieces = backend.logs(
        name,
        stdout=request.flag("stdout"),
        stderr=request.flag("stderr"),
        since=request.text("since"),
        until=request.text("until"),
        tail=request.text("tail"),
        timestamps=request.flag("timestamps"),
        follow=request.flag("follow"),
    )
    return Stream(streams.encoded(pieces, terminal=backend.containers.is_terminal(name)), RAW_STREAM)


def top(backend: Backend, request: Request) -> Answer:
    return ok(backend.containers.top(request.names["id"], request.text("ps_args")))


def stats(backend: Backend, request: Request) -> Answer:
    """A sample a second. A single one compares with the second before, unless it is to be quick."""
    name = request.names["id"]
    first = backend.containers.stats(name)
    if not request.flag("stream", True):
        if request.flag("one-shot"):
            return ok(first)
        time.sleep(1)
        return ok(backend.containers.stats(name, first))

    def pieces() -> Iterator[bytes]:
        previous: dict[str, Any] | None = None
        while True:
            previous = backend.containers.stats(name, previous)
            yield json.dumps(previous).encode() + b"\n"
            time.sleep(1)

    return Stream(pieces(), "application/json")


def changes(backend: Backend, request: Request) -> Answer:
    return ok(backend.containers.changes(request.names["id"]) or None)


def commit(backend: Backend, request: Request) -> Answer:
    repository, tag = request.text("repo"), request.text("tag")
    words = {
        "name": f"{repository}:{tag}" if repository and tag else repository,
        "comment": request.text("comment"),
        "author": request.text("author"),
    }
    image = backend.commit(
        request.text("container"),
        words,
        request.texts("changes"),
        pause=request.flag("pause", True),
        config=request.json(),
    )
    return ok({"Id": image}, 201)


ROUTES = (
    Route("GET", "/containers/json", listing),
    Route("POST", "/containers/create", create),
    Route("POST", "/containers/prune", prune),
    Route("GET", "/containers/{id}/json", inspect),
    Route("POST", "/containers/{id}/start", start),
    Route("POST", "/containers/{id}/stop", stop),
    Route("POST", "/containers/{id}/restart", restart),
    Route("POST", "/containers/{id}/kill", kill),
    Route("POST", "/containers/{id}/pause", pause),
    Route("POST", "/containers/{id}/unpause", unpause),
    Route("POST", "/containers/{id}/rename", rename),
    Route("POST", "/containers/{id}/update", update),
    Route("POST", "/containers/{id}/wait", wait),
    Route("POST", "/containers/{id}/attach", attach),
    Route("POST", "/containers/{id}/resize", resize),
    Route("GET", "/containers/{id}/logs", logs),
    Route("GET", "/containers/{id}/top", top),
    Route("GET", "/containers/{id}/stats", stats),
    Route("GET", "/containers/{id}/changes", changes),
    Route("DELETE", "/containers/{id*}", remove),
    Route("POST", "/commit", commit),
)
