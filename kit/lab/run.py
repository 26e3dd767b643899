"""Running a container to its end: ``kit.run``.

What runs here may be a stranger's, or a beginner's first try. So it gets no network, no right beyond those of any
process, a root file system that it can't change, little memory, and a few seconds.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import docker
import requests

from kit.errors import Invalid
from kit.lab.asking import asking, words
from kit.lab.connect import Lab, connect
from kit.lab.hints import find_hint
from kit.lab.images import Image
from kit.views.models.result import Failures, Result

TIMEOUT = 10.0
"""Seconds; what a lesson starts is done in a tenth of one."""
LARGEST_OUTPUT = 1_000_000
"""Bytes of each stream that are kept."""
LIMITS = {"mem_limit": "256m", "pids_limit": 128}
_NOT_THERE, _NOT_EXECUTABLE, _REFUSED, _KILLED = 127, 126, 125, 137
"""Exit codes of ``docker run``, for a container that never started, and of one that was killed."""


def run(reference: "str | Image", *command: str, timeout: float = TIMEOUT, lab: Lab | None = None) -> Result:
    """Start a container of ``reference``, with ``command`` instead of its CMD if one is given, and wait for its end.

    A container that can't start is a result like any other: its exit code is that of ``docker run``, its ``err``
    what the engine said. After ``timeout`` seconds it is killed. The container is removed.

    Raises:
        NoSuchImage: the engine has none of that name. Invalid: no image can have it.
    """
    lab = lab or connect()
    name = reference.reference if isinstance(reference, Image) else reference
    if not all(isinstance(word, str) for word in command):
        raise Invalid(f'a command is words, one by one: kit.run({name!r}, "ls", "-l"), not {command!r}')
    api = lab.client.api
    with asking(lab, name):
        api.inspect_image(name)
        try:
            made = api.create_container(name, list(command) or None, host_config=limits(api))
        except docker.errors.APIError as error:
            return _not_started(name, command, words(error))
        try:
            return result_of(api, made["Id"], name, command, timeout)
        finally:
            api.remove_container(made["Id"], force=True, v=True)


def failures(references: Iterable[str], *, lab: Lab | None = None) -> Failures:
    """Run each image, and put what they say side by side."""
    return Failures([run(reference, lab=lab) for reference in references])


def limits(api: Any, *rights: str) -> Any:
    """What a stranger's container may do: nothing but what ``rights`` name."""
    return api.create_host_config(
        network_mode="none",
        read_only=True,
        **LIMITS,
        cap_drop=["ALL"],
        cap_add=list(rights),
        security_opt=["no-new-privileges"],
    )


def result_of(api: Any, container: str, name: str, command: tuple[str, ...], timeout: float) -> Result:
    """Starts a container that was made, and waits for its end: after ``timeout`` seconds it is killed."""
    try:
        api.start(container)
    except docker.errors.APIError as error:
        return _not_started(name, command, words(error))
    code, stopped_after = _KILLED, 0.0
    try:
        code = int(api.wait(container, timeout=timeout)["StatusCode"])
    except (requests.exceptions.ReadTimeout, requests.exceptions.ConnectionError):
        stopped_after = timeout
        api.kill(container)
        api.wait(container, timeout=TIMEOUT)
    out, err = (_text(api.logs(container, stdout=out, stderr=not out, stream=True)) for out in (True, False))
    hint = find_hint(err, out) if code else find_hint("")
    return Result(name, code, out, err, command, True, stopped_after, hint.meaning, hint.steps)


def _text(pieces: Iterator[bytes]) -> str:
    """What was printed, as far as it is kept."""
    kept, size = [], 0
    for piece in pieces:
        kept.append(piece[: LARGEST_OUTPUT - size])
        size += len(piece)
        if size >= LARGEST_OUTPUT:
            break
    return b"".join(kept).decode(errors="replace")


def _not_started(name: str, command: tuple[str, ...], said: str) -> Result:
    hint = find_hint(said)
    return Result(name, _code_of(said), "", said, command, started=False, meaning=hint.meaning, hints=hint.steps)


def _code_of(said: str) -> int:
    """Source: docker/cli, cli/command/container/run.go, which reads the engine's words the same way."""
    said = said.lower()
    if any(part in said for part in ("executable file not found", "no such file or directory", "system cannot find")):
        return _NOT_THERE
    return _NOT_EXECUTABLE if any(part in said for part in ("permission denied", "exec format")) else _REFUSED
