"""The isolator ``seccomp``: a supervisor process per container, and no privilege at all.

Owners, devices and capabilities are recorded beside the root file system (``Sandbox.owners``), and shown to the
container's programs as if they were real. How it works is told in ``supervisor``.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from weakref import WeakSet

from kit.engine.isolators import messages, nursery
from kit.engine.isolators.contract import Probe, Process, Sandbox, Stdio
from kit.engine.isolators.nursery import Followed, Nursery
from kit.engine.isolators.supervisor import keeper
from kit.engine.isolators.supervisor.addresses import Network

_PATIENCE = 10.0
"""Seconds for a supervisor to end its container, before it is killed itself."""


class Seccomp:
    """Runs containers under supervisors. Implements ``contract.Isolator``."""

    name = "seccomp"
    real_owners = False

    def __init__(self) -> None:
        self._nursery = Nursery(keeper.__name__, environment=_environment())
        self._running: WeakSet[SeccompRunning] = WeakSet()

    def start(self, sandbox: Sandbox, process: Process, stdio: Stdio) -> "SeccompRunning":
        container = _Container(self._nursery.keeper(), sandbox)
        body = {"process": messages.from_process(process), "sandbox": messages.from_sandbox(sandbox)}
        running = SeccompRunning(container, body, stdio)
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
    sandbox: Sandbox

    def ask(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """A question to the supervisor; empty if it has ended."""
        try:
            with messages.send(self.control, body, None) as status:
                return dict(json.loads(status.recv(1 << 20) or b"{}"))
        except OSError:
            return {}


class SeccompRunning(Followed):
    """A process that runs in a container. Implements ``contract.Running``."""

    def __init__(self, container: _Container, body: Mapping[str, Any], stdio: Stdio) -> None:
        super().__init__(*nursery.start(container.control, body, stdio), first="sandbox" in body)
        self._container = container

    def kill(self) -> None:
        if not self._is_first:
            self.signal(signal.SIGKILL)
            self.wait()
            return
        with suppress(OSError):
            messages.send(self._container.control, {"kill": True}, None).close()
        if not self._has_ended(_PATIENCE):
            with suppress(ProcessLookupError):
                os.kill(int(self._facts["keeper"]), signal.SIGKILL)
            self.wait()

    def pause(self) -> None:
        self._container.ask({"pause": True})

    def resume(self) -> None:
        self._container.ask({"pause": False})

    def processes(self) -> Sequence[int]:
        if not self._is_first:
            return [] if self._has_ended(0) else [self.pid]
        return list(self._container.ask({"processes": True}).get("processes", ()))

    def exec(self, process: Process, stdio: Stdio) -> "SeccompRunning":
        return SeccompRunning(self._container, {"process": messages.from_process(process)}, stdio)

    def port(self, number: int) -> tuple[str, int]:
        sandbox = self._container.sandbox
        return sandbox.address, Network.of(sandbox, frozenset()).port_outside(number)


def probe() -> Probe:
    """Whether a supervisor works on this machine, found by running one in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "kit.engine.isolators.supervisor.probe"],
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=30,
    )
    facts = json.loads(done.stdout) if done.stdout else {"why": done.stderr.strip()[-500:] or "the probe died"}
    return Probe("seccomp", not facts["why"], facts.pop("why"), facts)


def _environment() -> dict[str, str]:
    """With the directory for temporary files: supervisors keep some there."""
    temporary = {name: value for name, value in os.environ.items() if name in ("TMPDIR", "TEMP", "TMP")}
    return nursery.environment() | temporary
