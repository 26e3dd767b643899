"""A small root file system, and what runs programs in it."""

import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from kit.engine.isolators.contract import Isolator, Process, Running, Sandbox, Stdio
from kit.lab.parents import root_tar

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Runner:
    """Runs programs with an isolator and reads what they print."""

    def __init__(self, isolator: Isolator, sandbox: Sandbox) -> None:
        self.isolator, self.sandbox = isolator, sandbox

    def begin(
        self, *argv: str, in_: Running | None = None, process: Process | None = None, **sandbox: object
    ) -> "Begun":
        """Starts a program (in a running container: ``in_``)."""
        process = replace(process or Process(()), argv=argv, env=(*(process.env if process else ()), PATH))
        reading, writing = os.pipe()
        nothing = os.open(os.devnull, os.O_RDONLY)
        stdio = Stdio(nothing, writing, writing)
        try:
            if in_ is not None:
                running = in_.exec(process, stdio)
            else:
                running = self.isolator.start(replace(self.sandbox, **sandbox), process, stdio)  # type: ignore[arg-type]
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
            os.close(nothing)
        return Begun(running, reading)

    def run(self, *argv: str, **how: object) -> tuple[int, str]:
        """Exit code and output."""
        begun = self.begin(*argv, **how)  # type: ignore[arg-type]
        output = begun.output()
        return begun.running.wait(30), output

    def sh(self, script: str, **how: object) -> str:
        """The output of a shell script that must succeed."""
        code, output = self.run("sh", "-c", script, **how)
        assert code == 0, output
        return output


class Begun:
    """A program under way."""

    def __init__(self, running: Running, reading: int) -> None:
        self.running, self._reading = running, reading

    def output(self) -> str:
        """All that it prints, once it and its children have closed their output."""
        with open(self._reading, "rb") as pipe:
            return pipe.read().decode()


@pytest.fixture
def busybox_rootfs(cache: Path, tmp_path: Path) -> Path:
    rootfs = tmp_path / "rootfs"
    rootfs.mkdir()
    subprocess.run(["tar", "-xpf", root_tar("busybox:1", cache), "-C", rootfs], check=True)
    return rootfs


@pytest.fixture
def runner(busybox_rootfs: Path, tmp_path: Path) -> Callable[[Isolator], Runner]:
    """``runner(isolator)`` runs programs in a busybox root file system."""
    return lambda isolator: Runner(isolator, Sandbox(busybox_rootfs, tmp_path / "owners"))
