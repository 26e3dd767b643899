"""``/exec``: one more process in a running container."""

from kit.engine.api.backend import Backend
from kit.engine.api.routing import Route
from kit.engine.api.streams import Farewell, Session
from kit.engine.api.wire import Answer, Hijack, Request, done, ok
from kit.errors import KitError


def create(backend: Backend, request: Request) -> Answer:
    body = request.json()
    if "detachKeys" in body:  # Go reads keys in any case, and the SDK relies on it for this one
        body["DetachKeys"] = body.pop("detachKeys")
    return ok({"Id": backend.execs.create(request.names["id"], body).id}, 201)


def start(backend: Backend, request: Request) -> Answer:
    """Whether there is a terminal was said at ``create``; ``Tty`` here only says whether output is framed.

    As in dockerd, the connection is handed over first: what goes wrong then is the only output.
    """
    body = request.json()
    wanted = backend.execs.find(request.names["id"])
    if body.get("Detach"):
        backend.execs.start(wanted.id).close()
        return done(200)
    session: Session
    try:
        session = backend.execs.start(wanted.id)
    except KitError as error:
        session = Farewell(str(error))
    return Hijack(session, stdin=wanted.stdin, upgrade=request.upgrades, framed=not body.get("Tty"))


def inspect(backend: Backend, request: Request) -> Answer:
    return ok(backend.execs.find(request.names["id"]).to_json())


def resize(backend: Backend, request: Request) -> Answer:
    backend.execs.resize(request.names["id"], request.number("h"), request.number("w"))
    return done(200)


ROUTES = (
    Route("POST", "/containers/{id}/exec", create),
    Route("POST", "/exec/{id}/start", start),
    Route("GET", "/exec/{id}/json", inspect),
    Route("POST", "/exec/{id}/resize", resize),
)
