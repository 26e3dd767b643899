"""What tests of several rooms need of the machine: a real dockerd, a Debian root file system, an ordinary user."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import docker
import pytest

from kit.engine.isolators import choose
from kit.errors import Unavailable
from kit.lab.parents import root_tar
from tests.patience import PatientProxy, config_json, serving

PROJECT = Path(__file__).parent.parent
sys.path.insert(0, str(PROJECT / "tests"))  # for ``driving``
ORDINARY_USER = 1000

UserCode = Callable[..., "subprocess.CompletedProcess[str]"]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: takes minutes; runs with LAYERLAB_SLOW=1 (make same, make notebooks)")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What is slow runs when it is asked for: LAYERLAB_SLOW=1 (``make same``, ``make notebooks``)."""
    if os.environ.get("LAYERLAB_SLOW") == "1":
        return
    skip = pytest.mark.skip(reason="slow: run `make same` or `make notebooks`")
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(skip)


@pytest.fixture(scope="session")
def dockerd_host() -> str:
    """The address of the real dockerd that ``make engines`` has started."""
    status = [PROJECT / "tests/engines/dockerd.sh", "status"]
    done = subprocess.run(status, capture_output=True, text=True, timeout=60)
    if done.returncode:
        pytest.skip("no real dockerd to compare with: run `make engines`")
    return done.stdout.strip().removeprefix("DOCKER_HOST=")


@pytest.fixture(scope="session")
def dockerd(dockerd_host: str) -> Iterator[docker.DockerClient]:
    """A client of the real dockerd. Others use the same one: take names of your own, prune nothing."""
    client = docker.DockerClient(dockerd_host, timeout=120)
    yield client
    client.close()


@pytest.fixture(scope="session")
def proxies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Docker's ``config.json`` for builds that fetch packages (``tests/patience.py``); userns can't reach it."""
    with serving(PatientProxy(tmp_path_factory.mktemp("fetched"))) as url:
        yield config_json(url)


@pytest.fixture(scope="session")
def cache() -> Path:
    """A directory for what is expensive to make and the same in every run."""
    directory = PROJECT / ".layerlab" / "tests"
    directory.mkdir(parents=True, exist_ok=True)
    return directory


@pytest.fixture(scope="session")
def debian13_tar(cache: Path) -> Path:
    """The root file system of ``debian:13`` as a tar."""
    try:
        return root_tar("debian:13", cache)
    except Unavailable as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def as_user(tmp_path_factory: pytest.TempPathFactory) -> UserCode:
    """Runs Python code as an ordinary user: ``as_user(code, *arguments, timeout=60, env={…})``.

    When the tests run as root this is user 1000 with a home of its own; otherwise it is whoever runs them.
    """
    home = tmp_path_factory.mktemp("user")
    site_packages = next(path for path in sys.path if path.endswith("site-packages"))
    base = {"PYTHONPATH": f"{PROJECT}:{site_packages}", "PATH": os.environ["PATH"], "HOME": str(home)}
    who: dict[str, object] = {}
    if os.geteuid() == 0:
        shutil.chown(home, ORDINARY_USER, ORDINARY_USER)
        who = {"user": ORDINARY_USER, "group": ORDINARY_USER, "extra_groups": []}
        _open_the_way(home)
    python = _python_for_everyone(base, who)

    def run(
        code: str, *arguments: str, timeout: float = 60, env: Mapping[str, str] = {}
    ) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [python, "-c", code, *arguments],
            env=base | env,
            cwd=home,
            capture_output=True,
            text=True,
            timeout=timeout,
            **who,  # type: ignore[call-overload]
        )

    return run


@pytest.fixture
def user_tmp_path(tmp_path: Path) -> Path:
    """A temporary directory that belongs to the user of ``as_user``, with every directory above it passable."""
    directory = tmp_path / "user"
    directory.mkdir()
    if os.geteuid() == 0:
        shutil.chown(directory, ORDINARY_USER, ORDINARY_USER)
        _open_the_way(directory)
    return directory


@pytest.fixture(scope="session")
def working_isolators() -> dict[str, str]:
    """The isolators that this machine allows, with what they say of it."""
    return {found.name: found.why for found in choose.probe() if found.works}


def _open_the_way(directory: Path) -> None:
    for above in directory.parents:
        mode = above.stat().st_mode
        if above.stat().st_uid == os.geteuid() and not mode & 0o001:
            above.chmod(mode | 0o011)


def _python_for_everyone(environment: Mapping[str, str], who: Mapping[str, object]) -> str:
    """An interpreter of our version that the user may execute; the one that runs the tests may be root's alone."""
    probe = [f"import sys, docker; assert sys.version_info[:2] == {sys.version_info[:2]}"]
    for python in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        try:
            done = subprocess.run([python, "-c", *probe], env=environment, capture_output=True, timeout=60, **who)  # type: ignore[call-overload]
        except (FileNotFoundError, PermissionError):
            continue
        if done.returncode == 0:
            return python
    pytest.skip("no Python that an ordinary user may run here")
