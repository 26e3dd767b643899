"""Tries whether this machine lets a supervisor work: prints what refuses and what to do, as JSON.

Everything is done for real, in a process of its own: a filter with a listener, a call that is answered, a
descriptor that is handed over, a child that is traced.

Source: seccomp_unotify(2), ptrace(2); Linux, Documentation/admin-guide/LSM/Yama.rst.
"""

import errno
import json
import os
import platform
import select
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from kit.engine.isolators.namespaces import linux
from kit.engine.isolators.supervisor import calls, filter, kernel
from kit.engine.isolators.supervisor.memory import Memory
from kit.engine.isolators.supervisor.proc import as_file

_YAMA = Path("/proc/sys/kernel/yama/ptrace_scope")
_SECONDS = 10
_MOST_CALLS = 100
_PATH = "/layerlab/probe"


def obstacle(facts: dict[str, Any]) -> str:
    """What stands in the way, or "" if nothing does. ``facts`` is told what was found."""
    if platform.machine() not in calls.AUDIT:
        return f"no table of system calls for {platform.machine()}: x86_64 and aarch64 have one"
    with_scope = _YAMA.read_text().strip() if _YAMA.exists() else "0"
    if with_scope in ("2", "3"):
        return (
            f"ptrace is refused by Yama (kernel.yama.ptrace_scope is {with_scope}): an administrator may set it to 1"
        )
    facts["landlock"] = kernel.landlock_version()
    steps: dict[str, Callable[[dict[str, Any]], str]] = {"openat2": _open, "seccomp": _supervise}
    for name, step in steps.items():
        try:
            problem = step(facts)
        except OSError as error:
            problem = _advice(name, error)
        if problem:
            return problem
    return ""


def _advice(name: str, error: OSError) -> str:
    """Which call refused, and what to do."""
    text = f"{name}: {os.strerror(error.errno or 0)}"
    if error.errno == errno.ENOSYS:
        return f"{text}: needs Linux 5.14 (this is {platform.release()})"
    if name == "seccomp" and error.errno == errno.EINVAL:
        return f"{text}: no listener for filters (gVisor has none, Linux has since 5.0)"
    if error.errno in (errno.EPERM, errno.EACCES):
        return f"{text}: a filter outside of this process refuses it, as old container profiles do"
    return text


def _open(facts: dict[str, Any]) -> str:
    root = os.open("/", os.O_PATH | os.O_CLOEXEC)
    os.close(kernel.open_at(root, b"proc", os.O_PATH, kernel.IN_ROOT))
    os.close(root)
    return ""


def _supervise(facts: dict[str, Any]) -> str:
    """A child under the filter opens a path that is nowhere, and must get a descriptor that we chose."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    child = os.fork()
    if child == 0:
        _be_supervised(theirs)
    theirs.close()
    try:
        try:
            kernel.ptrace(kernel.PTRACE_SEIZE, child)
        except OSError as error:
            return _advice("ptrace", error)
        ours.send(b"+")
        data, descriptors, _, _ = socket.recv_fds(ours, 1024, 1)
        if not descriptors:
            return _advice("seccomp", OSError(int(data or 0), ""))
        return _answer(facts, child, descriptors[0], ours)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _be_supervised(line: socket.socket) -> NoReturn:
    try:
        line.recv(1)
        linux.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
        program = filter.program(network=True, count_forks=False, signals_are_scoped=True)
        try:
            socket.send_fds(line, [b"+"], [linux.install_filter(program, linux.FILTER_NEW_LISTENER)])
        except OSError as error:
            line.send(str(error.errno).encode())
            os._exit(1)
        line.send(os.read(os.open(_PATH, os.O_RDONLY), 100))
    finally:
        os._exit(0)


def _answer(facts: dict[str, Any], child: int, listener: int, line: socket.socket) -> str:
    facts["wakes_synchronously"] = kernel.wake_up_synchronously(listener)
    secret = b"supervised"
    for _ in range(_MOST_CALLS):
        if not _readable(listener):
            return "seccomp: calls are not sent to the filter's listener"
        identity, task, _, number, _, _, *arguments = kernel.receive(listener)
        memory = Memory(task)
        try:
            wanted = number == calls.table().answered["openat"] and memory.text(arguments[1]) == _PATH.encode()
        except OSError as error:
            return _advice("open of /proc/PID/mem", error)
        if not wanted:
            kernel.answer(listener, identity, 0, errno.ENOENT)
            continue
        try:
            kernel.answer_with_descriptor(listener, identity, as_file(secret), close_on_exec=True)
        except OSError as error:
            return _advice("SECCOMP_IOCTL_NOTIF_ADDFD", error)
        return "" if _readable(line) and line.recv(100) == secret else "seccomp: a descriptor did not arrive"
    return "seccomp: the test process did not open its file"


def _readable(descriptor: Any) -> bool:
    return bool(select.select([descriptor], [], [], _SECONDS)[0])


def main() -> None:
    """Prints ``{"why": "", …facts}``."""
    facts: dict[str, Any] = {}
    why = obstacle(facts)
    print(json.dumps({"why": why, **facts}))


if __name__ == "__main__":
    main()
