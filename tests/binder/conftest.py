"""The image that Binder would build of this project, as near as it gets without the internet.

repo2docker itself reads ``binder/``, writes the Dockerfile and packs the context, of what the learners' branch holds.
Two things are replaced, since they can't be had here: Ubuntu (by this machine's Debian, made with mmdebstrap) and
conda (by Debian's python3 in the place where conda's would be). pip finds the wheels that it needs in the base image.
"""

import io
import os
import platform
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path
from typing import IO, Any

import docker
import pytest

PROJECT = Path(__file__).parents[2]
BASE, IMAGE = "layerlab-binder-base:1", "layerlab-binder:1"
PLATFORMS = {"x86_64": "linux/amd64", "aarch64": "linux/arm64"}
USER = {"NB_USER": "jovyan", "NB_UID": "1000"}
BUILDPACK_DEPS = ["ca-certificates", "git", "locales", "make", "python3", "python3-venv"]
"""What of Docker's buildpack-deps repo2docker's scripts and ours use."""


@pytest.fixture(scope="session")
def base(dockerd: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Stands for ``buildpack-deps:24.04``, with the wheels of ``requirements.lock`` and how to find them."""
    if any(BASE in image.tags for image in dockerd.images.list()):
        return BASE
    if os.geteuid() != 0:
        pytest.skip("making the base image needs root")
    place = tmp_path_factory.mktemp("base")
    wheels = [sys.executable, "-m", "pip", "wheel", "-q", "-w", place / "wheels", "-r", PROJECT / "requirements.lock"]
    subprocess.run([*wheels, "setuptools>=68", "wheel"], check=True, timeout=900)
    command = ["mmdebstrap", "--quiet", "--variant=apt", f"--include={','.join(BUILDPACK_DEPS)}", _release(), "-"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as making:
        dockerd.api.import_image_from_data(making.stdout, repository="layerlab-binder-bare", tag="1")
    (place / "Dockerfile").write_text(
        "FROM layerlab-binder-bare:1\nCOPY wheels /wheels\nENV PIP_NO_INDEX=1 PIP_FIND_LINKS=/wheels\n"
    )
    dockerd.images.build(path=str(place), tag=BASE)
    return BASE


def _release() -> str:
    lines = dict(line.partition("=")[::2] for line in Path("/etc/os-release").read_text().splitlines())
    return lines["VERSION_CODENAME"]


@pytest.fixture(scope="session")
def image(base: str, dockerd: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What repo2docker makes of the learners' version of the last commit."""
    tree = tmp_path_factory.mktemp("learners") / "tree"
    release = [sys.executable, PROJECT / "binder/release.py", "--into", tree]
    subprocess.run(release, cwd=PROJECT, check=True, timeout=120)
    pack = _build_pack()(base)
    pack.platform = PLATFORMS[platform.machine()]
    with chdir(tree):
        for line in pack.build(_Classic(dockerd), IMAGE, 0, dict(USER), None, {}):
            print(line, end="", flush=True)
    return IMAGE


def _build_pack() -> Any:
    repo2docker = pytest.importorskip("repo2docker.buildpacks")

    class WithoutConda(repo2docker.PythonBuildPack):  # type: ignore[misc, name-defined]
        """repo2docker's pack for ``requirements.txt``; ``super`` of conda's part is asked instead of conda's part."""

        def get_build_scripts(self) -> list[tuple[str, str]]:
            before = super(repo2docker.CondaBuildPack, self).get_build_scripts()
            environment = "python3 -m venv ${NB_PYTHON_PREFIX} && chown -R ${NB_USER}:${NB_USER} ${CONDA_DIR} /wheels"
            profile = 'echo "PATH=${HOME}/.local/bin:${NB_PYTHON_PREFIX}/bin:${PATH}" > /etc/profile.d/activate.sh'
            return [*before, ("root", environment), ("root", profile)]

        def get_build_script_files(self) -> dict[str, str]:
            return {}

    return WithoutConda


class _Classic:
    """Stands where repo2docker has its own client. ``COPY --chmod`` is BuildKit's: the mode goes into the context."""

    def __init__(self, dockerd: docker.DockerClient) -> None:
        self._dockerd = dockerd

    def build(self, *, fileobj: IO[bytes], tag: str, buildargs: dict[str, str], **_: object) -> Iterator[str]:
        with tempfile.TemporaryFile() as context:
            with tarfile.open(fileobj=fileobj) as there, tarfile.open(fileobj=context, mode="w") as here:
                for entry in there:
                    data = there.extractfile(entry) if entry.isfile() else None
                    if entry.name == "Dockerfile" and data:
                        text = data.read().replace(b"COPY --chmod=0755 ", b"COPY ")
                        entry.size, data = len(text), io.BytesIO(text)
                    elif entry.name in ("repo2docker-entrypoint", "python3-login"):
                        entry.mode = 0o755
                    here.addfile(entry, data)
            context.seek(0)
            for line in self._dockerd.api.build(
                fileobj=context, custom_context=True, tag=tag, buildargs=buildargs, rm=True, decode=True
            ):
                assert "error" not in line, line
                yield line.get("stream", "")
