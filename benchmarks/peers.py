"""The engines that are compared: a real dockerd with both its builders, and the embedded engine in each isolator."""

import io
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import docker

PROJECT = Path(__file__).parents[1]
ISOLATORS = ("root", "userns", "seccomp")
IMAGE = "bench:latest"
PATIENCE = 1800
"""Seconds that a client waits for one answer."""


class Peer:
    """An engine that runs. ``pid`` is its process, 0 where it is not known."""

    def __init__(self, name: str, client: docker.DockerClient, pid: int) -> None:
        self.name, self.client, self.pid = name, client, pid

    def build(self, context: bytes, *, cache: bool, image: str = IMAGE) -> None:
        """Builds the context, a tar.

        Raises:
            docker.errors.BuildError, subprocess.CalledProcessError: it could not be built.
        """
        self.client.images.build(
            fileobj=io.BytesIO(context),
            custom_context=True,
            nocache=not cache,
            rm=True,
            tag=image,
            network_mode="host",
        )

    def give(self, archive: Path, name: str) -> None:
        """Makes an image of a root file system's tar."""
        repository, _, tag = name.partition(":")
        with archive.open("rb") as tar:
            self.client.api.import_image_from_data(tar, repository=repository, tag=tag)


class BuildKit(Peer):
    """dockerd's other builder, as people have it: through the ``docker`` command."""

    def __init__(self, command: str, daemon: Peer) -> None:
        super().__init__("BuildKit", daemon.client, daemon.pid)
        self._command = command

    def build(self, context: bytes, *, cache: bool, image: str = IMAGE) -> None:
        words = [
            self._command,
            "build",
            "-q",
            "--network=host",
            "-t",
            image,
            *(() if cache else ("--no-cache",)),
            "-",
        ]
        environment = os.environ | {"DOCKER_BUILDKIT": "1", "DOCKER_HOST": _host()}
        subprocess.run(words, input=context, check=True, capture_output=True, env=environment)


class Embedded(Peer):
    """A fresh embedded engine, from ``with`` to its end."""

    def __init__(self, isolator: str) -> None:
        self.name = isolator
        self.seconds_to_ping = 0.0

    def works(self) -> bool:
        """Whether the isolator works on this machine."""
        try:
            with Embedded(self.name):
                return True
        except TimeoutError:
            return False

    def __enter__(self) -> "Embedded":
        self._directory = tempfile.TemporaryDirectory(prefix="e", ignore_cleanup_errors=True)
        place = self._directory.name
        path = f"{place}/s"
        command = [sys.executable, "-m", "kit.engine.api", "--home", f"{place}/home", "--socket", path]
        begin = time.perf_counter()
        self._process = subprocess.Popen(
            [*command, "--isolator", self.name], cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            self.seconds_to_ping = self._wait_for_ping(path, begin)
        except BaseException:
            self._end()
            raise
        client = docker.DockerClient(base_url=f"unix://{path}", version="1.41", timeout=PATIENCE)
        super().__init__(self.name, client, self._process.pid)
        return self

    def _wait_for_ping(self, path: str, begin: float, timeout: float = 30) -> float:
        """Seconds from ``begin`` until the engine has answered ``/_ping``."""
        while time.perf_counter() - begin < timeout and self._process.poll() is None:
            with socket.socket(socket.AF_UNIX) as connection:
                try:
                    connection.connect(path)
                except OSError:
                    time.sleep(0.002)
                    continue
                connection.sendall(b"GET /_ping HTTP/1.1\r\nHost: engine\r\nConnection: close\r\n\r\n")
                if connection.recv(64).startswith(b"HTTP/1.1 200"):
                    return time.perf_counter() - begin
        raise TimeoutError(f"no ping on {path}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        self._process.terminate()
        self._process.wait(60)
        self._directory.cleanup()


embedded = Embedded


def dockerd() -> Peer:
    """The private dockerd of `make engines`."""
    host = _host()
    client = docker.DockerClient(base_url=host, version="1.41", timeout=PATIENCE)
    pids = subprocess.run(["pgrep", "-x", "dockerd"], capture_output=True, text=True).stdout.split()
    mine = [int(pid) for pid in pids if host in _command_line(pid)]
    return Peer("dockerd", client, mine[0] if mine else 0)


def _host() -> str:
    script = PROJECT / "tests/engines/dockerd.sh"
    told = subprocess.run([script, "start"], capture_output=True, text=True, check=True).stdout
    return told.strip().removeprefix("DOCKER_HOST=")


def buildkit() -> Iterator[Peer]:
    """BuildKit, if a ``docker`` command here has its client built in; later ones need a plugin."""
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        command = f"{folder}/docker"
        if os.access(command, os.X_OK):
            told = subprocess.run([command, "--version"], capture_output=True, text=True).stdout
            version = told.partition("version ")[2].partition(".")[0]
            if version.isdigit() and 19 <= int(version) <= 22:
                yield BuildKit(command, dockerd())
                return


def _command_line(pid: str) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()


def resident(pid: int) -> int:
    """Bytes of memory that a process and its children hold for themselves and share (proportional set size)."""
    total, todo, seen = 0, [pid], set()
    while todo:
        process = todo.pop()
        seen.add(process)
        try:
            rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
            tasks = [task / "children" for task in Path(f"/proc/{process}/task").iterdir()]
            children = {int(child) for task in tasks for child in task.read_text().split()}
        except OSError:
            continue
        total += 1024 * sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
        todo += children - seen
    return total


def forget_peak(pid: int) -> None:
    """From now on ``peak`` counts. Source: proc_pid_clear_refs(5)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak(pid: int) -> int:
    """The most bytes that a process has held."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
