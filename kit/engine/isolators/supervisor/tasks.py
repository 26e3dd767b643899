"""Who is in the container: tasks (threads), and the processes they belong to.

The tracer is told of every new task before its first step, so this table is never behind. What the kernel keeps
per process (umask, root, what it executes) is in ``Process``, what it keeps per thread (identity) in ``Task``.

Source: clone(2), "CLONE_THREAD"; credentials(7).
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field

from kit.engine.isolators.supervisor.ids import Identity
from kit.engine.isolators.supervisor.memory import Memory
from kit.engine.isolators.supervisor.registers import Registers


@dataclass(slots=True)
class Process:
    """A thread group."""

    pid: int
    memory: Memory
    root: bytes = b""
    """What ``chroot`` made its root: a path of the container, or empty."""
    umask: int = 0o022
    executable: bytes = b""
    inserted: int = 0
    """How many words the supervisor put before the program's own in its command line."""
    held: tuple[int, ...] = ()
    """Descriptors of programs without a name (memfd), needed while they run."""
    steps: bool = False
    """Whether it is stopped at every call."""
    threads: int = 1

    def copy(self, pid: int) -> "Process":
        held = tuple(os.dup(descriptor) for descriptor in self.held)
        return Process(
            pid, Memory(pid), self.root, self.umask, self.executable, self.inserted, held, self.steps
        )  # fmt: skip

    def release(self) -> None:
        """Forgets the address space and what was held for it."""
        self.memory.close()
        for descriptor in self.held:
            os.close(descriptor)
        self.held = ()


@dataclass(slots=True)
class Exit:
    """What to do when a traced call has ended."""

    before: Registers
    after: Callable[[Registers], None]


@dataclass(slots=True)
class Task:
    """A thread. ``id`` is the kernel's; its process's first has the process's number."""

    id: int
    process: Process
    identity: Identity
    exit: Exit | None = None
    plan: object = None
    """What it is about to execute."""
    lender: Process | None = None
    """Whose memory it uses until it executes something (``vfork``)."""


@dataclass(slots=True)
class Tasks:
    """All tasks of a container, by number."""

    by_id: dict[int, Task] = field(default_factory=dict)
    first: int = 0

    def processes(self) -> list[int]:
        return sorted({task.process.pid for task in self.by_id.values()})

    def process(self, pid: int) -> Process | None:
        task = self.by_id.get(pid)
        return task.process if task is not None and task.process.pid == pid else None
