"""Following every task of a container with ptrace: births, executions, signals, ends.

The kernel stops a task and tells us; we do what is to be done and let it go on. With PTRACE_O_EXITKILL no task
outlives the supervisor.

Source: ptrace(2), in particular "Execve under ptrace" and "Group-stop"; pid_namespaces(7) on process 1 and signals.
"""

import errno
import os
import signal
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress

from kit.engine.isolators.supervisor import kernel, ownership, people, sockets
from kit.engine.isolators.supervisor.call import Call
from kit.engine.isolators.supervisor.calls import Table
from kit.engine.isolators.supervisor.container import Container
from kit.engine.isolators.supervisor.execution import STEPPED, Plan, execute
from kit.engine.isolators.supervisor.ids import Identity
from kit.engine.isolators.supervisor.kernel import (
    PTRACE_CONT,
    PTRACE_INTERRUPT,
    PTRACE_LISTEN,
    PTRACE_SEIZE,
    PTRACE_SYSCALL,
    ptrace,
)
from kit.engine.isolators.supervisor.memory import Memory
from kit.engine.isolators.supervisor.paths import is_named
from kit.engine.isolators.supervisor.registers import Registers
from kit.engine.isolators.supervisor.scratch import put
from kit.engine.isolators.supervisor.tasks import Exit, Process, Task

_EXIT_KILL, _GOOD, _FORK, _VFORK, _CLONE, _EXEC, _SECCOMP = 0x100000, 1, 2, 4, 8, 16, 128
_OPTIONS = _EXIT_KILL | _GOOD | _FORK | _VFORK | _CLONE | _EXEC | _SECCOMP
_EVENT_FORK, _EVENT_VFORK, _EVENT_CLONE, _EVENT_EXEC, _EVENT_SECCOMP, _EVENT_STOP = 1, 2, 3, 4, 7, 128
_ALL_KINDS = 0x40000000  # __WALL
_SYSCALL_STOP = signal.SIGTRAP | 0x80
_STOPPING = (signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)
# What the kernel forces upon process 1 too.
_OWN_FAULTS = (
    signal.SIGSEGV,
    signal.SIGBUS,
    signal.SIGILL,
    signal.SIGFPE,
    signal.SIGTRAP,
    signal.SIGSYS,
)
_HARMLESS = (signal.SIGCHLD, signal.SIGURG, signal.SIGWINCH, signal.SIGCONT, signal.SIGSTOP)

After = Callable[[Registers], None]
Entry = Callable[[Call, Registers], After | None]


class Tracer:
    """``started`` is told of a task's first execution, ``ended`` of every task's end, with its wait status."""

    def __init__(
        self, box: Container, table: Table, started: Callable[[int], None], ended: Callable[[int, int], None]
    ) -> None:
        self._box, self._tasks = box, box.tasks
        self._started, self._ended = started, ended
        self._early: set[int] = set()
        self._paused = False
        self._standing: dict[int, int] = {}
        self._entries = self._entry_table(table)
        self._chroot = table.answered["chroot"]

    def _entry_table(self, table: Table) -> Mapping[int, Entry]:
        entries: dict[str, Entry] = {
            "execve": self._execute,
            "chdir": _change_directory,
            "bind": sockets.bind,
            "connect": sockets.connect,
            "sendto": sockets.sendto,
            "getsockname": sockets.own_name,
            "getpeername": sockets.own_name,
            "getsockopt": sockets.peer_credentials,
            "sendmsg": sockets.send_message,
            "sendmmsg": sockets.send_message,
            **dict.fromkeys(("fork", "vfork", "clone"), self._count),
        }
        found = {table.traced[name]: entry for name, entry in entries.items() if name in table.traced}
        for name, place in (("open", 0), ("openat", 1)):
            if name in table.answered:
                found[table.answered[name]] = lambda call, registers, place=place: _open_path(call, registers, place)  # type: ignore[misc]
        return found

    def seize(self, pid: int, identity: Identity) -> Task:
        """Takes a new child in."""
        ptrace(PTRACE_SEIZE, pid, 0, _OPTIONS)
        task = Task(pid, Process(pid, Memory(pid)), identity)
        self._tasks.by_id[pid] = task
        return task

    def reap(self) -> bool:
        """Handles all that has happened; False when no process is left."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG | _ALL_KINDS)
            except ChildProcessError:
                return False
            if not pid:
                return True
            try:
                self._handle(pid, status)
            except OSError as problem:
                if problem.errno != errno.ESRCH:  # It was killed while we looked.
                    raise

    def _handle(self, pid: int, status: int) -> None:
        if not os.WIFSTOPPED(status):
            self._bury(pid, status)
            return
        number, event = os.WSTOPSIG(status), status >> 16
        task = self._tasks.by_id.get(pid)
        if task is None:  # Its birth has not been told yet.
            self._early.add(pid)
        elif event == _EVENT_SECCOMP:
            self._enter(task)
        elif event in (_EVENT_FORK, _EVENT_VFORK, _EVENT_CLONE):
            self._adopt(task, kernel.event_message(pid), event)
            self._resume(task)
        elif event == _EVENT_EXEC:
            self._executed(task, kernel.event_message(pid))
        elif event == _EVENT_STOP:
            if number in _STOPPING:
                ptrace(PTRACE_LISTEN, pid)
            else:
                self._resume(task)
        elif event:
            self._resume(task)
        elif number == _SYSCALL_STOP:
            self._leave(task)
        else:
            self._resume(task, 0 if self._is_ignored(task, number) else number)

    # --- pausing

    def pause(self) -> None:
        """Stops every task where it is. Those that wait for an answer of ours stand still already."""
        self._paused = True
        for task in list(self._tasks.by_id):
            with suppress(OSError):
                ptrace(PTRACE_INTERRUPT, task)

    def resume(self) -> None:
        self._paused = False
        standing, self._standing = self._standing, {}
        for number, delivered in standing.items():
            task = self._tasks.by_id.get(number)
            if task is not None:
                with suppress(OSError):
                    self._resume(task, delivered)

    def _resume(self, task: Task, number: int = 0) -> None:
        if self._paused:
            self._standing[task.id] = number
            return
        steps = task.exit is not None or task.process.steps
        ptrace(PTRACE_SYSCALL if steps else PTRACE_CONT, task.id, 0, number)

    # --- births and ends

    def _adopt(self, parent: Task, child: int, event: int) -> None:
        is_thread = event == _EVENT_CLONE and _process_of(child) != child
        if is_thread:
            process = parent.process
            process.threads += 1
        else:
            process = parent.process.copy(child)
        task = Task(child, process, parent.identity)
        if event == _EVENT_VFORK:
            task.lender = parent.process
        self._tasks.by_id[child] = task
        if len(self._tasks.by_id) > self._box.limit:
            os.kill(child, signal.SIGKILL)
        if child in self._early:
            self._early.discard(child)
            self._resume(task)

    def _bury(self, pid: int, status: int) -> None:
        self._early.discard(pid)
        task = self._tasks.by_id.pop(pid, None)
        if task is not None:
            task.process.threads -= 1
            if not task.process.threads:
                task.process.release()
        self._ended(pid, status)

    # --- calls

    def _enter(self, task: Task) -> None:
        """The kernel is about to do a traced call."""
        before = Registers(task.id)
        registers = before.copy()
        entry = self._entries.get(before.number)
        if entry is None:  # A filter of the program's own asks for a tracer: there is none for it.
            self._refuse(task, registers, errno.ENOSYS)
            return
        try:
            after = entry(Call(self._box, task, before.arguments), registers)
        except OSError as problem:
            if problem.errno == errno.ESRCH and not os.path.exists(f"/proc/{task.id}"):
                return
            self._refuse(task, registers, problem.errno or errno.EIO)
            return
        if after is not None:
            registers.write()
            task.exit = Exit(before, after)
        self._resume(task)

    def _refuse(self, task: Task, registers: Registers, error: int) -> None:
        registers.skip_call(-error)
        self._resume(task)

    def _leave(self, task: Task) -> None:
        """The kernel has done a call that we changed; or a program is stopped at every call."""
        registers = Registers(task.id)
        if task.exit is not None:
            done, task.exit = task.exit, None
            done.after(registers)
            registers.restore(done.before)
        elif task.process.steps and registers.number == self._chroot and kernel.is_entry(task.id):
            self._answer_here(task, registers)
        self._resume(task)

    def _answer_here(self, task: Task, registers: Registers) -> None:
        """``chroot``, which a filter outside would refuse before ours is asked."""
        try:
            result = people.chroot(Call(self._box, task, registers.arguments))
        except OSError as problem:
            result = -(problem.errno or errno.EIO)
        before = registers.copy()

        def after(done: Registers) -> None:
            done.result = result

        task.exit = Exit(before, after)
        registers.skip_call(result)

    def _execute(self, call: Call, registers: Registers) -> After | None:
        task = call.task
        if not task.process.executable:
            self._started(task.id)
        made = execute(call, registers)
        task.plan = made

        def failed(done: Registers) -> None:
            made.forget()
            task.plan = None

        return failed

    def _executed(self, task: Task, former: int) -> None:
        """A new program is in place. The thread that did it has become the process's first."""
        if former != task.id:
            caller = self._tasks.by_id.pop(former, None)
            if caller is not None:
                caller.id = task.id
                self._tasks.by_id[task.id] = task = caller
        task.exit = None
        process, made = task.process, task.plan
        for other in [
            other for other in self._tasks.by_id.values() if other.process is process and other is not task
        ]:
            del self._tasks.by_id[other.id]
        process.threads = 1
        process.release()
        if isinstance(made, Plan):
            if task.lender is not None and task.lender.pid in self._tasks.by_id:
                with suppress(OSError):
                    task.lender.memory.write(*made.overwritten)
            process.held = made.held
            process.executable, process.inserted = made.shown, made.inserted
            task.identity = made.identity
            process.steps = self._box.steps_programs and os.path.basename(made.shown) in STEPPED
        task.plan = task.lender = None
        self._resume(task)

    def _count(self, call: Call, registers: Registers) -> After | None:
        if len(self._tasks.by_id) >= self._box.limit:
            raise OSError(errno.EAGAIN, "")
        return None

    # --- signals

    def _is_ignored(self, task: Task, number: int) -> bool:
        """Process 1 of a container gets no signal that it has no handler for, as the kernel's does."""
        if task.process.pid != self._tasks.first or number in _HARMLESS:
            return False
        if number in _OWN_FAULTS:
            with suppress(OSError):
                if kernel.signal_code(task.id) > 0:
                    return False
        with open(f"/proc/{task.id}/status", "rb") as file:
            caught = next(int(line.split()[1], 16) for line in file if line.startswith(b"SigCgt:"))
        return not caught >> (number - 1) & 1


def _process_of(task: int) -> int:
    with open(f"/proc/{task}/status", "rb") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(b"Tgid:"))


def _nothing(registers: Registers) -> None:
    """After a call of which the program shall notice nothing."""


def _change_directory(call: Call, registers: Registers) -> After:
    with call.find(0) as found:
        status = found.status()
        if not stat.S_ISDIR(status.mode):
            raise OSError(errno.ENOTDIR, "")
        ownership.check(call.box.face(found, status), call.task.identity, ownership.EXECUTE)
        if not is_named(found):
            raise OSError(errno.ENOENT, "")
        registers.set_argument(0, put(call.task, registers, found.host + b"\0"))
    return _nothing


def _open_path(call: Call, registers: Registers, place: int) -> After:
    """``open`` with O_PATH: the kernel opens what we have found."""
    directory = call.number(0) if place else kernel.AT_CWD
    flags = call.unsigned(place + 1)
    with call.find(place, directory, follow=not flags & os.O_NOFOLLOW) as found:
        if not is_named(found):
            raise OSError(errno.ENOENT, "")
        registers.set_argument(place, put(call.task, registers, found.host + b"\0"))
    return _nothing
