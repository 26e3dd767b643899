"""``/build``: a context comes in, progress goes out.

Source: Docker Engine API, "ImageBuild".
"""

from typing import Any

from kit.engine.api.backend import Backend
from kit.engine.api.routing import Route
from kit.engine.api.wire import JSON, Answer, Request, Stream, lines, ok
from kit.errors import Invalid


def options(request: Request) -> dict[str, Any]:
    """The query as names and values of BuildOptions.

    Raises:
        Invalid: a value of the wrong kind.
    """
    limits = request.json_text("ulimits", [])
    return {
        "dockerfile": request.text("dockerfile") or "Dockerfile",
        "tags": tuple(name for name in request.texts("t") if name),
        "build_args": request.json_text("buildargs", {}),
        "labels": request.json_text("labels", {}),
        "target": request.text("target"),
        "no_cache": request.flag("nocache"),
        "pull": request.flag("pull"),
        "quiet": request.flag("q"),
        "remove": request.flag("rm", True),
        "force_remove": request.flag("forcerm"),
        "network": request.text("networkmode") or "default",
        "cache_from": tuple(request.json_text("cachefrom", [])),
        "platform": request.text("platform"),
        "extra_hosts": _hosts(request),
        "shm_size": request.number("shmsize"),
        "memory": request.number("memory"),
        "ulimits": {str(row["Name"]): (int(row["Soft"]), int(row["Hard"])) for row in limits},
        "remote": request.text("remote"),
        "credentials": request.header_json("X-Registry-Config"),
    }


def _hosts(request: Request) -> tuple[str, ...]:
    """The command line sends JSON; the SDK sends ``name:address`` lines as they are."""
    texts = request.texts("extrahosts")
    if len(texts) == 1 and texts[0].startswith("["):
        return tuple(map(str, request.json_text("extrahosts", [])))
    return tuple(text for text in texts if text)


def build(backend: Backend, request: Request) -> Answer:
    if request.text("version") == "2":
        raise Invalid("BuildKit's own protocol is not spoken here: set DOCKER_BUILDKIT=0")
    messages, cancel = backend.build(request.body, options(request))
    return Stream(lines(messages), JSON, cancel=cancel)


def prune(backend: Backend, request: Request) -> Answer:
    wanted = backend.filters(request.text("filters"))
    return ok(backend.prune_builds(wanted, keep=request.number("keep-storage")))


ROUTES = (
    Route("POST", "/build", build),
    Route("POST", "/build/prune", prune),
)
