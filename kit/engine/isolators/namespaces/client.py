"""The engine's side of containers in namespaces: asks keepers for processes, and follows these.

``root`` and ``userns`` are this with one difference, which the keeper is told: whose namespaces they are.
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
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from weakref import WeakSet, finalize

from kit.engine.isolators.contract import Probe, Process, Sandbox, StartFailed, Stdio
from kit.engine.isolators.namespaces import cgroups, keeper

_ENDED_WITHOUT_WORD = 128 + signal.SIGKILL


class Containers:
    """Runs containers in namespaces of their own. Implements ``contract.Isolator``."""

    name: str
    real_owners: bool
    shift = 0
    """What the machine's number of a port below 1024 is above the container's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._nursery: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._running: WeakSet[Contained] = WeakSet()

    def start(self, sandbox: Sandbox, process: Process, stdio: Stdio) -> "Contained":
        control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._hand_over(theirs)
        request = {"process": asdict(process), "sandbox": _as_json(sandbox)}
        running = _start(_Container(control, sandbox.address, self.shift), request, stdio)
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
                    self._nursery, self._process = _start_nursery(self.name)
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
    address: str
    shift: int


class Contained:
    """A process that runs in a container. Implements ``contract.Running``."""

    def __init__(self, container: _Container, status: socket.socket, pidfd: int, facts: Mapping[str, Any]) -> None:
        self._container, self._status, self._pidfd, self._facts = container, status, pidfd, facts
        groups = {name: Path(path) for name, path in facts["groups"].items()}
        self._group = cgroups.Group(groups)
        self._is_first = facts["first"]
        finalize(self, os.close, pidfd)

    @property
    def pid(self) -> int:
        return int(self._facts["pid"])

    def wait(self, timeout: float | None = None) -> int:
        poll = select.poll()
        poll.register(self._status, select.POLLIN)
        if not poll.poll(None if timeout is None else max(0, timeout * 1000)):
            raise TimeoutError(f"process {self.pid} still runs after {timeout} seconds")
        # A look that takes nothing away: any number of threads may wait, and again.
        last_word = self._status.recv(256, socket.MSG_PEEK)
        return int(json.loads(last_word)["exit"]) if last_word else _ENDED_WITHOUT_WORD

    def signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, number)

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
            return [self.pid] if self._runs() else []
        found = [int(name) for name in os.listdir("/proc") if name.isdigit() and self._holds(name)]
        return sorted(found, key=lambda pid: (pid != self.pid, pid))

    def exec(self, process: Process, stdio: Stdio) -> "Contained":
        return _start(self._container, {"process": asdict(process)}, stdio)

    def port(self, number: int) -> tuple[str, int]:
        return self._container.address, number + self._container.shift * (number < 1024)

    def _holds(self, pid: str) -> bool:
        try:
            return os.stat(f"/proc/{pid}/ns/pid").st_ino == int(self._facts["namespace"])
        except OSError:
            return False

    def _runs(self) -> bool:
        poll = select.poll()
        poll.register(self._status, select.POLLIN)
        return not poll.poll(0)


def probe(name: str) -> Probe:
    """Whether this process may make what the isolator ``name`` needs, found by doing it in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "kit.engine.isolators.namespaces.probe", name],
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=30,
    )
    return Probe(name, not done.returncode, done.stdout.strip())


def _start(container: _Container, request: Mapping[str, Any], stdio: Stdio) -> Contained:
    status, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with open(os.memfd_create("request"), "wb") as body, theirs:
        body.write(json.dumps(request).encode())
        body.flush()
        descriptors = [body.fileno(), *stdio, theirs.fileno()]
        try:
            socket.send_fds(container.control, [b"+"], descriptors)
        except OSError as error:
            raise StartFailed("the container is not running", code=128) from error
    answer, descriptors, _, _ = socket.recv_fds(status, 1 << 16, 1)
    if not descriptors:
        failure = json.loads(answer or '{"failed": "the container has ended", "code": 128}')
        raise StartFailed(failure["failed"], code=failure["code"])
    return Contained(container, status, descriptors[0], json.loads(answer) | {"first": "sandbox" in request})


def _start_nursery(isolator: str) -> tuple[socket.socket, subprocess.Popen[bytes]]:
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with there:
        process = subprocess.Popen(
            [sys.executable, "-m", keeper.__name__, isolator, str(there.fileno())],
            env=_environment(),
            cwd="/",
            stdin=subprocess.DEVNULL,
            pass_fds=[there.fileno()],
            start_new_session=True,
        )
    return here, process


def _environment() -> dict[str, str]:
    return {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "PATH": os.defpath}


def _as_json(sandbox: Sandbox) -> dict[str, Any]:
    values = asdict(sandbox)
    return values | {"rootfs": str(sandbox.rootfs.absolute()), "owners": str(sandbox.owners.absolute())}


def _signal_all(pids: Sequence[int] | set[int], number: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
