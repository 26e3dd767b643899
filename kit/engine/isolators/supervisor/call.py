"""One system call that waits for its answer, and what its handler may say."""

import errno
import os
from typing import TYPE_CHECKING

from kit.engine.isolators.supervisor import kernel
from kit.engine.isolators.supervisor.paths import Found, Parent, descriptor_link
from kit.engine.isolators.supervisor.tasks import Task

if TYPE_CHECKING:
    from kit.engine.isolators.supervisor.container import Container

ANSWERED = -(1 << 40)
"""The handler has answered (with a descriptor), or will."""
NATIVE = ANSWERED - 1
"""The kernel does it. Only for calls whose arguments are numbers."""


class Call:
    """Arguments are the raw registers; a handler returns the result, or raises ``OSError``."""

    __slots__ = ("arguments", "box", "identity", "listener", "task")

    def __init__(
        self,
        box: "Container",
        task: Task,
        arguments: list[int] | tuple[int, ...],
        listener: int = -1,
        identity: int = 0,
    ) -> None:
        self.box, self.task, self.arguments = box, task, arguments
        self.listener, self.identity = listener, identity

    def number(self, index: int) -> int:
        """An ``int`` argument."""
        value = self.arguments[index] & 0xFFFFFFFF
        return value - (1 << 32) if value >> 31 else value

    def unsigned(self, index: int) -> int:
        return self.arguments[index] & 0xFFFFFFFF

    def text(self, index: int) -> bytes:
        return self.task.process.memory.text(self.arguments[index])

    def read(self, index: int, size: int) -> bytes:
        return self.task.process.memory.read_all(self.arguments[index], size)

    def write(self, index: int, data: bytes) -> None:
        self.task.process.memory.write(self.arguments[index], data)

    def path(self, index: int, directory: int = kernel.AT_CWD) -> bytes:
        """A path argument, absolute."""
        return self.box.paths.absolute(self.task, directory, self.text(index))

    def find(self, index: int, directory: int = kernel.AT_CWD, *, follow: bool = True) -> Found:
        return self.box.find(self.task, self.path(index, directory), follow=follow)

    def find_or_descriptor(self, index: int, directory: int, flags: int) -> Found:
        """The file that a path names or, if it is empty and flags say so, that is open as ``directory``."""
        path = self.text(index) if self.arguments[index] else b""
        if not path and (flags & kernel.AT_EMPTY_PATH or not self.arguments[index]):
            return self.descriptor(directory)
        path = self.box.paths.absolute(self.task, directory, path)
        return self.box.find(self.task, path, follow=not flags & kernel.AT_NO_FOLLOW)

    def descriptor(self, number: int) -> Found:
        """What the task has open as ``number`` (AT_FDCWD: its working directory)."""
        try:
            held = os.open(descriptor_link(self.task, number), os.O_PATH | os.O_CLOEXEC)
        except OSError as problem:
            raise OSError(errno.EBADF, "") from problem
        return self.box.paths.already_open(held)

    def parent(self, index: int, directory: int = kernel.AT_CWD, *, to_make: bool = False) -> Parent:
        """The directory and name of a file to be made or removed.

        Raises:
            OSError: EACCES, EROFS, EBUSY; EEXIST if it is ``to_make`` where something is mounted.
        """
        path = self.path(index, directory)
        try:
            parent = self.box.paths.parent(self.task, path)
        except OSError as problem:
            if to_make and problem.errno in (errno.EBUSY, errno.EINVAL, errno.ENOTEMPTY):
                raise OSError(errno.EEXIST, "") from problem
            raise
        try:
            self.box.check_parent(self.task, parent, to_make=to_make)
        except OSError:
            parent.directory.__exit__()
            raise
        return parent
