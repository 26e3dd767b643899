"""Starting a process in the container: checked here, forked behind the wall, stopped before its first own step.

A thread of the supervisor has shut itself into the container's Landlock domain; it forks every process of the
container, so that all are in the same domain and can signal each other.

Source: landlock(7); runc 1.1, standard_init_linux.go, for what is refused in which words.
"""

import json
import os
import queue
import socket
import stat
import threading
from collections.abc import Callable
from typing import NamedTuple

from kit.engine.isolators.contract import Process, StartFailed, Stdio
from kit.engine.isolators.namespaces import inside, linux
from kit.engine.isolators.supervisor import ids, kernel, ownership, walls
from kit.engine.isolators.supervisor.container import Container
from kit.engine.isolators.supervisor.ids import Identity
from kit.engine.isolators.supervisor.memory import Memory
from kit.engine.isolators.supervisor.paths import join
from kit.engine.isolators.supervisor.tasks import Process as TaskProcess
from kit.engine.isolators.supervisor.tasks import Task


class Ready(NamedTuple):
    """What is known of a process before it is forked."""

    path: str
    directory: int
    """A descriptor of its working directory."""
    identity: Identity


class Spawner:
    """Forks from a thread that stands behind the wall."""

    def __init__(self, readable: list[bytes]) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[int | BaseException] = queue.SimpleQueue()
        threading.Thread(target=self._run, args=(readable,), daemon=True).start()
        self._result()

    def _run(self, readable: list[bytes]) -> None:
        try:
            walls.enter(readable)
            self._done.put(0)
        except BaseException as problem:
            self._done.put(problem)
            return
        while True:
            child = self._jobs.get()
            pid = os.fork()
            if pid == 0:
                child()
                os._exit(1)
            self._done.put(pid)

    def _result(self) -> int:
        result = self._done.get()
        if isinstance(result, BaseException):
            raise result
        return result

    def fork(self, child: Callable[[], None]) -> int:
        """``child`` runs in a new process, and never returns."""
        self._jobs.put(child)
        return self._result()


def prepare(box: Container, process: Process, *, first: bool) -> Ready:
    """Finds program and working directory.

    Raises:
        StartFailed: with runc's words.
    """
    identity = ids.starting(process.uid, process.gid, process.groups, privileges=process.privileges)
    root = Task(0, TaskProcess(0, Memory(0)), ids.starting(0, 0, (), privileges=True))
    me = Task(0, TaskProcess(0, Memory(0)), identity)
    cwd = os.fsencode(process.cwd)
    if first:
        _make_directory(box, root, cwd)
    directory = _enter(box, root, me, cwd)
    environment = dict(entry.partition("=")[::2] for entry in process.env)
    try:
        path = _find(box, me, process.argv[0], environment.get("PATH", ""), cwd)
    except StartFailed:
        os.close(directory)
        raise
    return Ready(path, directory, identity)


def _make_directory(box: Container, root: Task, path: bytes) -> None:
    """Docker makes the working directory where it is missing."""
    way = b""
    for part in (part for part in path.split(b"/") if part):
        way += b"/" + part
        try:
            with box.find(root, way) as found:
                if not stat.S_ISDIR(found.status().mode):
                    text = f"Cannot mkdir: {os.fsdecode(path)} is not a directory"
                    raise StartFailed(text, code=128)
        except FileNotFoundError:
            try:
                parent = box.paths.parent(root, box.paths.resolve(root, way))
                with parent.directory:
                    parent.directory.must_be_writable()
                    os.mkdir(parent.at(), 0o755)
            except OSError as error:
                raise inside.refusal(f"mkdir {os.fsdecode(path)}: {inside.words(error)}") from error
        except OSError as error:
            raise inside.refusal(f"mkdir {os.fsdecode(path)}: {inside.words(error)}") from error


def _enter(box: Container, root: Task, me: Task, path: bytes) -> int:
    """Tries as root first, as runc does."""
    problem = OSError()
    for task in (root, me):
        try:
            with box.find(task, path) as found:
                status = found.status()
                if not stat.S_ISDIR(status.mode):
                    raise NotADirectoryError(20, "")
                ownership.check(box.face(found, status), task.identity, ownership.EXECUTE)
                return os.open(b"/proc/self/fd/%d" % found.descriptor, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            problem = error
    text = f'chdir to cwd ("{os.fsdecode(path)}") set in config.json failed: {inside.words(problem)}'
    raise inside.refusal(text) from problem


def _find(box: Container, me: Task, name: str, search: str, cwd: bytes) -> str:
    """The path to execute for ``name``: as ``namespaces.inside.find``, in the container."""

    def problem(path: str) -> str:
        try:
            with box.find(me, join(cwd, os.fsencode(path)) if path[:1] != "/" else os.fsencode(path)) as found:
                mode = box.face(found, found.status()).mode
        except OSError as error:
            return f"stat {path}: {inside.words(error)}"
        return "" if mode & 0o111 and not stat.S_ISDIR(mode) else "permission denied"

    return inside.find(name, search, problem)


def fork(
    box: Container, spawner: Spawner, process: Process, ready: Ready, stdio: Stdio, program: bytes
) -> tuple[int, socket.socket]:
    """Forks; the child waits on the socket for a byte, then sends its filter's listener, or why it could not."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = spawner.fork(lambda: _child(box, process, ready, stdio, program, theirs))
    theirs.close()
    ours.recv(1)
    return pid, ours


def _child(box: Container, process: Process, ready: Ready, stdio: Stdio, program: bytes, line: socket.socket) -> None:
    """The steps of the new process, up to its program."""
    try:
        kernel.prctl(kernel.PR_SET_DUMPABLE, 1)
        line.send(b"+")  # Now it can be traced, which the supervisor does before it lets us go on.
        line.recv(1)
        _set_up(box, process, ready, stdio)
        flags = linux.FILTER_NEW_LISTENER
        try:
            listener = linux.install_filter(program, flags | linux.FILTER_WAIT_KILLABLE)
        except OSError:  # Before Linux 5.19.
            listener = linux.install_filter(program, flags)
        socket.send_fds(line, [b"+"], [listener])
        os.close(listener)
    except BaseException as error:
        failure = error if isinstance(error, StartFailed) else inside.refusal(f"{error.__class__.__name__}: {error}")
        line.send(json.dumps({"failed": str(failure), "code": failure.code}).encode())
        os._exit(1)
    environment = dict(entry.partition("=")[::2] for entry in process.env)
    try:
        os.execve(ready.path, list(process.argv), environment)
    except OSError as error:
        os.write(2, os.fsencode(f"exec {ready.path}: {inside.words(error)}\n"))
    os._exit(1)


def _set_up(box: Container, process: Process, ready: Ready, stdio: Stdio) -> None:
    spare = os.dup(ready.directory)
    inside.take_over(stdio, terminal=process.tty)
    inside.forget_signals()
    os.fchdir(spare)
    os.close(spare)
    os.umask(0)
    inside.bound(box.sandbox.ulimits)
    walls.give_up_capabilities()
    linux.close_on_exec_from(3)
