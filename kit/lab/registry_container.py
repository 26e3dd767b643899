"""The local registry as a container of ``registry:3``: for machines that have an engine but no registry program."""

from typing import Any

import docker.errors

from kit.errors import Unavailable

IMAGE = "registry:3"
NAME = "layerlab-registry"


def start(engine: Any, port: int) -> str:
    """Run it on ``port`` of loopback; its images stay in a volume. Returns the container's ID.

    Raises:
        Unavailable: the image can't be had.
    """
    try:
        old = engine.containers.get(NAME)
    except docker.errors.NotFound:
        pass
    else:
        old.remove(force=True)
    try:
        container = engine.containers.run(
            IMAGE,
            name=NAME,
            detach=True,
            environment={"REGISTRY_STORAGE_DELETE_ENABLED": "true"},
            ports={"5000/tcp": ("127.0.0.1", port)},
            volumes={NAME: {"bind": "/var/lib/registry", "mode": "rw"}},
        )
    except docker.errors.DockerException as error:
        raise Unavailable(
            f"no registry program is installed, and {IMAGE} does not run as a container ({error}): "
            "`sudo apt install docker-registry` needs neither"
        ) from error
    return str(container.id)


def runs(engine: Any, container: str) -> bool:
    """Whether it is running."""
    try:
        return bool(engine.containers.get(container).status == "running")
    except docker.errors.DockerException:
        return False


def log(engine: Any, container: str) -> str:
    """What it has written to its log."""
    return bytes(engine.containers.get(container).logs()).decode(errors="replace")


def remove(engine: Any, container: str, path: str) -> bool:
    """Take a directory out of its data. False when there is none."""
    place = f"/var/lib/registry/{path}"
    done = engine.containers.get(container).exec_run(["sh", "-c", 'test -d "$0" && rm -rf "$0"', place])
    return bool(done.exit_code == 0)


def stop(engine: Any, container: str) -> None:
    """End and remove it; the volume stays."""
    try:
        engine.containers.get(container).remove(force=True)
    except docker.errors.NotFound:
        return
