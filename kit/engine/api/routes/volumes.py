"""``/volumes``."""

from kit.engine.api.backend import Backend
from kit.engine.api.routing import Route
from kit.engine.api.wire import Answer, Request, done, ok


def listing(backend: Backend, request: Request) -> Answer:
    return ok({"Volumes": backend.volumes.list(backend.filters(request.text("filters"))), "Warnings": None})


def create(backend: Backend, request: Request) -> Answer:
    body = request.json()
    volume = backend.volumes.create(
        str(body.get("Name") or ""),
        driver=str(body.get("Driver") or ""),
        labels=body.get("Labels"),
        options=body.get("DriverOpts"),
    )
    return ok(volume, 201)


def inspect(backend: Backend, request: Request) -> Answer:
    return ok(backend.volumes.inspect(request.names["name"]))


def remove(backend: Backend, request: Request) -> Answer:
    backend.volumes.remove(request.names["name"], force=request.flag("force"))
    return done()


def prune(backend: Backend, request: Request) -> Answer:
    return ok(backend.volumes.prune(backend.filters(request.text("filters"))))


ROUTES = (
    Route("GET", "/volumes", listing),
    Route("POST", "/volumes/create", create),
    Route("POST", "/volumes/prune", prune),
    Route("GET", "/volumes/{name}", inspect),
    Route("DELETE", "/volumes/{name}", remove),
)
