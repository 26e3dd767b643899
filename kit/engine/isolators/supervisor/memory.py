"""Reading and writing a process's memory.

Through ``/proc/PID/mem``, since Docker's profile refuses ``process_vm_readv``. The descriptor is kept as long as the
process keeps its address space: until it executes something else or ends.
"""

import errno
import os
import struct

PAGE = 4096
LONGEST_PATH = 4096
_FIRST_LOOK = 256


class Memory:
    """One address space."""

    __slots__ = ("_descriptor", "pid")

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._descriptor = -1

    def close(self) -> None:
        """Forgets the address space; the next use opens the one that the process has then."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _file(self) -> int:
        if self._descriptor < 0:
            self._descriptor = os.open(b"/proc/%d/mem" % self.pid, os.O_RDWR | os.O_CLOEXEC)
        return self._descriptor

    def read(self, address: int, size: int) -> bytes:
        """Up to ``size`` bytes: fewer where the mapped memory ends.

        Raises:
            OSError: EFAULT, nothing is there.
        """
        try:
            found = os.pread(self._file(), size, address)
        except (OverflowError, OSError) as problem:
            raise OSError(errno.EFAULT, "") from problem
        if not found and size:
            raise OSError(errno.EFAULT, "")
        return found

    def read_all(self, address: int, size: int) -> bytes:
        """Exactly ``size`` bytes."""
        found = self.read(address, size) if size else b""
        if len(found) < size:
            raise OSError(errno.EFAULT, "")
        return found

    def text(self, address: int) -> bytes:
        """The string at ``address``, without its 0."""
        found = self.read(address, min(PAGE - (address & PAGE - 1), _FIRST_LOOK))
        end = found.find(b"\0")
        while end < 0:
            if len(found) >= LONGEST_PATH:
                raise OSError(errno.ENAMETOOLONG, "")
            further = address + len(found)
            found += self.read(further, PAGE - (further & PAGE - 1))
            end = found.find(b"\0")
        return found[:end]

    def pointers(self, address: int) -> list[int]:
        """A list of pointers that ends with 0, without it."""
        found: list[int] = []
        while address:
            room = (PAGE - (address & PAGE - 1)) // 8 * 8 or 8
            piece = self.read(address, room)
            values = struct.unpack(f"={len(piece) // 8}Q", piece[: len(piece) // 8 * 8])
            if 0 in values:
                return found + list(values[: values.index(0)])
            found += values
            address += len(piece)
        return found

    def write(self, address: int, data: bytes) -> None:
        try:
            done = os.pwrite(self._file(), data, address)
        except (OverflowError, OSError) as problem:
            raise OSError(errno.EFAULT, "") from problem
        if done != len(data):
            raise OSError(errno.EFAULT, "")
