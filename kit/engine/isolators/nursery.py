"""The engine's side of helpers: the process from which keepers are forked, and the processes that keepers start.

A *nursery* has everything imported and no thread, so that a container costs one fork. It starts when it is first
needed, and ends with the engine, whose end closes its socket.
"""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from weakref import finalize

from kit.engine.isolators import messages
from kit.engine.isolators.contract import StartFailed, Stdio

_ENDED_WITHOUT_WORD = 128 + signal.SIGKILL


class Nursery:
    """Runs ``python -m MODULE ARGUMENTS… SOCKET``, once and again if it was killed."""

    def __init__(self, module: str, *arguments: str, environment: Mapping[str, str]) -> None:
        self._command = [sys.executable, "-m", module, *arguments]
        self._environment = environment
        self._lock = threading.Lock()
        self._requests: socket.socket | None = None
        self.process: subprocess.Popen[bytes] | None = None

    def keeper(self) -> socket.socket:
        """The control socket of a new keeper.

        Raises:
            StartFailed: the helper does not start.
        """
        control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, self._lock:
            for _ in range(2):  # A nursery that somebody has killed is replaced, once.
                if self._requests is None:
                    self._requests = self._start()
                try:
                    socket.send_fds(self._requests, [b"+"], [theirs.fileno()])
                    return control
                except BrokenPipeError:
                    self._requests.close()
                    self._requests = None
        control.close()
        raise StartFailed("the helper process that makes containers does not start", code=128)

    def close(self) -> None:
        """Ends it, and waits for its end."""
        with self._lock:
            if self._requests:
                self._requests.close()
            if self.process:
                self.process.wait()
            self._requests = self.process = None

    def _start(self) -> socket.socket:
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with there:
            self.process = subprocess.Popen(
                [*self._command, str(there.fileno())],
                env=dict(self._environment),
                cwd="/",
                stdin=subprocess.DEVNULL,
                pass_fds=[there.fileno()],
                start_new_session=True,
            )
        return here


class Followed:
    """A process that a keeper has started: the part of ``contract.Running`` that needs no more than its pidfd."""

    def __init__(self, status: socket.socket, pidfd: int, facts: Mapping[str, Any], *, first: bool) -> None:
        self._status, self._pidfd, self._facts, self._is_first = status, pidfd, facts, first
        finalize(self, os.close, pidfd)

    @property
    def pid(self) -> int:
        return int(self._facts["pid"])

    def wait(self, timeout: float | None = None) -> int:
        if not self._has_ended(timeout):
            raise TimeoutError(f"process {self.pid} still runs after {timeout} seconds")
        # A look that takes nothing away: any number of threads may wait, and again.
        last_word = self._status.recv(256, socket.MSG_PEEK)
        return int(json.loads(last_word)["exit"]) if last_word else _ENDED_WITHOUT_WORD

    def signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, number)

    def _has_ended(self, timeout: float | None) -> bool:
        """Whether it has, ``timeout`` seconds from now at the latest (None: however long it takes)."""
        poll = select.poll()
        poll.register(self._status, select.POLLIN)
        return bool(poll.poll(None if timeout is None else max(0.0, timeout * 1000)))


def start(control: socket.socket, body: Mapping[str, Any], stdio: Stdio) -> tuple[socket.socket, int, dict[str, Any]]:
    """Has a keeper start a process: its status socket, its pidfd, and what the keeper tells of it.

    Raises:
        StartFailed: as the keeper says, or the container has ended.
    """
    try:
        status = messages.send(control, body, stdio)
    except OSError as error:
        raise StartFailed("the container is not running", code=128) from error
    answer, descriptors, _, _ = socket.recv_fds(status, 1 << 16, 1)
    if not descriptors:
        failure = json.loads(answer or '{"failed": "the container has ended", "code": 128}')
        raise StartFailed(failure["failed"], code=failure["code"])
    return status, descriptors[0], json.loads(answer)


def environment() -> dict[str, str]:
    """What a helper needs to find this package, and nothing else of the engine's."""
    return {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "PATH": os.defpath}
