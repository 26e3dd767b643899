"""An engine to grade on: the real dockerd, and a home of its own."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from kit.lab.parents import make_parents


@pytest.fixture(scope="session")
def grading_environment(
    dockerd: docker.DockerClient,
    dockerd_host: str,
    cache: Path,
    proxies: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, str]:
    """The environment of a teacher whose engine has the course's small parent."""
    make_parents(dockerd, ["busybox:1"], cache)
    home = tmp_path_factory.mktemp("teacher")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("DOCKER_", "LAYERLAB_"))}
    names = ("HOME", "LAYERLAB_HOME", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"  # nbgrader calls alembic by name
    (home / "home/.docker").mkdir(parents=True)
    (home / "home/.docker/config.json").write_text(proxies)
    return environment | {name: str(home / name.lower()) for name in names} | {"DOCKER_HOST": dockerd_host}


@pytest.fixture(scope="module")
def teacher(grading_environment: dict[str, str]) -> Iterator[pytest.MonkeyPatch]:
    """The real dockerd, as a teacher's notebook meets it. A module that needs more overrides this with its own."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("DOCKER_HOST", "LAYERLAB_HOME", "HOME"):
            patch.setenv(name, grading_environment[name])
        patch.setenv("LAYERLAB_STUDENT", "ada")
        yield patch
