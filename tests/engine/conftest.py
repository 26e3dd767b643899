"""An embedded engine as a process of its own, for tests that start, kill and ask it."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from kit.lab.engine import ping
from kit.lab.parents import root_tar

PROJECT = Path(__file__).parents[2]
PATIENCE = 30.0


class RunningEngine:
    """One engine's home and socket; the engine may be started, ended and killed again and again."""

    def __init__(self, directory: Path, isolator: str, environment: dict[str, str] | None = None) -> None:
        self.home, self.socket = directory / "home", directory / "e.sock"
        self.isolator, self._environment = isolator, environment or {}
        self.log = directory / "log"
        self.words: tuple[str, ...] = ()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Seconds until the first ping was answered."""
        begin = time.perf_counter()
        command = [sys.executable, "-m", "kit.engine.api", "--home", str(self.home), "--socket", str(self.socket)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--isolator", self.isolator, *self.words],
                cwd=PROJECT,
                env=os.environ | {"PYTHONUNBUFFERED": "1"} | self._environment,
                stdout=log,
                stderr=log,
            )
        while not ping(self.socket):
            assert self.process.poll() is None, self.log.read_text()
            assert time.perf_counter() - begin < PATIENCE, self.log.read_text()
            time.sleep(0.01)
        return time.perf_counter() - begin

    def end(self, number: int = signal.SIGTERM) -> int:
        """Sends the signal and returns the exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def client(self) -> docker.APIClient:
        return docker.APIClient(f"unix://{self.socket}", version="1.41", timeout=60)


@pytest.fixture(params=["root", "userns", "seccomp"])
def isolator(request: pytest.FixtureRequest, working_isolators: dict[str, str]) -> str:
    """Each isolator that works here."""
    name: str = request.param
    if name not in working_isolators:
        pytest.skip(f"the isolator {name} does not work here")
    return name


@pytest.fixture(scope="session")
def best_isolator(working_isolators: dict[str, str]) -> str:
    if not working_isolators:
        pytest.skip("no isolator works here")
    return next(iter(working_isolators))


@pytest.fixture(scope="session")
def busybox_tar(cache: Path) -> Path:
    return root_tar("busybox:1", cache)


@pytest.fixture
def new_engine(best_isolator: str) -> Iterator[RunningEngine]:
    """An engine of this test alone, with nothing in it; not started."""
    with tempfile.TemporaryDirectory(prefix="ll-", ignore_cleanup_errors=True) as directory:
        engine = RunningEngine(Path(directory), best_isolator)
        yield engine
        if engine.process is not None and engine.process.poll() is None:
            engine.end()


@pytest.fixture(scope="module")
def engine(best_isolator: str) -> Iterator[RunningEngine]:
    """An engine that the tests of a module share."""
    with tempfile.TemporaryDirectory(prefix="ll-", ignore_cleanup_errors=True) as directory:
        engine = RunningEngine(Path(directory), best_isolator)
        engine.start()
        yield engine
        if engine.process is not None and engine.process.poll() is None:
            engine.end()


@pytest.fixture(scope="module")
def client(engine: RunningEngine, busybox_tar: Path) -> Iterator[docker.APIClient]:
    """A client of the shared engine, which has ``busybox:1``."""
    client = engine.client()
    client.import_image_from_file(str(busybox_tar), "busybox", "1")
    yield client
    client.close()
