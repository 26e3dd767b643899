"""A rubric's process that is kept warm, for a notebook: the answer to a check comes at once.

Most of a check is Python that imports pytest and the Docker SDK. So a process that has done that waits (``server``),
and forks for each check: every rubric still runs in a fresh process of its own, apart from the learner's kernel.

It fails closed. A server that dies, or takes too long, gives no report; the next check has a new one. It hears when
the kernel is gone, however that came about, and takes everything that it has started with it.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any

from graders.report import NotGraded

_BOOT = "import json,sys; sys.path[:0]=json.loads(sys.argv[1]); from graders.server import main; main()"
_LOCK = threading.Lock()
"""One check at a time: the answers of the server carry no names."""


class ServerGone(Exception):
    """There was nobody to take the task; nothing has been run."""


class Server:
    """The warm process, seen from the kernel: ``run`` gives it one task. One at a time."""

    def __init__(self) -> None:
        self._line, theirs = socket.socketpair()
        path = json.dumps([path for path in sys.path if os.path.isabs(path)])
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-X", "utf8", "-c", _BOOT, path],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={},
                cwd="/",
                start_new_session=True,
            )
        self._answers = self._line.makefile("rb")

    def run(self, task: Mapping[str, Any], environment: Mapping[str, str], timeout: float) -> str:
        """Runs ``task`` as ``graders.worker`` does; what it printed.

        Raises:
            ServerGone: it had ended before. NotGraded: it ended meanwhile, or took more than ``timeout`` seconds.
        """
        said = ""
        try:
            self._send({"task": task, "environment": environment}, timeout)
            answer = self._answers.readline()
            said = json.loads(answer)["said"] if answer else ""
        except TimeoutError as error:
            raise NotGraded(f"not graded: the rubric took more than {timeout:g} seconds") from error
        except OSError as error:
            raise NotGraded(f"not graded: the rubric's process ended ({error})") from error
        finally:
            if not said:
                self.end()
        return str(said)

    def _send(self, message: Mapping[str, Any], timeout: float) -> None:
        self._line.settimeout(timeout)
        try:
            self._line.sendall(json.dumps(message).encode() + b"\n")
        except (BrokenPipeError, ConnectionResetError) as error:
            raise ServerGone from error

    def end(self) -> None:
        """Ends the process and all that it started."""
        self._line.close()
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@lru_cache(maxsize=1)
def server(pid: int) -> Server:
    """The server of this process: a fork of it gets another one."""
    return Server()


def run(task: Mapping[str, Any], environment: Mapping[str, str], timeout: float) -> str:
    """Runs ``task`` in the warm process, which is started if need be."""
    with _LOCK:
        try:
            return _run(task, environment, timeout)
        except ServerGone:
            return _run(task, environment, timeout)


def _run(task: Mapping[str, Any], environment: Mapping[str, str], timeout: float) -> str:
    kept = False
    try:
        said = server(os.getpid()).run(task, environment, timeout)
        kept = True
        return said
    finally:
        if not kept:
            server.cache_clear()
