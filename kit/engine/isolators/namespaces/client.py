"""The engine's side of containers in namespaces: asks keepers for processes, and follows these.

``root`` and ``userns`` are this with one difference, which the keeper is told: whose namespaces they are.
"""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakSet

from kit.engine.isolators import messages, nursery
from kit.engine.isolators.contract import Probe, Process, Sandbox, Stdio
from kit.engine.isolators.namespaces import cgroups, keeper
from kit.engine.isolators.nursery import Followed, Nursery


class Containers:
    """Runs containers in namespaces of their own. Implements ``contract.Isolator``."""

    name: str
    real_owners: bool
    shift = 0
    """What the machine's number of a port below 1024 is above the container's."""

    def __init__(self) -> None:
        self._nursery = Nursery(keeper.__name__, self.name, environment=nursery.environment())
        self._running: WeakSet[Contained] = WeakSet()

    def start(self, sandbox: Sandbox, process: Process, stdio: Stdio) -> "Contained":
        container = _Container(self._nursery.keeper(), sandbox.address, self.shift)
        body = {"process": messages.from_process(process), "sandbox": messages.from_sandbox(sandbox)}
        running = Contained(container, body, stdio)
        self._running.add(running)
        return running

    def close(self) -> None:
        for running in list(self._running):
            running.kill()
        self._nursery.close()


@dataclass(frozen=True)
class _Container:
    """What the processes of a container have in common."""

    control: socket.socket
    address: str
    shift: int


class Contained(Followed):
    """A process that runs in a container. Implements ``contract.Running``."""

    def __init__(self, container: _Container, body: Mapping[str, Any], stdio: Stdio) -> None:
        super().__init__(*nursery.start(container.control, body, stdio), first="sandbox" in body)
        self._container = container
        self._group = cgroups.Group({name: Path(path) for name, path in self._facts["groups"].items()})

    def kill(self) -> None:
        if self._is_first:
            self.resume()
        self.signal(signal.SIGKILL)
        self.wait()

    def pause(self) -> None:
        if self._is_first and self._group.can_freeze:
            with suppress(OSError):  # ENOENT, ENODEV: it has just ended, and its group with it
                self._group.freeze(True)
            return
        stopped: set[int] = set()
        while new := set(self.processes()) - stopped:  # Whoever forks while we look is found on the next round.
            _signal_all(new, signal.SIGSTOP)
            stopped |= new

    def resume(self) -> None:
        with suppress(OSError):
            if self._is_first and self._group.can_freeze:
                self._group.freeze(False)
                return
        _signal_all(self.processes(), signal.SIGCONT)

    def processes(self) -> Sequence[int]:
        if not self._is_first:
            return [] if self._has_ended(0) else [self.pid]
        found = [int(name) for name in os.listdir("/proc") if name.isdigit() and self._holds(name)]
        return sorted(found, key=lambda pid: (pid != self.pid, pid))

    def exec(self, process: Process, stdio: Stdio) -> "Contained":
        return Contained(self._container, {"process": messages.from_process(process)}, stdio)

    def port(self, number: int) -> tuple[str, int]:
        return self._container.address, number + self._container.shift * (number < 1024)

    def _holds(self, pid: str) -> bool:
        try:
            return os.stat(f"/proc/{pid}/ns/pid").st_ino == int(self._facts["namespace"])
        except OSError:
            return False


def probe(name: str) -> Probe:
    """Whether this process may make what the isolator ``name`` needs, found by doing it in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "kit.engine.isolators.namespaces.probe", name],
        env=nursery.environment(),
        capture_output=True,
        text=True,
        timeout=30,
    )
    return Probe(name, not done.returncode, done.stdout.strip())


def _signal_all(pids: Sequence[int] | set[int], number: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
