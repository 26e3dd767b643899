"""A container's code reaches no file, process or socket of the machine: a hostile program tries.

``attack.c`` has some 150 attempts, and races of two seconds each. Only what the machine's side confirms counts, too:
the secret is unchanged, the supervisor still works.
"""

import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kit.engine.isolators import seccomp
from kit.engine.isolators.contract import Process, Sandbox
from tests.contract.conftest import Runner

PROBE = seccomp.probe()
pytestmark = pytest.mark.skipif(not PROBE.works, reason=f"isolator seccomp does not work here: {PROBE.why}")

SECRET = "#!/bin/sh\n# the machine's secret\nexit 42\n"


@pytest.fixture(scope="module")
def attack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The hostile program, static."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler: install gcc")
    program = tmp_path_factory.mktemp("attack") / "attack"
    source = Path(__file__).with_name("attack.c")
    command = [compiler, "-O1", "-static", "-pthread", "-w", "-o", program, source]
    subprocess.run(command, check=True, timeout=120)
    return program


@pytest.fixture
def targets(tmp_path: Path) -> Iterator[list[str]]:
    """Things of the machine that a container must not reach: a port, an abstract socket, a socket."""
    with (
        socket.create_server(("0.0.0.0", 0)) as tcp,
        socket.socket(socket.AF_UNIX) as abstract,
        socket.socket(socket.AF_UNIX) as named,
    ):
        abstract.bind(f"\0machine-{os.getpid()}")
        named.bind(str(tmp_path / "socket"))
        for listening in (abstract, named):
            listening.listen()
        yield [str(tcp.getsockname()[1]), f"machine-{os.getpid()}", str(tmp_path / "socket")]


@pytest.fixture
def segment() -> Iterator[int]:
    """A System V segment of this process."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    number = libc.shmget(0, 4096, 0o1600)
    assert number >= 0
    yield number
    assert libc.shmctl(number, 0, None) == 0, "somebody has removed the segment"


@pytest.mark.timeout(200)
@pytest.mark.parametrize("network", ["host", "none"])
def test_a_hostile_program_reaches_nothing(
    attack: Path, busybox_rootfs: Path, tmp_path: Path, targets: list[str], segment: int, network: str
) -> None:
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    secret.chmod(0o755)
    assert secret.stat().st_size == 41, "as attack.c has it"
    (tmp_path / "precious").touch()
    shutil.copy(attack, busybox_rootfs / "attack")
    isolator = seccomp.Seccomp()
    box = Runner(isolator, Sandbox(busybox_rootfs, tmp_path / "owners", network=network))
    try:
        begun = box.begin("sh", "-c", "sleep 600")
        supervisor = begun.running._facts["keeper"]  # type: ignore[attr-defined]
        limits = Path(f"/proc/{supervisor}/limits").read_text()
        hostile = box.begin("/attack", str(secret), str(supervisor), *targets, str(segment), in_=begun.running)
        output = hostile.output()
        print(output)
        assert output.endswith("done\n")
        lines = output.splitlines()
        assert [line for line in lines if line.startswith("ESCAPED")] == []
        assert sum(line.startswith("held ") for line in lines) > 130
        assert secret.read_text() == SECRET
        assert secret.stat().st_mode & 0o777 == 0o755
        assert (tmp_path / "precious").exists()
        assert Path(f"/proc/{supervisor}/limits").read_text() == limits
        assert box.sh("echo still here", in_=begun.running) == "still here\n"
    finally:
        isolator.close()


def test_containers_do_not_reach_each_other(busybox_rootfs: Path, tmp_path: Path) -> None:
    """Two containers of one engine are two machines to each other."""
    isolator = seccomp.Seccomp()
    try:
        boxes = []
        for name in ("one", "two"):
            root = tmp_path / name
            shutil.copytree(busybox_rootfs, root, symlinks=True)
            boxes.append(
                Runner(isolator, Sandbox(root, tmp_path / f"{name}.owners", address=f"127.66.7.{len(boxes) + 1}"))
            )
        first = boxes[0].begin("sh", "-c", "echo hidden > /hidden; sleep 600")
        second = boxes[1].begin("sleep", "600")
        pid = first.running.pid
        script = f"kill -9 {pid}; cat /proc/{pid}/root/hidden /proc/{pid}/cmdline; ls /proc | grep -c '^{pid}$'"
        _, output = boxes[1].run("sh", "-c", script, in_=second.running)
        assert "hidden\n" not in output
        assert "No such process" in output
        assert output.endswith("0\n")
        assert first.running.processes()
    finally:
        isolator.close()


def test_a_process_that_floods_the_supervisor_can_be_ended(busybox_rootfs: Path, tmp_path: Path) -> None:
    isolator = seccomp.Seccomp()
    try:
        box: Any = Runner(isolator, Sandbox(busybox_rootfs, tmp_path / "owners", pids=50))
        begun = box.begin("sh", "-c", "f() { f | f & }; f; while :; do [ -e /nothing ]; done", process=Process(()))
        finished = threading.Event()
        killer = threading.Thread(target=lambda: (begun.running.kill(), finished.set()))
        killer.start()
        assert finished.wait(30)
        assert begun.running.processes() == []
    finally:
        isolator.close()
