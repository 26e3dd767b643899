"""Containers shaped like the homes that Layerlab has. Nothing is pulled.

They are this machine's own Debian with the packages of ``binder/apt.txt``, and this project, read-only.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.models.containers import Container

PROJECT = Path(__file__).parents[2]
PACKAGES = [line for line in (PROJECT / "binder/apt.txt").read_text().split() if line]


def release() -> dict[str, str]:
    lines = Path("/etc/os-release").read_text().splitlines()
    return {key: value.strip('"') for key, _, value in (line.partition("=") for line in lines)}


@pytest.fixture(scope="session")
def pod_image(dockerd: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An image of this machine's own Debian with python3 and the packages that Binder installs."""
    name = f"layerlab-pod:{release().get('VERSION_CODENAME', 'unknown')}-{sys.version_info.minor}"
    if any(name in image.tags for image in dockerd.images.list()):
        return name
    if release().get("ID") != "debian" or os.geteuid() != 0:
        pytest.skip("making the pod's image needs Debian and root")
    archive = tmp_path_factory.mktemp("pod") / "root.tar"
    command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(['python3', *PACKAGES])}"]
    subprocess.run([*command, release()["VERSION_CODENAME"], str(archive)], check=True, timeout=900)
    repository, _, tag = name.partition(":")
    with archive.open("rb") as tar:
        dockerd.api.import_image_from_data(tar, repository=repository, tag=tag)
    return name


@contextmanager
def running(dockerd: docker.DockerClient, image: str, **how: Any) -> Iterator[Container]:
    """A container that waits; /home is the learners', the project stands in /srv."""
    packages = Path(pytest.__file__).parents[1]
    defaults: dict[str, Any] = {
        "init": True,
        "environment": {
            "HOME": "/home/jovyan",
            "PYTHONPATH": "/srv/layerlab:/srv/packages",
            "PYTHONDONTWRITEBYTECODE": "1",
            "NB_USER": "jovyan",
            "USER": "jovyan",
            "LAYERLAB_PROJECT": "/srv/layerlab",
        },
        "volumes": {
            str(PROJECT): {"bind": "/srv/layerlab", "mode": "ro"},
            str(packages): {"bind": "/srv/packages", "mode": "ro"},
        },
        "tmpfs": {"/home/jovyan": "uid=1000,gid=1000,mode=0755,exec,size=3g"},
        "working_dir": "/home/jovyan",
    }
    container = dockerd.containers.run(image, ["sleep", "3600"], detach=True, **defaults | how)
    try:
        code, output = container.exec_run(["python3", "-c", "import sys; print(sys.version_info[:2])"])
        wanted, there = str(sys.version_info[:2]), output.decode().strip()
        if code or there != wanted:
            pytest.skip(f"the tests' packages are for Python {wanted}, Debian's is {there}")
        yield container
    finally:
        container.remove(force=True)


@pytest.fixture(scope="module")
def run_home(dockerd: docker.DockerClient, pod_image: str) -> Iterator[Callable[..., Container]]:
    """``run_home(user=…, …)`` starts one; the words are those of the Docker SDK."""
    with ExitStack() as stack:
        yield lambda **how: stack.enter_context(running(dockerd, pod_image, **how))
