"""The last steps of a container's process before its own program begins.

Only here does a process give up what it was started with: capabilities, ids, descriptors. What goes wrong on
the way is told in the words that runc has for it, since they are what learners will meet elsewhere.

Source: runc 1.1, standard_init_linux.go, init_linux.go (finalizeNamespace); Go, os/exec LookPath.
"""

import fcntl
import os
import resource
import signal
import stat
import termios
from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn

from kit.engine.isolators.contract import Process, StartFailed, Stdio
from kit.engine.isolators.namespaces import linux

# chown, dac_override, fowner, fsetid, kill, setgid, setuid, setpcap, net_bind_service, net_raw, sys_chroot,
# mknod, audit_write, setfcap: what Docker leaves to a container's root. Source: moby, oci/caps/defaults.go.
CAPABILITIES = frozenset({0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31})

_CODES = {"no such file or directory": 127, "not a directory": 127, "permission denied": 126}


def refusal(text: str) -> StartFailed:
    """The error with the exit code that Docker reads from its text."""
    if "executable file not found" in text:
        return StartFailed(text, code=127)
    return StartFailed(text, code=next((code for words, code in _CODES.items() if words in text), 128))


def words(error: OSError) -> str:
    """The kernel's error as Go spells it."""
    return os.strerror(error.errno or 0).lower()


def take_over(stdio: Stdio, *, terminal: bool) -> None:
    """A session of our own with these descriptors as 0, 1, 2 and, with a terminal, as its controlling one."""
    os.setsid()
    spare = [fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3) for descriptor in stdio]
    for number, descriptor in enumerate(spare):
        os.dup2(descriptor, number)
    if terminal:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def bound(limits: Mapping[str, Sequence[int]]) -> None:
    """Sets resource limits by Docker's names (``nofile``), soft and hard; -1 is no limit."""
    for name, (soft, hard) in limits.items():
        number = getattr(resource, f"RLIMIT_{name.upper()}", None)
        if number is None:
            raise StartFailed(f"invalid rlimit type: {name!r}", code=128)
        try:
            resource.setrlimit(number, (soft, hard))
        except (ValueError, OSError) as error:
            raise StartFailed(f"error setting rlimit type {number}: operation not permitted", code=128) from error


def become(process: Process, install_filter: Callable[[], None], *, alone: bool = False) -> None:
    """Gives up every right that the process shall not have. ``install_filter`` runs while it still may.

    ``alone``: the kernel knows no user but root here; who the process is, its supervisor knows.
    """
    forget_signals()
    os.umask(0o022)
    linux.new_session_keyring()
    keep = CAPABILITIES if process.privileges else frozenset[int]()
    _drop_capabilities(keep)
    reached = _reached(process.cwd)
    install_filter()
    if not alone:
        os.setgroups(list(process.groups))
        os.setresgid(process.gid, process.gid, process.gid)
        os.setresuid(process.uid, process.uid, process.uid)
    linux.set_capabilities(sum(1 << number for number in keep) if alone or process.uid == 0 else 0)
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    if not reached:
        _change_directory(process.cwd)


def run(process: Process) -> NoReturn:
    """Becomes the program. Docker counts a file that can't be executed as a program that ran and ended with 1."""
    environment = dict(entry.partition("=")[::2] for entry in process.env)
    path = program(process)
    linux.close_on_exec_from(3)
    try:
        os.execve(path, list(process.argv), environment)
    except OSError as error:
        os.write(2, os.fsencode(f"exec {path}: {words(error)}\n"))
        os._exit(1)


def problem_of(path: str) -> str:
    """Why ``path`` can't be executed; "" if it can."""
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        return f"stat {path}: {words(error)}"
    return "" if mode & 0o111 and not stat.S_ISDIR(mode) else "permission denied"


def program(process: Process) -> str:
    """The path to execute.

    Raises:
        StartFailed: there is none.
    """
    path = find(process.argv[0], dict(entry.partition("=")[::2] for entry in process.env).get("PATH", ""))
    return path


def find(name: str, search: str, problem_of: Callable[[str], str] = problem_of) -> str:
    """The path to execute for ``name``.

    Raises:
        StartFailed: there is none.
    """
    quoted = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if "/" in name:
        if problem := problem_of(name):
            raise refusal(f"exec: {quoted}: {problem}")
        return name
    for directory in search.split(":") if search else ():
        path = os.path.join(directory or ".", name)
        if name and not problem_of(path):
            if not path.startswith("/"):
                raise refusal(f"exec: {quoted}: cannot run executable found relative to current directory")
            return path
    raise refusal(f"exec: {quoted}: executable file not found in $PATH")


def forget_signals() -> None:
    """Every signal does what it does by default, and none is blocked."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        if number < signal.SIGRTMIN and signal.getsignal(number) is not None:
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _drop_capabilities(keep: frozenset[int]) -> None:
    for number in range(64):
        if number not in keep:
            try:
                linux.prctl(linux.PR_CAPBSET_DROP, number)
            except OSError:  # Above the last one that this kernel knows.
                return


def _reached(directory: str) -> bool:
    """Tries as root first, as runc does: root may enter where the process's user may not, or the other way round."""
    try:
        os.chdir(directory)
    except OSError:
        return False
    return True


def _change_directory(directory: str) -> None:
    try:
        os.chdir(directory)
    except OSError as error:
        raise refusal(f'chdir to cwd ("{directory}") set in config.json failed: {words(error)}') from error
