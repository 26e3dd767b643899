"""A call that asks about owners or identities, and what its handler may look at.

Source: process_vm_readv(2).
"""

import ctypes
import errno
import os
from typing import TYPE_CHECKING

from kit.engine.isolators.namespaces.notify import Asked
from kit.engine.isolators.namespaces.recorded.people import People, is_above
from kit.engine.isolators.supervisor.ids import Identity
from kit.engine.isolators.supervisor.memory import Memory

if TYPE_CHECKING:
    from kit.engine.isolators.namespaces.recorded.recorder import Recorder

_libc = ctypes.CDLL(None, use_errno=True)
_libc.process_vm_readv.restype = _libc.process_vm_writev.restype = ctypes.c_ssize_t


class Space(Memory):
    """A task's memory, without ``/proc``."""

    def read(self, address: int, size: int) -> bytes:
        buffer = ctypes.create_string_buffer(size)
        done = self._move(_libc.process_vm_readv, buffer, address, size)
        return buffer.raw[:done]

    def write(self, address: int, data: bytes) -> None:
        if self._move(
            _libc.process_vm_writev, ctypes.create_string_buffer(data, len(data)), address, len(data)
        ) < len(data):
            raise OSError(errno.EFAULT, "")

    def _move(
        self, how: "ctypes._NamedFuncPointer", buffer: "ctypes.Array[ctypes.c_char]", address: int, size: int
    ) -> int:
        here, there = (ctypes.c_size_t * 2)(ctypes.addressof(buffer), size), (ctypes.c_size_t * 2)(address, size)
        done = int(how(self.pid, here, ctypes.c_ulong(1), there, ctypes.c_ulong(1), ctypes.c_ulong(0)))
        if done < 0:
            raise OSError(errno.EFAULT, "")
        return done


class Task:
    """Who asks. Setting ``identity`` changes it at once."""

    def __init__(self, pid: int, people: People, proc: int) -> None:
        self.pid, self._people, self._proc = pid, people, proc
        self.memory = Space(pid)
        self._identity = people.of(pid)

    @property
    def process(self) -> "Task":
        return self

    @property
    def identity(self) -> Identity:
        return self._identity

    @identity.setter
    def identity(self, who: Identity) -> None:
        if who != self._identity:
            self._people.become(self.pid, who)
            self._identity = who

    def status(self, name: bytes) -> bytes:
        """A line of ``/proc/PID/status``."""
        with open(os.open(b"%d/status" % self.pid, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._proc), "rb") as file:
            return next(line.partition(b":")[2].strip() for line in file if line.startswith(name + b":"))

    @property
    def id(self) -> int:
        """Its number in the container."""
        return int(self.status(b"NSpid").split()[-1])

    @property
    def umask(self) -> int:
        return int(self.status(b"Umask"), 8)


class Call(Asked):
    """Handlers return the result, ``NATIVE`` (the kernel does it) or ``ANSWERED``, or raise ``OSError``."""

    __slots__ = ("box", "task")

    def __init__(self, asked: Asked, box: "Recorder") -> None:
        super().__init__(asked.listener, asked.identity, asked.pid, asked.what, asked.arguments)
        self.box, self.task = box, Task(asked.pid, box.people, box.proc)

    @property
    def who(self) -> Identity:
        return self.task.identity

    @property
    def is_above(self) -> bool:
        return is_above(self.task.identity)

    def text(self, index: int) -> bytes:
        return self.task.memory.text(self.arguments[index])

    def read(self, index: int, size: int) -> bytes:
        return self.task.memory.read_all(self.arguments[index], size)

    def write(self, index: int, data: bytes) -> None:
        self.task.memory.write(self.arguments[index], data)
