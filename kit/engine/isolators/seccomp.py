"""The isolator ``seccomp``: a supervisor process per container, and no privilege at all.

Owners, devices and capabilities are recorded beside the root file system (``Sandbox.owners``), and shown to the
container's programs as if they were real. How it works is told in ``supervisor``.
"""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from weakref import WeakSet, finalize

from kit.engine.isolators.contract import Probe, Process, Sandbox, StartFailed, Stdio
from kit.engine.isolators.supervisor import keeper, messages
from kit.engine.isolators.supervisor.addresses import Network

_ENDED_WITHOUT_WORD = 128 + signal.SIGKILL
_PATIENCE = 10.0
"""Seconds for a supervisor to end its container, before it is killed itself."""


class Seccomp:
    """Runs containers under supervisors. Implements ``contract.Isolator``."""

    name = "seccomp"
    real_owners = False

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._nursery: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._running: WeakSet[SeccompRunning] = WeakSet()

    def start(self, sandbox: Sandbox, process: Process, stdio: Stdio) -> "SeccompRunning":
        control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._hand_over(theirs)
        body = {"process": messages.from_process(process), "sandbox": messages.from_sandbox(sandbox)}
        running = _start(_Container(control, sandbox), body, stdio)
        self._running.add(running)
        return running

    def close(self) -> None:
        for running in list(self._running):
            running.kill()
        with self._lock:
            if self._nursery:
                self._nursery.close()
            if self._process:
                self._process.wait()
            self._nursery = self._process = None

    def _hand_over(self, control: socket.socket) -> None:
        with self._lock:
            for _ in range(2):  # A nursery that somebody has killed is replaced, once.
                if self._nursery is None:
                    self._nursery, self._process = _start_nursery()
                try:
                    socket.send_fds(self._nursery, [b"+"], [control.fileno()])
                    return
                except BrokenPipeError:
                    self._nursery.close()
                    self._nursery = None
        raise StartFailed("the helper process that makes containers does not start", code=128)


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


class SeccompRunning:
    """A process that runs in a container. Implements ``contract.Running``."""

    def __init__(
        self, container: _Container, status: socket.socket, pidfd: int, facts: Mapping[str, Any], *, first: bool
    ) -> None:
        self._container, self._status, self._pidfd, self._facts = container, status, pidfd, facts
        self._is_first = first
        finalize(self, os.close, pidfd)

    @property
    def pid(self) -> int:
        return int(self._facts["pid"])

    def wait(self, timeout: float | None = None) -> int:
        if not self._has_ended(None if timeout is None else max(0.0, timeout * 1000)):
            raise TimeoutError(f"process {self.pid} still runs after {timeout} seconds")
        # A look that takes nothing away: any number of threads may wait, and again.
        last_word = self._status.recv(256, socket.MSG_PEEK)
        return int(json.loads(last_word)["exit"]) if last_word else _ENDED_WITHOUT_WORD

    def signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, number)

    def kill(self) -> None:
        if not self._is_first:
            self.signal(signal.SIGKILL)
            self.wait()
            return
        with suppress(OSError):
            messages.send(self._container.control, {"kill": True}, None).close()
        if not self._has_ended(_PATIENCE * 1000):
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
        return _start(self._container, {"process": messages.from_process(process)}, stdio)

    def port(self, number: int) -> tuple[str, int]:
        sandbox = self._container.sandbox
        return sandbox.address, Network.of(sandbox, frozenset()).port_outside(number)

    def _has_ended(self, milliseconds: float | None) -> bool:
        poll = select.poll()
        poll.register(self._status, select.POLLIN)
        return bool(poll.poll(milliseconds))


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


def _start(container: _Container, body: Mapping[str, Any], stdio: Stdio) -> SeccompRunning:
    try:
        status = messages.send(container.control, body, stdio)
    except OSError as error:
        raise StartFailed("the container is not running", code=128) from error
    answer, descriptors, _, _ = socket.recv_fds(status, 1 << 16, 1)
    if not descriptors:
        failure = json.loads(answer or '{"failed": "the container has ended", "code": 128}')
        raise StartFailed(failure["failed"], code=failure["code"])
    return SeccompRunning(container, status, descriptors[0], json.loads(answer), first="sandbox" in body)


def _start_nursery() -> tuple[socket.socket, subprocess.Popen[bytes]]:
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with there:
        process = subprocess.Popen(
            [sys.executable, "-m", keeper.__name__, str(there.fileno())],
            env=_environment(),
            cwd="/",
            stdin=subprocess.DEVNULL,
            pass_fds=[there.fileno()],
            start_new_session=True,
        )
    return here, process


def _environment() -> dict[str, str]:
    temporary = {name: value for name, value in os.environ.items() if name in ("TMPDIR", "TEMP", "TMP")}
    return {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "PATH": os.defpath} | temporary
