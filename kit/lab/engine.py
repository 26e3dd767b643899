"""The embedded engine as a process: started when it is needed, found again by everyone, ended on request.

The engine is who answers on the socket. The kernel tells its process id (and whose it is), so a file that was left
behind by a dead engine can never point us at a stranger.

Source: unix(7), SO_PEERCRED.
"""

import contextlib
import fcntl
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kit
from kit.errors import Denied, Unavailable
from kit.lab.home import Home, private

PATIENCE = 30.0
"""Seconds for a start or a stop on a busy pod; on a laptop a start takes less than half of one."""
_LARGEST_LOG = 5_000_000
_PING = b"GET /_ping HTTP/1.0\r\nHost: engine\r\n\r\n"


class EngineFailed(Unavailable):
    """The embedded engine does not start. The text ends with the end of its log."""


@dataclass(frozen=True)
class EngineStatus:
    """The embedded engine as it is now; ``pid`` 0 means that it is not running."""

    pid: int
    socket: Path
    log: Path
    isolator: str = ""
    version: str = ""
    api_version: str = ""

    @property
    def running(self) -> bool:
        return self.pid > 0

    @property
    def docker_host(self) -> str:
        return f"unix://{self.socket}"

    def to_json(self) -> dict[str, Any]:
        return {
            "running": self.running,
            "pid": self.pid,
            "socket": str(self.socket),
            "docker_host": self.docker_host,
            "isolator": self.isolator,
            "version": self.version,
            "api_version": self.api_version,
            "log": str(self.log),
        }


def engine_status(home: Home) -> EngineStatus:
    """Whether it runs, and what it says of itself."""
    pid = _listener(home.socket)
    if not pid or not ping(home.socket):
        return EngineStatus(0, home.socket, home.engine_log)
    version = _ask(home.socket, "/version")
    return EngineStatus(
        pid,
        home.socket,
        home.engine_log,
        isolator=_isolator(home),
        version=str(version.get("Version", "")),
        api_version=str(version.get("ApiVersion", "")),
    )


def start_engine(home: Home, isolator: str = "", *, patience: float = PATIENCE) -> EngineStatus:
    """The running engine, started if need be. ``isolator`` "" leaves the choice to the engine.

    Raises:
        EngineFailed: it ended, or said nothing for ``patience`` seconds.
        Denied: the home or the socket belongs to someone else.
    """
    private(home.root)
    private(home.runtime)
    with _alone(home.root / "engine.lock"):
        if not ping(home.socket):
            _spawn(home, isolator or os.environ.get("LAYERLAB_ISOLATOR", ""), patience)
    return engine_status(home)


def stop_engine(home: Home, *, patience: float = PATIENCE) -> bool:
    """Ends it and waits for its end; False when none was running.

    Its containers end with it; images, stopped containers and the build cache stay.
    """
    pid = _listener(home.socket)
    if not pid:
        return False
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    with os.fdopen(process) as handle:
        for sign in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle.fileno(), sign)
            if select.select([handle], [], [], patience)[0]:
                return True
    raise EngineFailed(f"the engine (process {pid}) does not end")


def _spawn(home: Home, isolator: str, patience: float) -> None:
    log = home.engine_log
    if log.exists() and log.stat().st_size > _LARGEST_LOG:
        log.replace(log.with_suffix(".log.1"))
    begin = log.stat().st_size if log.exists() else 0
    command = [sys.executable, "-m", "kit.engine.api", "--home", str(home.engine), "--socket", str(home.socket)]
    pid = _orphan([*command, *(["--isolator", isolator] if isolator else [])], log)
    end = time.monotonic() + patience
    while not ping(home.socket):
        alive = Path(f"/proc/{pid}").exists()
        if not alive or time.monotonic() > end:
            what = f"said nothing for {patience:g} seconds" if alive else "ended as soon as it was started"
            raise EngineFailed(f"the embedded engine {what}. {_last_words(log, begin)}")
        time.sleep(0.01)


def _orphan(command: list[str], log: Path) -> int:
    """Starts a process that outlives us and is nobody's child; returns its id."""
    project = Path(kit.__file__).parents[1]
    path = os.pathsep.join(filter(None, [str(project), os.environ.get("PYTHONPATH", "")]))
    script = 'umask 077; "$@" >>"$0" 2>&1 </dev/null & echo $!'
    started = subprocess.run(
        ["/bin/sh", "-c", script, str(log), *command],
        cwd="/",
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        start_new_session=True,
        check=True,
    )
    return int(started.stdout)


def _last_words(log: Path, begin: int, lines: int = 15) -> str:
    try:
        with log.open("rb") as file:
            file.seek(begin)
            text = file.read().decode(errors="replace")
    except OSError:
        text = ""
    tail = "\n".join(text.splitlines()[-lines:])
    return f"The end of its log, {log}:\n{tail}" if tail else f"Its log, {log}, is empty."


@contextlib.contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """One starter at a time; the lock ends with its holder."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


# ---- the socket


def ping(path: Path, timeout: float = 5.0) -> bool:
    """Whether an engine answers on the socket.

    Raises:
        Denied: there is a socket, but this user may not use it.
    """
    try:
        return _request(path, _PING, timeout).partition(b" ")[2].startswith(b"200")
    except PermissionError as error:
        raise Denied(f"{path} belongs to someone else: {error.strerror}") from error
    except OSError:
        return False


def _request(path: Path, request: bytes, timeout: float) -> bytes:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(timeout)
        connection.connect(str(path))
        connection.sendall(request)
        answer = b""
        while len(answer) < 1_000_000 and (piece := connection.recv(65536)):
            answer += piece
        return answer


def _ask(path: Path, what: str) -> Mapping[str, Any]:
    """A JSON document of the engine; {} when it does not tell."""
    try:
        answer = _request(path, f"GET {what} HTTP/1.0\r\nHost: engine\r\n\r\n".encode(), 5.0)
        document = json.loads(answer.partition(b"\r\n\r\n")[2])
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def _listener(path: Path) -> int:
    """The process that listens on the socket; 0 when nobody does, or it is not ours."""
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.settimeout(5.0)
            connection.connect(str(path))
        except OSError:
            return 0
        pid, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        return int(pid) if uid == os.geteuid() else 0


def _isolator(home: Home) -> str:
    """Which isolator runs the containers: the engine's state file tells."""
    try:
        state = json.loads((home.engine / "engine.json").read_text())
        return str(state.get("isolator", ""))
    except (OSError, ValueError, AttributeError):
        return ""
