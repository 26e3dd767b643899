"""``/containers/{id}/archive`` and ``export``: files out of a container and into one.

Source: Docker Engine API, "Container archive".
"""

import base64

from kit.engine.api.backend import Backend
from kit.engine.api.routing import Route
from kit.engine.api.wire import TAR, Answer, Reply, Request, Stream, begun, done, dumped
from kit.errors import Invalid


def _path(request: Request) -> str:
    path = request.text("path")
    if not path:
        raise Invalid("bad parameter: path cannot be empty")
    return path


def _stat_header(backend: Backend, request: Request) -> dict[str, str]:
    found = backend.containers.stat(request.names["id"], _path(request))
    return {"X-Docker-Container-Path-Stat": base64.b64encode(dumped(found)).decode()}


def stat(backend: Backend, request: Request) -> Answer:
    return Reply(headers=_stat_header(backend, request))


def get(backend: Backend, request: Request) -> Answer:
    headers = _stat_header(backend, request)
    return Stream(begun(backend.containers.archive(request.names["id"], _path(request))), TAR, headers)


def put(backend: Backend, request: Request) -> Answer:
    backend.containers.extract(
        request.names["id"],
        _path(request),
        request.body,
        keep_kind=request.flag("noOverwriteDirNonDir"),
        copy_owner=request.flag("copyUIDGID"),
    )
    return done(200)


def export(backend: Backend, request: Request) -> Answer:
    return Stream(begun(backend.containers.export(request.names["id"])), "application/octet-stream")


ROUTES = (
    Route("HEAD", "/containers/{id}/archive", stat),
    Route("GET", "/containers/{id}/archive", get),
    Route("PUT", "/containers/{id}/archive", put),
    Route("GET", "/containers/{id}/export", export),
)
