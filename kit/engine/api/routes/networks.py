"""``/networks``."""

from kit.engine.api.backend import Backend
from kit.engine.api.routing import Route
from kit.engine.api.wire import Answer, Request, done, ok


def listing(backend: Backend, request: Request) -> Answer:
    return ok(backend.networks.list(backend.filters(request.text("filters"))))


def create(backend: Backend, request: Request) -> Answer:
    return ok({"Id": backend.networks.create(request.json())["Id"], "Warning": ""}, 201)


def inspect(backend: Backend, request: Request) -> Answer:
    return ok(backend.networks.inspect(request.names["id"], scope=request.text("scope")))


def remove(backend: Backend, request: Request) -> Answer:
    backend.networks.remove(request.names["id"])
    return done()


def connect(backend: Backend, request: Request) -> Answer:
    backend.containers.connect(request.names["id"], request.json())
    return done(200)


def disconnect(backend: Backend, request: Request) -> Answer:
    backend.containers.disconnect(request.names["id"], request.json())
    return done(200)


def prune(backend: Backend, request: Request) -> Answer:
    return ok(backend.networks.prune(backend.filters(request.text("filters"))))


ROUTES = (
    Route("GET", "/networks", listing),
    Route("POST", "/networks/create", create),
    Route("POST", "/networks/prune", prune),
    Route("GET", "/networks/{id}", inspect),
    Route("DELETE", "/networks/{id}", remove),
    Route("POST", "/networks/{id}/connect", connect),
    Route("POST", "/networks/{id}/disconnect", disconnect),
)
