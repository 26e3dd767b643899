"""The engines that the kit must work with: a real dockerd, and the embedded engine."""

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest

import kit
from kit.lab.connect import Lab
from kit.lab.engine import EngineFailed, start_engine, stop_engine
from kit.lab.home import find_home
from kit.lab.parents import make_parents
from kit.lab.registry import stop_registry

_NUMBERS = itertools.count()


@pytest.fixture(scope="session", params=["dockerd", "embedded"])
def engine_settings(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """What to set so that ``kit.connect`` finds the engine; busybox:1 is in it."""
    root = tmp_path_factory.mktemp("lab")
    settings = {"LAYERLAB_HOME": str(root), "DOCKER_BUILDKIT": "0"}
    if request.param == "dockerd":
        settings["DOCKER_HOST"] = host = request.getfixturevalue("dockerd_host")
    else:
        try:
            settings["DOCKER_HOST"] = host = start_engine(find_home({**os.environ, **settings})).docker_host
        except EngineFailed as error:
            pytest.skip(str(error).partition("\n")[0])
    client = docker.DockerClient(host)
    make_parents(client, ["busybox:1"], root)
    yield settings
    stop_registry(root)
    if request.param == "embedded":
        stop_engine(find_home({**os.environ, **settings}))


@pytest.fixture
def lab(engine_settings: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Lab]:
    """The engine as a notebook finds it, with a home of its own for what it writes down."""
    for name in [name for name in os.environ if name.startswith(("DOCKER_", "LAYERLAB_", "JPY_"))]:
        monkeypatch.delenv(name)
    for name, value in engine_settings.items():
        monkeypatch.setenv(name, value)
    yield kit.connect()


@pytest.fixture
def mine(lab: Lab) -> Iterator[str]:
    """The beginning of names that only this test uses; what begins so is removed afterwards."""
    prefix = f"labtest{os.getpid()}x{next(_NUMBERS)}"
    yield prefix
    for name in kit.tags(lab=lab):
        if prefix in name:
            lab.client.images.remove(name, force=True)


@pytest.fixture
def hello(lab: Lab, mine: str) -> Callable[..., str]:
    """Builds an image that prints: ``hello("name", text="Hello\\n")``; returns its name."""

    def make(name: str = "hello", *, text: str = "Hello!\n", start: str = 'CMD ["/hello"]') -> str:
        tag = f"{mine}/{name}:1"
        program = kit.elf.tiny(text) + mine.encode()  # no other test's image has these bytes
        kit.build(dockerfile=f"FROM scratch\nCOPY hello /\n{start}\n", files={"hello": program}, tag=tag)
        return tag

    return make
