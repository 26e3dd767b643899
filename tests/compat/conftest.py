"""The docker command line, on an embedded engine of each isolator and on the real dockerd."""

import os
import pty
import re
import select
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest

from kit.lab.engine import ping
from kit.lab.parents import root_tar
from kit.lab.registry import start_registry, stop_registry

PROJECT = Path(__file__).parents[2]
IMAGE = "llcompat-busybox:1"
_PATTERNS = (
    (r"sha256:[0-9a-f]{64}", "<digest>"),
    (r"\b[0-9a-f]{64}\b", "<id>"),
    (r"\b[0-9a-f]{12}\b", "<short>"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[.\d]*(Z|[+-]\d\d:\d\d)", "<time>"),
    (r"(Less than a second|About a minute|\d+ (seconds?|minutes?))( ago)?", "<ago>"),
    (r"127\.0\.0\.1:\d+", "<registry>"),
    (r"<ago> +", "<ago> "),
    (r"size: \d+", "size: <n>"),
    (r"\b\d+(\.\d+)?[kM]?B\b", "<size>"),
    (r"(?m)[ \t]+$", ""),
    (r"\n(Run|See) 'docker .* --help'.*", ""),
)


class Result(NamedTuple):
    code: int
    out: str
    err: str


@dataclass
class Cli:
    """``docker`` on one engine. ``name`` begins every name that a test gives."""

    host: str
    config: Path
    name: str
    is_ours: bool

    def run(self, line: str, *, stdin: bytes = b"", timeout: float = 60, cwd: Path | None = None) -> Result:
        done = subprocess.run(
            ["docker", *shlex.split(line)],
            input=stdin,
            capture_output=True,
            timeout=timeout,
            env=self.environment,
            cwd=cwd,
        )
        return Result(done.returncode, done.stdout.decode(), done.stderr.decode())

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {"DOCKER_HOST": self.host, "DOCKER_BUILDKIT": "0", "DOCKER_CONFIG": str(self.config)}

    def in_terminal(
        self, line: str, keys: bytes = b"", *, until: bytes = b"", timeout: float = 30
    ) -> tuple[int, str]:
        """The exit code and what the screen shows, with ``keys`` typed once ``until`` is on it."""
        pid, screen = pty.fork()
        if pid == 0:
            os.execvpe("docker", ["docker", *shlex.split(line)], self.environment)
        shown, end = b"", time.monotonic() + timeout
        while time.monotonic() < end:
            if keys and until in shown:
                os.write(screen, keys)
                keys = b""
            if select.select([screen], [], [], 0.1)[0]:
                piece = b""
                with suppress(OSError):  # EIO: the other side is closed
                    piece = os.read(screen, 4096)
                if not piece:
                    break
                shown += piece
        os.close(screen)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode(errors="replace")

    def transcript(self, lines: list[str], *, cwd: Path | None = None) -> list[tuple[str, int, str]]:
        """Each line with its exit code and what it printed, without what differs from run to run."""
        told = []
        for line in lines:
            result = self.run(line.format(n=self.name, image=IMAGE), cwd=cwd)
            told.append((line, result.code, self.normalised(result.out + result.err)))
        return told

    def normalised(self, text: str) -> str:
        text = text.replace(self.name, "{n}").replace(str(self.config), "<config>")
        for pattern, word in _PATTERNS:
            text = re.sub(pattern, word, text)
        return text


@pytest.fixture(scope="session")
def busybox(cache: Path) -> Path:
    return root_tar("busybox:1", cache)


@pytest.fixture(scope="session", params=["root", "userns", "seccomp"])
def ours(
    request: pytest.FixtureRequest,
    working_isolators: dict[str, str],
    busybox: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Cli]:
    """An embedded engine."""
    if request.param not in working_isolators:
        pytest.skip(f"the isolator {request.param} does not work here")
    with tempfile.TemporaryDirectory(prefix="ll-", ignore_cleanup_errors=True) as directory:
        socket = Path(directory) / "e.sock"
        command = [sys.executable, "-m", "kit.engine.api", "--home", f"{directory}/home", "--socket", str(socket)]
        with (Path(directory) / "log").open("wb") as log:
            engine = subprocess.Popen([*command, "--isolator", request.param], cwd=PROJECT, stdout=log, stderr=log)
        try:
            while not ping(socket):
                assert engine.poll() is None, (Path(directory) / "log").read_text()
                time.sleep(0.05)
            cli = Cli(f"unix://{socket}", tmp_path_factory.mktemp("config"), f"llc{os.getpid()}", True)
            assert cli.run(f"import {busybox} {IMAGE}").code == 0
            yield cli
        finally:
            engine.terminate()
            engine.wait(30)


@pytest.fixture(scope="session")
def theirs(dockerd_host: str, busybox: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """The real dockerd, which others use at the same time."""
    cli = Cli(dockerd_host, tmp_path_factory.mktemp("config"), f"llc{os.getpid()}", False)
    assert cli.run(f"import {busybox} {IMAGE}").code == 0
    yield cli
    cli.run(f"rmi -f {IMAGE}")


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real registry with a user and a password; its name as references have it."""
    if not shutil.which("docker-registry"):
        pytest.skip("no docker-registry here: run `make engines`")
    home = tmp_path_factory.mktemp("registry")
    yield start_registry(home, 5877, login=("ada", "lovelace")).removeprefix("http://")
    stop_registry(home)
