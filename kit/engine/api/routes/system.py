"""The engine itself: is it there, what is it, what happens in it."""

from collections.abc import Iterator

from kit.engine.api.backend import Backend
from kit.engine.api.routing import Route
from kit.engine.api.wire import JSON, Answer, Reply, Request, Stream, dumped, ok
from kit.errors import KitError, Unavailable

NO_CACHE = {"Cache-Control": "no-cache, no-store, must-revalidate", "Pragma": "no-cache"}


def ping(_: Backend, __: Request) -> Answer:
    return Reply(200, b"OK", "text/plain; charset=utf-8", NO_CACHE)


def ping_head(_: Backend, __: Request) -> Answer:
    return Reply(200, b"", "text/plain; charset=utf-8", NO_CACHE)


def version(backend: Backend, _: Request) -> Answer:
    return ok(backend.version())


def info(backend: Backend, _: Request) -> Answer:
    return ok(backend.info())


def usage(backend: Backend, _: Request) -> Answer:
    return ok(backend.usage())


def events(backend: Backend, request: Request) -> Answer:
    found = backend.events(since=request.text("since"), until=request.text("until"), filters=request.text("filters"))

    def pieces() -> Iterator[bytes]:
        try:
            for event in found:
                yield dumped(event) + b"\n"
        finally:
            found.close()

    return Stream(pieces(), JSON, cancel=found.close)


def no_swarm(_: Backend, __: Request) -> Answer:
    raise Unavailable(
        'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to '
        "swarm and try again."
    )


def not_in_swarm(_: Backend, __: Request) -> Answer:
    raise Unavailable("This node is not part of a swarm")


def no_swarm_here(_: Backend, __: Request) -> Answer:
    raise KitError("this engine can't be part of a swarm: it runs containers on one machine")


ROUTES = (
    Route("GET", "/_ping", ping),
    Route("HEAD", "/_ping", ping_head),
    Route("GET", "/version", version),
    Route("GET", "/info", info),
    Route("GET", "/system/df", usage),
    Route("GET", "/events", events),
    Route("POST", "/swarm/leave", not_in_swarm),
    Route("POST", "/swarm/init", no_swarm_here, {KitError: 501}),
    Route("POST", "/swarm/join", no_swarm_here, {KitError: 501}),
    Route("GET", "/swarm", no_swarm),
    *(Route("GET", f"/{kind}", no_swarm) for kind in ("nodes", "services", "tasks", "secrets", "configs")),
)
