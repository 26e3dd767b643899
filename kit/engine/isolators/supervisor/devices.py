"""``/dev`` as a container sees it: harmless devices, its own terminals, and what it makes there itself.

It is a directory of the container's own, in which some names stand for devices of the machine. A pseudo terminal is
known by a descriptor that was taken when the container made it, since its number may be somebody else's later.

Source: moby, oci/defaults.go (devices); pts(4); tty(4).
"""

import contextlib
import errno
import fcntl
import os
import struct
import termios

from kit.engine.isolators.supervisor import kernel
from kit.engine.isolators.supervisor.places import O_PATH, Directory, link_of, reopen
from kit.engine.isolators.supervisor.tasks import Task

DEVICES = {
    b"null": (1, 3), b"zero": (1, 5), b"full": (1, 7), b"random": (1, 8), b"urandom": (1, 9),
    b"tty": (5, 0),
}  # fmt: skip
_LINKS = {
    b"fd": b"/proc/self/fd", b"stdin": b"/proc/self/fd/0", b"stdout": b"/proc/self/fd/1",
    b"stderr": b"/proc/self/fd/2", b"ptmx": b"pts/ptmx", b"core": b"/proc/kcore",
}  # fmt: skip
_PTY_SLAVES = range(136, 144)
_GET_NUMBER = 0x80045430  # TIOCGPTN


class Devices(Directory):
    """The place ``/dev``."""

    def __init__(self, directory: bytes) -> None:
        os.mkdir(directory, 0o755)
        os.mkdir(directory + b"/pts", 0o755)
        os.mkdir(directory + b"/shm", 0o755)
        os.mkdir(directory + b"/mqueue", 0o755)
        for name, target in _LINKS.items():
            os.symlink(target, directory + b"/" + name)
        self._held = {}
        for name in (*DEVICES, b"pts/ptmx"):
            with contextlib.suppress(OSError):
                self._held[name] = os.open(b"/dev/" + name if name != b"pts/ptmx" else b"/dev/ptmx", O_PATH)
                _placeholder(directory + b"/" + name)
        super().__init__(b"/dev", directory)

    def add_console(self, terminal: int) -> None:
        """``/dev/console`` is the terminal that the engine gave."""
        self._held[b"console"] = os.open(b"/proc/self/fd/%d" % terminal, O_PATH)
        _placeholder(self.source + b"/console")

    def find(self, task: Task, inner: bytes) -> int:
        held = self._held.get(inner)
        return super().find(task, inner) if held is None else os.dup(held)

    def link(self, task: Task, inner: bytes) -> bytes | None:
        return None if inner in self._held else link_of(self, task, inner)

    def open(self, task: Task, inner: bytes, descriptor: int, flags: int) -> int:
        if inner == b"tty":
            return self._controlling_terminal(task, flags)
        opened = reopen(descriptor, flags)
        if inner == b"pts/ptmx":
            self._add_terminal(opened)
        return opened

    def open_device(self, device: int, flags: int) -> int:
        """A device file that was made elsewhere: as Docker's device list allows."""
        for name, numbers in DEVICES.items():
            if numbers == (os.major(device), os.minor(device)) and name in self._held:
                return reopen(self._held[name], flags)
        raise OSError(errno.EPERM, "")

    def is_console(self, host: bytes) -> bool:
        console = self._held.get(b"console")
        return console is not None and os.readlink(b"/proc/self/fd/%d" % console) == host

    def holds(self, told: os.stat_result) -> bool:
        """Whether a device is one of the container's."""
        return any(os.path.samestat(os.fstat(held), told) for held in self._held.values())

    def _add_terminal(self, master: int) -> None:
        (number,) = struct.unpack("=I", fcntl.ioctl(master, _GET_NUMBER, b"\0" * 4))
        name = b"pts/%d" % number
        if name in self._held:
            os.close(self._held[name])
        else:
            _placeholder(self.source + b"/" + name)
        self._held[name] = os.open(b"/dev/" + name, O_PATH)

    def _controlling_terminal(self, task: Task, flags: int) -> int:
        with open(b"/proc/%d/stat" % task.id, "rb") as file:
            number = int(file.read().rpartition(b")")[2].split()[4])
        device = os.makedev(number >> 8 & 0xFFF, number & 0xFF | number >> 12 & 0xFFF00)
        for name, held in self._held.items():
            told = kernel.status(held)
            if number and os.makedev(told.device_major, told.device_minor) == device and name != b"tty":
                return reopen(held, flags)
        raise OSError(errno.ENXIO, "")


def is_terminal(descriptor: int) -> bool:
    try:
        termios.tcgetattr(descriptor)
    except termios.error:
        return False
    return True


def _placeholder(name: bytes) -> None:
    os.close(os.open(name, os.O_CREAT | os.O_CLOEXEC, 0o666))
