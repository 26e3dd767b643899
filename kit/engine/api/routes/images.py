"""``/images``: what is there, and how it comes and goes."""

from collections.abc import Iterator

from kit.engine.api.backend import Backend
from kit.engine.api.routing import Route
from kit.engine.api.wire import JSON, TAR, Answer, Request, Stream, begun, done, error_line, lines, ok
from kit.errors import Denied, Invalid, KitError

LOGIN = "X-Registry-Auth"


def listing(backend: Backend, request: Request) -> Answer:
    return ok(backend.images.list(backend.filters(request.text("filters")), everything=request.flag("all")))


def inspect(backend: Backend, request: Request) -> Answer:
    return ok(backend.images.inspect(request.names["name"]))


def history(backend: Backend, request: Request) -> Answer:
    return ok(backend.images.history(request.names["name"]))


def tag(backend: Backend, request: Request) -> Answer:
    backend.images.tag(request.names["name"], request.text("repo"), request.text("tag"))
    return done(201)


def delete(backend: Backend, request: Request) -> Answer:
    rows = backend.images.delete(
        request.names["name"], force=request.flag("force"), prune=not request.flag("noprune")
    )
    return ok(rows)


def prune(backend: Backend, request: Request) -> Answer:
    return ok(backend.images.prune(backend.filters(request.text("filters"))))


def search(backend: Backend, request: Request) -> Answer:
    wanted = backend.filters(request.text("filters"))
    return ok(backend.images.search(request.text("term"), request.number("limit", 25), wanted))


def save(backend: Backend, request: Request) -> Answer:
    return Stream(begun(backend.images.save([request.names["name"]])), TAR)


def save_many(backend: Backend, request: Request) -> Answer:
    return Stream(begun(backend.images.save(request.texts("names"))), TAR)


def load(backend: Backend, request: Request) -> Answer:
    """As in dockerd, what goes wrong is told as a line, also when it is the first one."""

    def pieces() -> Iterator[bytes]:
        try:
            yield from lines(backend.images.load(request.body, quiet=request.flag("quiet", True)))
        except KitError as error:
            yield error_line(str(error))

    return Stream(pieces(), JSON)


def create(backend: Backend, request: Request) -> Answer:
    """A pull, or with ``fromSrc`` an import."""
    if request.text("fromImage"):
        messages = backend.images.pull(
            request.text("fromImage"),
            request.text("tag"),
            platform=request.text("platform"),
            login=request.header_json(LOGIN),
        )
    elif request.text("fromSrc"):
        repository, word = request.text("repo"), request.text("tag")
        messages = backend.images.import_tar(
            request.body,
            source=request.text("fromSrc"),
            name=f"{repository}:{word}" if repository and word else repository,
            message=request.text("message"),
            changes=request.texts("changes"),
            platform=request.text("platform"),
        )
    else:
        raise Invalid("an image is created from a registry (fromImage) or from a tar (fromSrc): one must be given")
    return Stream(lines(messages), JSON)


def push(backend: Backend, request: Request) -> Answer:
    login = request.header_json(LOGIN)
    if not login:  # clients of before 2014 sent it as the body
        login = request.json()
    return Stream(lines(backend.images.push(request.names["name"], request.text("tag"), login=login)), JSON)


def distribution(backend: Backend, request: Request) -> Answer:
    return ok(backend.images.distribution(request.names["name"], request.header_json(LOGIN)))


def login(backend: Backend, request: Request) -> Answer:
    return ok({"Status": "Login Succeeded", "IdentityToken": backend.images.login(request.json())})


ROUTES = (
    Route("GET", "/images/json", listing),
    Route("GET", "/images/search", search),
    Route("GET", "/images/get", save_many),
    Route("POST", "/images/load", load),
    Route("POST", "/images/create", create),
    Route("POST", "/images/prune", prune),
    Route("GET", "/images/{name*}/json", inspect),
    Route("GET", "/images/{name*}/history", history),
    Route("GET", "/images/{name*}/get", save),
    Route("POST", "/images/{name*}/tag", tag),
    Route("POST", "/images/{name*}/push", push),
    Route("DELETE", "/images/{name*}", delete),
    Route("GET", "/distribution/{name*}/json", distribution, {Denied: 401}),
    Route("POST", "/auth", login, {Denied: 401}),
)
