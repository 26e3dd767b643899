"""Parts of the container's tree: its root, what is mounted, and the rule for opening files in each.

Only a place opens files for a container. It opens beneath a directory that it holds, in one step that can't be
raced, and never follows what leads out.

Source: openat2(2); proc(5) on ``/proc/PID/fd``.
"""

import errno
import os
import stat
from typing import Protocol

from kit.engine.isolators.supervisor import kernel
from kit.engine.isolators.supervisor.tasks import Task

O_PATH = os.O_PATH | os.O_CLOEXEC
HOW_TO_OPEN = ~(os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_PATH)


class Place(Protocol):
    """One part of the tree. ``inner`` paths are relative to it, resolved, ``b""`` for its top."""

    target: bytes
    """Where the container sees it: absolute, resolved."""
    read_only: bool
    can_make: bool
    """Whether new files can be made in it."""

    def find(self, task: Task, inner: bytes) -> int:
        """An O_PATH descriptor; a symlink at the end is not followed."""

    def link(self, task: Task, inner: bytes) -> bytes | None:
        """Where the symlink at ``inner`` leads; None if there is none."""

    def is_magic(self, inner: bytes) -> bool:
        """Whether ``inner`` stands for something that is open, whatever its name."""

    def hold(self, task: Task, inner: bytes) -> int:
        """An O_PATH descriptor of what a magic link stands for."""

    def open(self, task: Task, inner: bytes, descriptor: int, flags: int) -> int:
        """Opens what ``find`` has found."""


class WithoutMagic:
    """A place in which every link is a path."""

    def is_magic(self, inner: bytes) -> bool:
        return False

    def hold(self, task: Task, inner: bytes) -> int:
        raise OSError(errno.EINVAL, "")


class Directory(WithoutMagic):
    """A directory tree of the machine, shown at ``target``. ``source`` has no symlink, and none may come into it."""

    can_make = True

    def __init__(self, target: bytes, source: bytes, *, read_only: bool = False) -> None:
        self.target, self.source, self.read_only = target, source, read_only
        self.descriptor = kernel.open_at(kernel.AT_CWD, source, O_PATH | os.O_DIRECTORY, kernel.NO_LINKS)

    def find(self, task: Task, inner: bytes) -> int:
        how = kernel.BENEATH | kernel.NO_LINKS
        return kernel.open_at(self.descriptor, inner or b".", O_PATH | os.O_NOFOLLOW, how)

    def link(self, task: Task, inner: bytes) -> bytes | None:
        return link_of(self, task, inner)

    def open(self, task: Task, inner: bytes, descriptor: int, flags: int) -> int:
        return reopen(descriptor, flags)


class File(WithoutMagic):
    """One file of the machine, shown at ``target``. No symlink is in ``source``, and none may come into it."""

    can_make = False

    def __init__(self, target: bytes, source: bytes, *, read_only: bool = False) -> None:
        self.target, self.source, self.read_only = target, source, read_only
        self.descriptor = kernel.open_at(kernel.AT_CWD, source, O_PATH, kernel.NO_LINKS)

    def find(self, task: Task, inner: bytes) -> int:
        if inner:
            raise OSError(errno.ENOTDIR, "")
        return os.dup(self.descriptor)

    def link(self, task: Task, inner: bytes) -> bytes | None:
        return None

    def open(self, task: Task, inner: bytes, descriptor: int, flags: int) -> int:
        return reopen(descriptor, flags)


def link_of(place: Place, task: Task, inner: bytes) -> bytes | None:
    """Where a symlink on disk leads."""
    descriptor = place.find(task, inner)
    try:
        return os.readlink(b"", dir_fd=descriptor)
    except OSError as problem:
        if problem.errno in (errno.ENOENT, errno.EINVAL):  # No symlink.
            return None
        raise
    finally:
        os.close(descriptor)


def own(descriptor: int) -> bytes:
    """The path by which this process opens again what it holds."""
    return b"/proc/self/fd/%d" % descriptor


def reopen(descriptor: int, flags: int) -> int:
    """A new descriptor of the same file, which no rename can exchange."""
    return os.open(own(descriptor), flags & HOW_TO_OPEN | os.O_CLOEXEC | os.O_NOCTTY)


def is_link(file: kernel.Status) -> bool:
    return stat.S_ISLNK(file.mode)
