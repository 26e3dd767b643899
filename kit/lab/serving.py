"""Trying a service: start it, ask it something, stop it, and see how it ends. ``kit.serve``."""

import time
from typing import Any

import docker

from kit.errors import Invalid, Unavailable
from kit.lab.asking import asking, words
from kit.lab.connect import Lab, connect
from kit.lab.hints import find_hint
from kit.lab.images import Image
from kit.lab.names import name_of
from kit.lab.run import limits
from kit.views.models.service import Service

PATIENCE = 5.0
"""Seconds that a service may take to answer for the first time, in a slow pod."""
GRACE = 3
"""Seconds between "please stop" and the end by force; ``docker stop`` gives ten."""
_PAUSE = 0.1
_NO_PROXY = {"http_proxy": "", "HTTP_PROXY": ""}
"""The SDK gives containers the proxies of Docker's config.json, and none leads from a container to itself."""


def serve(
    reference: "str | Image", *command: str, port: int = 80, path: str = "/", lab: Lab | None = None
) -> Service:
    """Start a container of ``reference``, ask its web server for ``path``, then stop it as ``docker stop`` does.

    It gets what ``kit.run`` gives: no network but its own, a root file system that it can't change, and no right
    but to serve on a port below 1024. The client is ``wget`` in the same container. The container is removed.

    Raises:
        NoSuchImage: the engine has none of that name.
    """
    lab = lab or connect()
    name, api = name_of(reference), lab.client.api
    if not all(isinstance(word, str) for word in command):
        raise Invalid(f'a command is words, one by one: kit.serve({name!r}, "--help"), not {command!r}')
    with asking(lab, name):
        api.inspect_image(name)
        made = api.create_container(name, list(command) or None, host_config=limits(api, "NET_BIND_SERVICE"))["Id"]
        try:
            return _serve(api, made, Service(name, port, path, command))
        finally:
            api.remove_container(made, force=True, v=True)


def _serve(api: Any, container: str, service: Service) -> Service:
    try:
        api.start(container)
    except docker.errors.APIError as error:
        hint = find_hint(words(error))
        return service.with_(started=False, said=words(error), meaning=hint.meaning)
    answer, trouble = "", ""
    try:
        answer = ask(api, container, service.port, service.path)
    except Unavailable as error:
        trouble = str(error)
    running = api.inspect_container(container)["State"]["Running"]
    begin = time.monotonic()
    api.stop(container, timeout=GRACE)
    seconds = time.monotonic() - begin
    state = api.inspect_container(container)["State"]
    said = api.logs(container).decode(errors="replace")
    return service.with_(
        answer=answer, trouble=trouble, running=running, code=state["ExitCode"], seconds=seconds, said=said
    )


def ask(api: Any, container: str, port: int, path: str, patience: float = PATIENCE) -> str:
    """What a web server in the container answers; it may still be starting.

    Raises:
        Unavailable: it does not answer, or the container is not running.
    """
    command = ["timeout", "3", "wget", "-q", "-O", "-", f"http://127.0.0.1:{port}{path}"]
    until = time.monotonic() + patience
    while True:
        if not api.inspect_container(container)["State"]["Running"]:
            raise Unavailable("the container is not running, so nobody answers in it")
        code, out, err = _execute(api, container, command)
        if code == 0:
            return out
        if time.monotonic() > until or "404" in err:
            raise Unavailable(f"no answer from port {port}: {err.strip() or out.strip()}")
        time.sleep(_PAUSE)


def _execute(api: Any, container: str, command: list[str]) -> tuple[int, str, str]:
    """Exit code, output and errors of a program started in a container that runs."""
    try:
        made = api.exec_create(container, command, environment=_NO_PROXY)["Id"]
        out, err = api.exec_start(made, demux=True)
    except docker.errors.APIError as error:
        return 1, "", words(error)
    code = api.exec_inspect(made)["ExitCode"]
    return (
        1 if code is None else int(code),
        (out or b"").decode(errors="replace"),
        (err or b"").decode(errors="replace"),
    )
