"""The process that makes a container, adds processes to it, and is told when they end.

The engine starts one *nursery*, a small process without threads, so that forking is cheap and safe. For each
container it forks a *keeper*; the keeper makes process 1 and every later one as its own children, in namespaces
where it can't be seen. The end of the engine, however it comes, closes the keeper's control socket; the keeper
then kills process 1, and with it the kernel ends every process of the container.

On a control socket arrives one request per process (``isolators.messages``). On that process's status socket go back
one message when it runs (or why it doesn't) and one when it has ended.

Source: pid_namespaces(7), user_namespaces(7), unix(7) SCM_RIGHTS.
"""

import fcntl
import json
import os
import select
import signal
import socket
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NoReturn

from kit.engine.isolators import messages
from kit.engine.isolators.contract import Process, Sandbox, StartFailed, Stdio
from kit.engine.isolators.namespaces import cgroups, inside, linux, mounts, notify, profile, wall
from kit.engine.isolators.namespaces.network import Network, loopback_resolver
from kit.engine.isolators.namespaces.recorded import asked as recorded
from kit.engine.isolators.namespaces.recorded.recorder import Recorder
from kit.engine.isolators.supervisor.addresses import SHIFT

_MOST_PROCESSES = 4096
_NAMESPACES = linux.CLONE_NEWNS | linux.CLONE_NEWIPC | linux.CLONE_NEWUTS


@dataclass
class _Child:
    """A process that the keeper has started, and where to tell of its end."""

    pid: int
    status: socket.socket


@dataclass
class _Keeper:
    """One container: its first process, those added later, and its bounds."""

    control: socket.socket
    sandbox: Sandbox
    group: cgroups.Group
    listeners: socket.socket | None
    supervisor: int | None
    """Its pidfd. Without it the container can't go on."""
    alone: bool
    """Whether the container has a user namespace, in which there is no user but root."""
    children: dict[int, _Child] = field(default_factory=dict)
    first: int = -1

    def keep(self) -> None:
        """Until process 1 has ended."""
        poll = select.poll()
        poll.register(self.control, select.POLLIN)
        for pidfd in self.children:
            poll.register(pidfd, select.POLLIN)
        if self.supervisor is not None:
            poll.register(self.supervisor, select.POLLIN)
        while self.first in self.children:
            for descriptor, _ in poll.poll():
                if descriptor == self.supervisor:
                    poll.unregister(descriptor)
                    self._end()
                elif descriptor in self.children:
                    poll.unregister(descriptor)
                    _bury(self.children.pop(descriptor), descriptor)
                elif (added := self._listen()) is not None:
                    poll.register(added, select.POLLIN)
                elif not self.control_open:
                    poll.unregister(self.control)
                    self._end()

    control_open: bool = True

    def _listen(self) -> int | None:
        """Starts the process that the control socket asks for; its pidfd."""
        request = messages.receive(self.control)
        if request is None or request.stdio is None:
            self.control_open = False
            return None
        process, stdio = messages.to_process(request.body["process"]), request.stdio
        return self.start(stdio, request.status, lambda: self._join(process, stdio))

    def start(self, stdio: Stdio, status: socket.socket, steps: Callable[[], NoReturn]) -> int | None:
        """Forks a process that takes these steps and tells the engine how that went; its pidfd."""
        report, failure = os.pipe2(os.O_CLOEXEC)
        try:
            pid = os.fork()
        except OSError as error:  # ENOMEM: process 1 has ended, and none can join it any more.
            refusal = inside.refusal(f"container process has ended: {inside.words(error)}")
            for descriptor in (report, failure, *stdio):
                os.close(descriptor)
            _tell(status, {"failed": str(refusal), "code": refusal.code})
            return None
        if pid == 0:
            _report_failure(failure, steps)
        os.close(failure)
        pidfd = os.pidfd_open(pid)
        with open(report, "rb") as pipe:
            problem = pipe.read()
        for descriptor in stdio:
            os.close(descriptor)
        if problem:
            os.waitpid(pid, 0)
            os.close(pidfd)
            status.send(problem)
            return None
        facts = {
            "pid": pid,
            "namespace": os.stat("/proc/self/ns/pid_for_children").st_ino,
            "groups": {name: str(path) for name, path in self.group.directories.items()},
        }
        socket.send_fds(status, [json.dumps(facts).encode()], [pidfd])
        self.children[pidfd] = _Child(pid, status)
        return pidfd

    def become_first(self, process: Process, stdio: Stdio) -> NoReturn:
        """The steps of process 1: it makes what the container sees, then runs in it."""
        inside.take_over(stdio, terminal=process.tty)
        self.group.join()
        linux.unshare(self._namespaces)
        socket.sethostname(self.sandbox.hostname)
        if self.sandbox.network == "none":
            _loopback_up()
            _ports_for_everyone()
        terminal = os.ttyname(0) if process.tty else ""
        steps = mounts.plan(self.sandbox, terminal=terminal, alone=self.alone)
        _enter(self.sandbox, steps)
        _make_directory(process.cwd)
        self._run(process)

    @property
    def _namespaces(self) -> int:
        return _NAMESPACES | (linux.CLONE_NEWNET if self.sandbox.network == "none" else 0)

    def _join(self, process: Process, stdio: Stdio) -> NoReturn:
        """The steps of a later process: into the namespaces of the first."""
        inside.take_over(stdio, terminal=process.tty)
        self.group.join()
        linux.setns(self.first, self._namespaces)
        self._run(process)

    def _run(self, process: Process) -> NoReturn:
        cgroups.bound_by_limits(self.group, pids=self.sandbox.pids, memory=self.sandbox.memory)
        inside.bound(self.sandbox.ulimits)
        inside.become(process, lambda: self._install_filter(process), alone=self.alone)
        inside.run(process)

    def _install_filter(self, process: Process) -> None:
        message, roots = b"+", []
        if self.alone:  # Told before, since with the filter in place such questions would wait for whom this informs.
            names = ("uid", "gid", "groups", "privileges")
            program = os.path.abspath(inside.program(process))
            message = json.dumps({name: getattr(process, name) for name in names} | {"program": program}).encode()
            roots = [os.open("/", os.O_PATH | os.O_CLOEXEC)]
        asked = recorded.blocks() if self.alone else profile.NOTHING
        code = profile.program(shared_network=self.sandbox.network == "host", asked=asked)
        if self.listeners is None:
            linux.install_filter(code, linux.FILTER_SPEC_ALLOW)
            return
        flags = linux.FILTER_SPEC_ALLOW | linux.FILTER_NEW_LISTENER
        try:
            listener = linux.install_filter(code, flags | linux.FILTER_WAIT_KILLABLE)
        except OSError:  # Before Linux 5.19.
            listener = linux.install_filter(code, flags)
        socket.send_fds(self.listeners, [message], [listener, *roots])
        for descriptor in (listener, *roots):
            os.close(descriptor)

    def _end(self) -> None:
        if self.group.can_freeze:
            self.group.freeze(False)
        signal.pidfd_send_signal(self.first, signal.SIGKILL)


def _report_failure(failure: int, steps: Callable[[], NoReturn]) -> NoReturn:
    """Takes the steps; what goes wrong before the program runs is written to ``failure``."""
    try:
        steps()
    except StartFailed as error:
        text, code = str(error), error.code
    except BaseException as error:
        refusal = inside.refusal(f"{error.__class__.__name__}: {error}")
        text, code = str(refusal), refusal.code
    os.write(failure, json.dumps({"failed": text, "code": code}).encode())
    os._exit(1)


def _bury(child: _Child, pidfd: int) -> None:
    _, status = os.waitpid(child.pid, 0)
    os.close(pidfd)
    code = os.waitstatus_to_exitcode(status)
    _tell(child.status, {"exit": code if code >= 0 else 128 - code})
    child.status.close()


def _tell(status: socket.socket, body: object) -> None:
    with suppress(OSError):  # Nobody may be listening any more.
        status.send(json.dumps(body).encode())


def _enter(sandbox: Sandbox, steps: list[mounts.Step]) -> None:
    try:
        mounts.enter(os.fspath(sandbox.rootfs), steps, read_only=sandbox.read_only)
    except mounts.MountFailed as error:
        raise inside.refusal(str(error)) from error


def _make_directory(path: str) -> None:
    """Docker makes the working directory where it is missing."""
    try:
        os.makedirs(path, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise StartFailed(f"Cannot mkdir: {path} is not a directory", code=128) from error
    except OSError as error:
        raise inside.refusal(f"mkdir {path}: {inside.words(error)}") from error


def _ports_for_everyone() -> None:
    """Every user may serve on a port below 1024, as in Docker's containers. Source: moby, daemon/oci_linux.go."""
    with suppress(OSError), open("/proc/sys/net/ipv4/ip_unprivileged_port_start", "w") as setting:
        setting.write("0")


def _loopback_up() -> None:
    set_flags, up_and_running = 0x8914, 0x41
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, set_flags, struct.pack("=16sH22x", b"lo", up_and_running))


def _start_supervisor(sandbox: Sandbox, others: list[socket.socket], *, alone: bool) -> tuple[socket.socket, int]:
    """Forks the container's supervisor: the socket on which it takes listeners, and its pidfd."""
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if (pid := os.fork()) == 0:
        try:
            for other in (here, *others):
                other.close()
            _supervise(sandbox, there, alone=alone)
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(0)
    there.close()
    return here, os.pidfd_open(pid)


def _supervise(sandbox: Sandbox, arrivals: socket.socket, *, alone: bool) -> None:
    proc = os.open("/proc", os.O_PATH | os.O_CLOEXEC)
    shift = SHIFT if alone else 0
    network = Network(sandbox.address, proc, shift=shift, strict=alone) if sandbox.network == "host" else None
    if alone:
        recorder = Recorder(sandbox.owners, network, proc)
        notify.serve(arrivals, recorder.handle, recorder.welcome)
    elif network:
        notify.serve(arrivals, network.handle, lambda *_: None)


def keep(control: socket.socket, *, alone: bool) -> None:
    """The life of a keeper: one container, from its request to its end."""
    request = messages.receive(control)
    if request is None or request.stdio is None:
        return
    process, stdio = messages.to_process(request.body["process"]), request.stdio
    sandbox = messages.to_sandbox(request.body["sandbox"])
    if alone:
        linux.become_root_of_a_user_namespace()
    linux.prctl(linux.PR_SET_DUMPABLE, 0)
    group = cgroups.make(f"{os.getpid()}", pids=sandbox.pids or _MOST_PROCESSES, memory=sandbox.memory)
    listeners = supervisor = None
    if alone or sandbox.network == "host":
        listeners, supervisor = _start_supervisor(sandbox, [control, request.status], alone=alone)
    if sandbox.network == "host":
        linux.hide_abstract_sockets()
        if cgroups.SOCKETS in group.directories:
            wall.build(group.directories[cgroups.SOCKETS], sandbox.address, resolver=loopback_resolver())
    linux.unshare(linux.CLONE_NEWPID)
    keeper = _Keeper(control, sandbox, group, listeners, supervisor, alone)
    pidfd = keeper.start(stdio, request.status, lambda: keeper.become_first(process, stdio))
    if pidfd is not None:
        keeper.first = pidfd
        keeper.keep()
    group.remove()


def nursery(requests: socket.socket, *, alone: bool) -> None:
    """Forks a keeper for every control socket that arrives, until the engine has gone."""
    cgroups.sweep()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        data, controls, _, _ = socket.recv_fds(requests, 1, 1)
        if not data:
            return
        if os.fork() == 0:
            try:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                requests.close()
                keep(socket.socket(fileno=controls[0]), alone=alone)
            except BaseException:
                sys.excepthook(*sys.exc_info())
            finally:
                os._exit(0)
        os.close(controls[0])


if __name__ == "__main__":
    nursery(socket.socket(fileno=int(sys.argv[2])), alone=sys.argv[1] == "userns")
