"""The Engine API as one function: a request in, an answer out.

Knows the versions, the routes, and which status each family of errors becomes. It opens no socket.

Source: Docker Engine API 1.41; dockerd's "middleware/version.go" and "errdefs" for the refusals.
"""

import logging
import re
from collections.abc import Mapping
from dataclasses import replace

from kit.engine.api.backend import Backend
from kit.engine.api.routes import build, containers, execs, files, images, networks, system, volumes
from kit.engine.api.routing import Route, find
from kit.engine.api.wire import Answer, Reply, Request, ok
from kit.errors import Conflict, Denied, Invalid, KitError, NotFound, StepFailed, Unavailable

NEWEST, OLDEST = (1, 41), (1, 24)
ROUTES: tuple[Route, ...] = (
    *system.ROUTES,
    *files.ROUTES,
    *execs.ROUTES,
    *containers.ROUTES,
    *images.ROUTES,
    *build.ROUTES,
    *networks.ROUTES,
    *volumes.ROUTES,
)
STATUSES: Mapping[type[KitError], int] = {
    Invalid: 400,
    StepFailed: 400,
    Denied: 403,
    NotFound: 404,
    Conflict: 409,
    Unavailable: 503,
    KitError: 500,
}
_VERSIONED = re.compile(r"/v(\d+)\.(\d+)(/.*)")
_log = logging.getLogger(__name__)


def text_of(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))


HEADERS = {
    "Api-Version": text_of(NEWEST),
    "Docker-Experimental": "false",
    "Ostype": "linux",
    "Server": "Layerlab (linux)",
}


def answer(backend: Backend, request: Request) -> Answer:
    """What the engine says to a request. Never raises: an error is an answer, too."""
    statuses = STATUSES
    try:
        request = _without_version(request)
        found = find(ROUTES, request.method, request.path)
        if found is None:
            return ok({"message": "page not found"}, 404)
        route, names = found
        statuses = {**STATUSES, **route.statuses}
        return route.handler(backend, replace(request, names=names))
    except KitError as error:
        return refusal(error, statuses)
    except ConnectionError:
        return Reply(400)  # the client has left: nobody reads this
    except Exception as error:
        _log.exception("%s %s", request.method, request.path)
        return ok({"message": f"{type(error).__name__}: {error}"}, 500)


def refusal(error: KitError, statuses: Mapping[type[KitError], int] = STATUSES) -> Reply:
    """The error as Docker's clients read it: the nearest family decides the status."""
    family = next(kind for kind in type(error).__mro__ if kind in statuses)
    return ok({"message": str(error)}, statuses[family])


def _without_version(request: Request) -> Request:
    """
    Raises:
        Invalid: a version that is not spoken here, in dockerd's words.
    """
    match = _VERSIONED.fullmatch(request.path)
    if match is None:
        return request
    version, path = (int(match[1]), int(match[2])), match[3]
    if version > NEWEST:
        raise Invalid(
            f"client version {text_of(version)} is too new. Maximum supported API version is {text_of(NEWEST)}"
        )
    if version < OLDEST:
        raise Invalid(
            f"client version {text_of(version)} is too old. Minimum supported API version is {text_of(OLDEST)}, "
            "please upgrade your client to a newer version"
        )
    return replace(request, path=path)
