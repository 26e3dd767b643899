"""The engines that every notebook must run on: the embedded one in each isolator, and a real dockerd."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


def layerlab(*words: str, environment: dict[str, str]) -> str:
    command = [sys.executable, "-m", "kit.lab.cli", *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def engine_environment(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, cache: Path, proxies: str
) -> Iterator[dict[str, str]]:
    """The environment of a learner whose engine is the one that the test asks for: an isolator, or ``dockerd``."""
    home: Path = tmp_path_factory.mktemp("lab")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("DOCKER_", "LAYERLAB_"))}
    environment |= {"LAYERLAB_HOME": str(home / "home"), "XDG_RUNTIME_DIR": str(home / "run"), "HOME": str(home)}
    (home / "run").mkdir(mode=0o700)
    (home / "home").mkdir(mode=0o700)
    (cache / "parents").mkdir(exist_ok=True)
    (home / "home/parents").symlink_to(cache / "parents")
    if request.param != "userns":  # its containers reach no service of this machine
        (home / ".docker").mkdir()
        (home / ".docker/config.json").write_text(proxies)
    if request.param == "dockerd":
        environment["DOCKER_HOST"] = request.getfixturevalue("dockerd_host")
    else:
        works = request.getfixturevalue("working_isolators")
        if request.param not in works:
            pytest.skip(f"isolator {request.param} does not work here: {works.get(request.param, 'unknown')}")
        environment["LAYERLAB_ISOLATOR"] = request.param
        environment["LAYERLAB_ENGINE"] = "embedded"
        layerlab("engine", "start", environment=environment)
    layerlab("parents", "busybox:1", "web:1", environment=environment)
    yield environment
    layerlab("registry", "stop", environment=environment)
    if request.param != "dockerd":
        layerlab("engine", "stop", environment=environment)
