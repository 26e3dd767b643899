"""Building with BuildKit, through the ``docker`` command: the Docker SDK can't (docker-py issue 2230).

Source: docker/cli, cli/command/image/build_buildkit.go; the engine says in ``_ping`` which builder it prefers.
"""

import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

from kit.lab.connect import Lab
from kit.lab.steps import Built, Event, Failed, Output, buildkit_events

_BUILT_IN = range(19, 23)
"""Versions of the docker command that hold BuildKit's client themselves; from 23 on it is the plugin buildx."""
_ERROR = re.compile(r"^(?:ERROR: )?failed to solve(?: with frontend \S+)?: ", re.MULTILINE)


def is_available(lab: Lab) -> bool:
    """Whether the engine wants BuildKit and the ``docker`` command here can do it.

    DOCKER_BUILDKIT decides, if it is set, as for the command itself.
    """
    wanted = os.environ.get("DOCKER_BUILDKIT", "")
    if lab.kind != "Docker" or wanted == "0" or not (wanted or lab.buildkit):
        return False
    return _client_can(os.environ.get("PATH", ""))


@lru_cache
def _client_can(path: str) -> bool:
    docker = shutil.which("docker", path=path)
    if not docker:
        return False
    version = _answer(docker, "--version")
    major = re.search(r"version (\d+)\.", version)
    if major and int(major[1]) in _BUILT_IN:
        return True
    return "buildx" in _answer(docker, "buildx", "version")


def _answer(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    return done.stdout if done.returncode == 0 else ""


def build(lab: Lab, context: IO[bytes], options: Mapping[str, Any]) -> Iterator[Event]:
    """The events of a build whose context is a tar."""
    with tempfile.TemporaryDirectory(prefix="layerlab-build-") as directory:
        id_file = Path(directory) / "image-id"
        environment = {
            **os.environ,
            "DOCKER_BUILDKIT": "1",
            "BUILDKIT_PROGRESS": "plain",
            "DOCKER_HOST": lab.docker_host,
        }
        command = ["docker", "build", "--progress=plain", f"--iidfile={id_file}", *_flags(options), "-"]
        with subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as process:
            threading.Thread(target=_feed, args=(context, process.stdin), daemon=True).start()
            last: list[str] = []
            failed = False
            try:
                for event in buildkit_events(_lines(process.stdout)):
                    failed = failed or isinstance(event, Failed)
                    last = [*last[-30:], event.text] if isinstance(event, Output) else last
                    yield event
            finally:
                if process.poll() is None and process.stdout and not process.stdout.closed:
                    process.terminate()
        if process.returncode and not failed:
            yield Failed(0, _reason("\n".join(last)))
        elif not process.returncode:
            yield Built(id_file.read_text().strip())


def _flags(options: Mapping[str, Any]) -> Iterator[str]:
    for key, flag in (("tag", "--tag"), ("target", "--target")):
        if options.get(key):
            yield f"{flag}={options[key]}"
    for key, flag in (("nocache", "--no-cache"), ("pull", "--pull")):
        if options.get(key):
            yield flag
    for key, value in (options.get("buildargs") or {}).items():
        yield f"--build-arg={key}={value}"


def _feed(context: IO[bytes], stdin: IO[bytes] | None) -> None:
    if stdin is None:
        return
    try:
        with stdin:
            shutil.copyfileobj(context, stdin)
    except OSError:  # the command ended before it had read everything; its own words say why
        return


def _lines(stdout: IO[bytes] | None) -> Iterator[str]:
    for line in stdout or ():
        yield line.decode(errors="replace").rstrip("\r\n")


def _reason(text: str) -> str:
    """The last error that the command printed."""
    found = list(_ERROR.finditer(text))
    return text[found[-1].end() :].strip() if found else text.strip() or "the docker command failed without a word"
