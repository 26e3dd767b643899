"""Which file a call means: found by the kernel, as the calling process would find it.

The supervisor's root is the container's, and ``/proc/PID/cwd`` and ``/proc/PID/fd/N`` lead to where the process
starts from; so symlinks, ``..`` and mounts are followed as they are for the process itself.

Source: path_resolution(7); proc(5).
"""

import os
import stat
from typing import NamedTuple

from kit.engine.isolators.namespaces.recorded.call import Call
from kit.engine.isolators.supervisor import kernel, ownership
from kit.engine.isolators.supervisor.kernel import AT_CWD, AT_NO_FOLLOW, Status
from kit.engine.isolators.supervisor.ownership import EXECUTE, WRITE, Face

_SELF = b"/proc/self/"
"""The one link that means something else for whoever follows it: we are in nobody's ``/proc``."""


class Where(NamedTuple):
    """A path relative to a directory that is open here. Its first ``base`` bytes lead to where it starts from."""

    directory: int
    path: bytes
    base: int = 0

    @property
    def at(self) -> int | None:
        """For functions of ``os``: their ``dir_fd``."""
        return None if self.directory == AT_CWD else self.directory

    @property
    def has_name(self) -> bool:
        """Whether it is found by a name; otherwise the process has it open."""
        return len(self.path) > self.base

    @property
    def parent(self) -> "Where":
        above = self.path.rstrip(b"/").rpartition(b"/")[0]
        return self._replace(path=above if len(above) > self.base else self.path[: self.base] or b"/")

    def status(self, *, follow: bool = True) -> Status:
        return kernel.status(self.directory, self.path, 0 if follow else AT_NO_FOLLOW)

    def open(self, flags: int, mode: int = 0) -> int:
        return os.open(self.path, flags | os.O_CLOEXEC | os.O_NOCTTY, mode, dir_fd=self.at)


def where(call: Call, directory: int, path: bytes) -> Where:
    """
    Raises:
        FileNotFoundError: the path is empty.
    """
    if not path:
        raise FileNotFoundError
    if path.startswith(_SELF):
        path = b"/proc/%s/%s" % (call.task.status(b"NStgid").split()[-1], path.removeprefix(_SELF))
    if path.startswith(b"/") and not call.box.somebody_changed_root:
        return Where(AT_CWD, path)
    start = b"%d/root" % call.pid if path.startswith(b"/") else descriptor(call, directory).path
    return Where(call.box.proc, start + b"/" + path, len(start))


def descriptor(call: Call, number: int) -> Where:
    """What the process has open (AT_FDCWD: its working directory)."""
    path = b"%d/cwd" % call.pid if number == AT_CWD else b"%d/fd/%d" % (call.pid, number)
    return Where(call.box.proc, path, len(path))


def named(call: Call, index: int, directory: int = AT_CWD) -> Where:
    return where(call, directory, call.text(index))


def either(call: Call, index: int, directory: int, flags: int) -> Where:
    """What a path names; with an empty one, and flags that say so, what is open as ``directory``."""
    path = call.text(index) if call.arguments[index] else b""
    if not path and (flags & kernel.AT_EMPTY_PATH or not call.arguments[index]):
        return descriptor(call, directory)
    return where(call, directory, path)


def check_way(call: Call, place: Where, *, follow: bool = True) -> None:
    """Whether every directory on the way lets the caller pass.

    Raises:
        OSError: EACCES.
    """
    if call.is_above or not place.has_name:
        return
    passes = place if follow else place.parent
    held = _nearest(passes)
    if held is None:
        return
    try:
        path = os.readlink(b"self/fd/%d" % held, dir_fd=call.box.proc)
        is_directory = stat.S_ISDIR(kernel.status(held).mode)
    finally:
        os.close(held)
    if not path.startswith(b"/") or path.endswith(b" (deleted)"):
        return  # A pipe or a socket, or a place that nobody passes any more.
    if not is_directory or follow:
        path = os.path.dirname(path)
    _check_above(call, path)


def _check_above(call: Call, path: bytes) -> None:
    while True:
        ownership.check(call.box.face(kernel.status(AT_CWD, path, AT_NO_FOLLOW)), call.who, EXECUTE)
        if path == b"/":
            return
        path = os.path.dirname(path)


def _nearest(place: Where) -> int | None:
    """The file, or the first directory above it that there is."""
    while True:
        try:
            return place.open(os.O_PATH)
        except OSError:
            if not place.has_name or place.path == b"/":
                return None
            place = place.parent


def check_parent(call: Call, place: Where) -> Face:
    """The face of the directory that ``place`` is in.

    Raises:
        OSError: EACCES, the caller may not change names in it.
    """
    check_way(call, place, follow=False)
    face = call.box.face(place.parent.status())
    if not call.is_above:
        ownership.check(face, call.who, WRITE | EXECUTE)
    return face
