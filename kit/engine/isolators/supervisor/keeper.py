"""The supervisor of one container: from the engine's request to the end of the last process.

The engine starts one *nursery*, in which everything is imported; for each container it forks a *keeper*. The keeper
waits for three things at once: system calls to answer, tasks that have stopped, requests of the engine. It is
a single thread, so nothing here needs a lock. The end of the engine closes its control socket, the end of the keeper
ends its tasks.

Source: seccomp_unotify(2); ptrace(2), PTRACE_O_EXITKILL; signalfd(2).
"""

import contextlib
import errno
import gc
import json
import os
import select
import shutil
import signal
import socket
import sys
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from kit.engine.isolators import messages
from kit.engine.isolators.contract import Process, StartFailed, Stdio
from kit.engine.isolators.messages import Request
from kit.engine.isolators.namespaces import inside
from kit.engine.isolators.supervisor import calls, filter, handlers, kernel, spawning, walls
from kit.engine.isolators.supervisor.call import ANSWERED, NATIVE, Call
from kit.engine.isolators.supervisor.container import Container
from kit.engine.isolators.supervisor.devices import is_terminal
from kit.engine.isolators.supervisor.tracer import Tracer

SCRATCH_PREFIX = "layerlab-box-"
_KILLED = 128 + signal.SIGKILL


@dataclass
class _Child:
    """A process that the engine has asked for."""

    status: socket.socket
    line: socket.socket
    told: bool = False


class Keeper:
    """One container under way."""

    def __init__(self, control: socket.socket, box: Container) -> None:
        self._control, self._box = control, box
        self._table = calls.table()
        self._handlers = handlers.by_number(self._table)
        self._tracer = Tracer(box, self._table, self._started, self._ended)
        self._children: dict[int, _Child] = {}
        self._program = filter.program(
            network=box.sandbox.network != "none",
            count_forks=box.sandbox.pids is not None,
            signals_are_scoped=walls.signals_are_scoped(),
        )
        self._spawner = spawning.Spawner(box.readable())
        self._stops = kernel.signal_descriptor(signal.SIGCHLD)
        self._poll = select.poll()
        self._actions: dict[int, Callable[[int], None]] = {}
        self._listeners: set[int] = set()
        self._watch(self._stops, self._reap)
        self._watch(control.fileno(), self._listen)
        self._code: int | None = None
        self._first_child: _Child | None = None
        self._paused = False

    def _watch(self, descriptor: int, action: Callable[[int], None]) -> None:
        self._poll.register(descriptor, select.POLLIN)
        self._actions[descriptor] = action

    def _forget(self, descriptor: int) -> None:
        self._poll.unregister(descriptor)
        del self._actions[descriptor]

    def keep(self, first: Request) -> None:
        """Until process 1 has ended. Its end is told when all others have ended, too."""
        if not self._start(first):
            return
        poll, actions, journal = self._poll.poll, self._actions, self._box.journal
        while self._code is None:
            patience = journal.patience()
            if patience == 0:
                journal.flush()
                patience = None
            for descriptor, events in poll(patience):
                action = actions.get(descriptor)
                if action is not None:
                    action(events)
        self._end_all()

    # --- processes

    def _start(self, request: Request) -> bool:
        """Starts a process; False if it can't be, which the engine is then told."""
        assert request.stdio is not None
        process = messages.to_process(request.body["process"])
        try:
            self._spawn(process, request.stdio, request.status)
        except StartFailed as error:
            _tell(request.status, {"failed": str(error), "code": error.code})
            request.status.close()
            return False
        except OSError as error:
            failure = inside.refusal(f"{error.__class__.__name__}: {inside.words(error)}")
            _tell(request.status, {"failed": str(failure), "code": failure.code})
            request.status.close()
            return False
        finally:
            for descriptor in request.stdio:
                os.close(descriptor)
        return True

    def _spawn(self, process: Process, stdio: Stdio, status: socket.socket) -> None:
        first = not self._box.tasks.first
        ready = spawning.prepare(self._box, process, first=first)
        self._box.give(stdio)
        if process.tty and is_terminal(stdio.stdin):
            self._box.devices.add_console(stdio.stdin)
        try:
            pid, line = spawning.fork(self._box, self._spawner, process, ready, stdio, self._program)
        finally:
            os.close(ready.directory)
        self._tracer.seize(pid, ready.identity)
        if first:
            self._box.tasks.first = pid
        self._children[pid] = _Child(status, line)
        self._watch(line.fileno(), lambda events: self._take_listener(self._children[pid]))
        line.send(b"+")

    def _take_listener(self, child: _Child) -> None:
        self._forget(child.line.fileno())
        try:
            data, descriptors, _, _ = socket.recv_fds(child.line, 1 << 16, 1)
        except ConnectionResetError:  # It was killed before it took its own "+".
            data, descriptors = b"", []
        child.line.close()
        if descriptors:
            listener = descriptors[0]
            kernel.wake_up_synchronously(listener)
            self._listeners.add(listener)
            self._watch(listener, lambda events: self._serve(listener, events))
        elif data:
            child.told = True
            _tell(child.status, json.loads(data))

    def _started(self, pid: int) -> None:
        """Its program is about to run."""
        child = self._children.get(pid)
        if child is None or child.told:
            return
        child.told = True
        pidfd = os.pidfd_open(pid)
        with contextlib.suppress(OSError):
            socket.send_fds(child.status, [json.dumps({"pid": pid, "keeper": os.getpid()}).encode()], [pidfd])
        os.close(pidfd)

    def _ended(self, pid: int, status: int) -> None:
        child = self._children.pop(pid, None)
        if child is None:
            return
        if child.line.fileno() >= 0:  # Its last word may be why it did not start.
            self._take_listener(child)
        code = os.waitstatus_to_exitcode(status)
        code = code if code >= 0 else 128 - code
        if pid == self._box.tasks.first:
            self._code, self._first_child = code, child
            return
        if child.told:
            self._box.journal.flush()  # Who is told of the end may look at once.
            _tell(child.status, {"exit": code})
        child.status.close()

    def _reap(self, events: int) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._stops, 1024)
        if not self._tracer.reap() and self._code is None:
            self._code = _KILLED

    def _end_all(self) -> None:
        """Kills what is left; when the engine is told of the end, nothing of the container runs."""
        self._kill_all()
        while self._tracer.reap():
            select.select([self._stops], [], [], 0.01)
            self._kill_all()
            self._reap(0)
        self._box.journal.flush()
        for child in self._children.values():
            _tell(child.status, {"exit": _KILLED})
        self._box.objects.remove(self._table.special)
        shutil.rmtree(self._box.scratch, ignore_errors=True)
        if self._first_child is not None and self._first_child.told:
            _tell(self._first_child.status, {"exit": self._code})

    def _kill_all(self) -> None:
        for task in list(self._box.tasks.by_id):
            with contextlib.suppress(ProcessLookupError):
                os.kill(task, signal.SIGKILL)

    # --- calls

    def _serve(self, listener: int, events: int) -> None:
        """Answers one call."""
        if not events & select.POLLIN:
            self._forget(listener)
            self._listeners.discard(listener)
            os.close(listener)
            return
        try:
            identity, task_id, _, number, _, _, *arguments = kernel.receive(listener)
        except OSError:  # It was killed before we looked.
            return
        task = self._box.tasks.by_id.get(task_id)
        value = error = 0
        if task is None:
            error = errno.ENOSYS
        else:
            try:
                value = self._handlers[number](Call(self._box, task, arguments, listener, identity))
            except OSError as problem:
                error = problem.errno or errno.EIO
            except Exception:
                error = errno.ENOSYS
                traceback.print_exc()
        with contextlib.suppress(OSError):
            if value == NATIVE:
                kernel.let_go_on(listener, identity)
            elif value != ANSWERED:
                kernel.answer(listener, identity, value, error)

    # --- the engine

    def _listen(self, events: int) -> None:
        request = messages.receive(self._control)
        if request is None or "kill" in request.body:
            self._code = _KILLED
            self._first_child = self._children.pop(self._box.tasks.first, None)
        elif "pause" in request.body:
            self._pause(bool(request.body["pause"]))
            _tell(request.status, {"paused": self._paused})
        elif "processes" in request.body:
            first_pid = self._box.tasks.first
            found = sorted(self._box.tasks.processes(), key=lambda pid: (pid != first_pid, pid))
            _tell(request.status, {"processes": found})
        else:
            self._start(request)

    def _pause(self, wanted: bool) -> None:
        """Calls that come meanwhile wait for their answers."""
        if wanted == self._paused:
            return
        self._paused = wanted
        if wanted:
            for listener in self._listeners:
                self._poll.unregister(listener)
            self._tracer.pause()
        else:
            for listener in self._listeners:
                self._poll.register(listener, select.POLLIN)
            self._tracer.resume()


def _tell(status: socket.socket, body: object) -> None:
    with contextlib.suppress(OSError):  # Nobody may be listening any more.
        status.send(json.dumps(body).encode())


def keep(control: socket.socket) -> None:
    """The life of a keeper."""
    request = messages.receive(control)
    if request is None or "sandbox" not in request.body:
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
    walls.hide_supervisor()
    os.umask(0)
    scratch = os.path.realpath(tempfile.mkdtemp(prefix=f"{SCRATCH_PREFIX}{os.getpid()}-"))
    try:
        try:
            box = Container(messages.to_sandbox(request.body["sandbox"]), os.fsencode(scratch))
            keeper = Keeper(control, box)
        except OSError as error:
            failure = inside.refusal(f"{error.__class__.__name__}: {inside.words(error)}")
            _tell(request.status, {"failed": str(failure), "code": failure.code})
            raise
        keeper.keep(request)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def nursery(requests: socket.socket) -> None:
    """Forks a keeper for every control socket that arrives, until the engine has gone."""
    _sweep()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    filter.program(network=True, count_forks=False, signals_are_scoped=walls.signals_are_scoped())  # Kept for all.
    gc.disable()
    gc.freeze()
    while True:
        data, controls, _, _ = socket.recv_fds(requests, 1, 1)
        if not data:
            return
        if os.fork() == 0:
            try:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                requests.close()
                keep(socket.socket(fileno=controls[0]))
            except BaseException:
                sys.excepthook(*sys.exc_info())
            finally:
                os._exit(0)
        os.close(controls[0])


def _sweep() -> None:
    """Removes what keepers that were killed have left in the directory for temporary files."""
    place = tempfile.gettempdir()
    for name in os.listdir(place):
        number = name.removeprefix(SCRATCH_PREFIX).partition("-")[0]
        if name.startswith(SCRATCH_PREFIX) and number.isdigit() and not os.path.exists(f"/proc/{number}"):
            shutil.rmtree(os.path.join(place, name), ignore_errors=True)


if __name__ == "__main__":
    nursery(socket.socket(fileno=int(sys.argv[1])))
