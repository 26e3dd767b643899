"""A builder on a store of its own, with two parents; and the same parents on a real dockerd."""

import io
import json
import os
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import docker
import pytest

from kit.engine.build.builder import Builder
from kit.engine.build.options import BuildOptions
from kit.engine.build.progress import Progress
from kit.engine.isolators import choose
from kit.engine.isolators.contract import Isolator
from kit.engine.store.store import Store
from kit.errors import NotFound
from kit.lab.parents import root_tar
from kit.layer.changeset import Changeset, merge
from kit.layer.tarball import scan
from kit.layer.tree import Entry
from kit.oci.config import History, ImageConfig, RunConfig
from kit.oci.reference import parse_reference
from tests.engine.build.cases import PARENT, TRIGGERS, File, tar, unpack

MADE = "2026-01-01T00:00:00Z"
ON_BUILD = ("COPY hello /from-trigger", "RUN echo trigger > /log")


class Lab:
    """A builder, and short ways to use it."""

    def __init__(self, root: Path, isolator: Isolator) -> None:
        self.root, self.isolator = root, isolator
        self.open()

    def open(self) -> None:
        self.store = Store(self.root / "store")
        self.builder = Builder(self.store, self.isolator, root=self.root / "build", pull=no_pull)

    def close(self) -> None:
        self.builder.close()
        self.store.close()

    def events(self, dockerfile: str, files: Mapping[str, File] = {}, /, **options: Any) -> list[Mapping[str, Any]]:
        """The messages of a build."""
        return [event.to_json() for event in self.start(dockerfile, files, **options)]

    def start(self, dockerfile: str, files: Mapping[str, File] = {}, /, **options: Any) -> Iterator[Progress]:
        return self.builder.build(io.BytesIO(tar(files, dockerfile)), BuildOptions(**options))

    def build(self, dockerfile: str, files: Mapping[str, File] = {}, /, **options: Any) -> ImageConfig:
        """The image of a build that must succeed."""
        return self.image(self.events(dockerfile, files, **options))

    def image(self, events: list[Mapping[str, Any]]) -> ImageConfig:
        errors = [event["error"] for event in events if "error" in event]
        assert not errors, errors
        return self.store.images.get(next(event["aux"]["ID"] for event in events if "ID" in event.get("aux", ())))

    def tree(self, image: ImageConfig) -> Mapping[str, Entry]:
        return self.store.layers.tree(image.diff_ids)

    def read(self, image: ImageConfig, path: str) -> str:
        with self.store.layers.open_file(image.diff_ids, path) as file:
            return file.read().decode()

    def fails(self, dockerfile: str, files: Mapping[str, File] = {}, /, **options: Any) -> str:
        """The error of a build that must fail."""
        errors = [event["error"] for event in self.events(dockerfile, files, **options) if "error" in event]
        assert len(errors) == 1
        return str(errors[0])


def no_pull(name: str, tag: str = "", *, platform: str = "", login: Mapping[str, Any] = {}) -> Iterator[Progress]:
    raise NotFound(f"pull access denied for {name}, repository does not exist or may require 'docker login'")


def text_of(events: list[Mapping[str, Any]]) -> str:
    return "".join(str(event.get("stream", "")) for event in events)


@pytest.fixture(scope="session", params=[row.name for row in choose.ROWS])
def isolator(request: pytest.FixtureRequest) -> Iterator[Isolator]:
    row = next(row for row in choose.ROWS if row.name == request.param)
    found = row.probe()
    if not found.works:
        pytest.skip(f"isolator {found.name} does not work here: {found.why}")
    made = row.make()
    yield made
    made.close()


@pytest.fixture
def lab(isolator: Isolator, cache: Path, tmp_path: Path) -> Iterator[Lab]:
    made = Lab(tmp_path, isolator)
    with root_tar("busybox:1", cache).open("rb") as file:
        layer = made.store.layers.add(file)
    history = (History(created=MADE, comment="Imported from -"),)
    for name, run in ((PARENT, RunConfig()), (TRIGGERS, RunConfig(on_build=ON_BUILD))):
        config = ImageConfig.of(run=run, diff_ids=[layer.diff_id], history=history, created=MADE)
        made.store.images.tag(parse_reference(name), made.store.images.put(config))
    yield made
    made.close()


# A real dockerd


@pytest.fixture(scope="session")
def buildkit(
    dockerd: docker.DockerClient, dockerd_host: str, cache: Path
) -> Callable[..., tuple[Any, dict[str, Entry]]]:
    """``buildkit(dockerfile, files, *flags)``: config and tree of what dockerd's own BuildKit makes."""
    command = next((path for path in _docker_commands() if _speaks_buildkit(path)), None)
    if command is None:
        pytest.skip("no docker command here holds BuildKit's client: install docker.io")
    dockerd.api.import_image_from_file(str(root_tar("busybox:1", cache)), *PARENT.split(":"))
    lines = "".join(f"ONBUILD {line}\n" for line in ON_BUILD)
    environment = os.environ | {"DOCKER_BUILDKIT": "1", "DOCKER_HOST": dockerd_host}

    def run(dockerfile: str, files: Mapping[str, File], *flags: str) -> tuple[Any, dict[str, Entry]]:
        name = f"layerlab-same:{os.getpid()}"  # others may compare at the same time
        start(dockerfile, files, name, *flags)
        return read_image(dockerd, name)

    def start(dockerfile: str, files: Mapping[str, File], name: str, *flags: str) -> None:
        with tempfile.TemporaryDirectory() as folder:
            unpack(files, dockerfile, Path(folder))
            words = [command, "build", "--progress=plain", "-q", "-t", name, *flags, folder]
            done = subprocess.run(words, capture_output=True, text=True, env=environment, timeout=240)
        if done.returncode:
            raise Refused(done.stderr)

    start(f"FROM {PARENT}\n{lines}", {}, TRIGGERS)
    return run


class Refused(Exception):
    """BuildKit gave no image."""


def _docker_commands() -> Iterator[str]:
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        if os.access(f"{folder}/docker", os.X_OK):
            yield f"{folder}/docker"


def _speaks_buildkit(command: str) -> bool:
    done = subprocess.run([command, "--version"], capture_output=True, text=True, timeout=30)
    version = done.stdout.partition("version ")[2].partition(".")[0]
    return version.isdigit() and 19 <= int(version) <= 22


def read_image(client: docker.DockerClient, name: str) -> tuple[Any, dict[str, Entry]]:
    """The config, and the merged tree, of an image that dockerd has."""
    raw = io.BytesIO(b"".join(client.images.get(name).save()))
    with tarfile.open(fileobj=raw) as archive:

        def member(path: str) -> io.BytesIO:
            info = archive.getmember(path)
            while info.issym():
                info = archive.getmember(os.path.normpath(os.path.join(os.path.dirname(info.name), info.linkname)))
            file = archive.extractfile(info)
            assert file is not None
            return io.BytesIO(file.read())

        manifest = json.load(member("manifest.json"))[0]
        changesets: list[Changeset] = [scan(member(path)) for path in manifest["Layers"]]
        return json.load(member(manifest["Config"])), merge(changesets)
