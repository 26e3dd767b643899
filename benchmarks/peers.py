"""The engines that are compared: a real dockerd, and the embedded engine in each isolator that works here."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker

PROJECT = Path(__file__).parents[1]


@contextmanager
def embedded(isolator: str) -> Iterator[tuple[docker.DockerClient, int, float]]:
    """A fresh embedded engine: its client, its pid, and the seconds from its start to the first answered ping."""
    with tempfile.TemporaryDirectory(prefix="ll-bench-", ignore_cleanup_errors=True) as directory:
        socket = f"{directory}/engine.sock"
        command = [sys.executable, "-m", "kit.engine.api", "--home", f"{directory}/home", "--socket", socket]
        begin = time.perf_counter()
        process = subprocess.Popen(
            [*command, "--isolator", isolator], cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            seconds = wait_for_ping(socket, begin)
            yield docker.DockerClient(base_url=f"unix://{socket}", version="1.41", timeout=900), process.pid, seconds
        finally:
            process.terminate()
            process.wait(30)


def wait_for_ping(path: str, begin: float, timeout: float = 30) -> float:
    """Seconds from ``begin`` until the engine on the socket ``path`` has answered ``/_ping``."""
    import socket

    while time.perf_counter() - begin < timeout:
        with socket.socket(socket.AF_UNIX) as connection:
            try:
                connection.connect(path)
            except OSError:
                time.sleep(0.002)
                continue
            connection.sendall(b"GET /_ping HTTP/1.1\r\nHost: engine\r\nConnection: close\r\n\r\n")
            if connection.recv(64).startswith(b"HTTP/1.1 200"):
                return time.perf_counter() - begin
    raise TimeoutError(f"no ping on {path} within {timeout} seconds")


def dockerd() -> tuple[docker.DockerClient, int]:
    """The private dockerd of `make engines`: its client and its pid."""
    script = PROJECT / "tests/engines/dockerd.sh"
    host = subprocess.run([script, "start"], capture_output=True, text=True, check=True).stdout.strip()
    client = docker.DockerClient(base_url=host.removeprefix("DOCKER_HOST="), version="1.41", timeout=900)
    socket = os.path.realpath(host.partition("unix://")[2])
    pids = subprocess.run(["pgrep", "-x", "dockerd"], capture_output=True, text=True).stdout.split()
    mine = [
        int(pid) for pid in pids if socket in _command_line(pid) or host.partition("unix://")[2] in _command_line(pid)
    ]
    return client, mine[0] if mine else 0


def _command_line(pid: str) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()


def resident(pid: int) -> int:
    """Bytes of memory that a process and its children hold for themselves and share (proportional set size)."""
    total, todo = 0, [pid]
    while todo:
        process = todo.pop()
        try:
            rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
            children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
        except OSError:
            continue
        total += 1024 * sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
        for task in Path(f"/proc/{process}/task").iterdir():
            children += (task / "children").read_text().split()
        todo += {int(child) for child in children} - {process}
    return total
