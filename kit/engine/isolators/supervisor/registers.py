"""The registers of a stopped task, by what a system call uses them for.

Source: ptrace(2) PTRACE_GETREGSET; the kernel's user_regs_struct (x86_64) and user_pt_regs (aarch64); syscall(2).
"""

import ctypes
import platform
import struct
from typing import NamedTuple

from kit.engine.isolators.supervisor import kernel

_NT_PRSTATUS, _NT_ARM_SYSTEM_CALL = 1, 0x404
_MASK = (1 << 64) - 1


class _Layout(NamedTuple):
    """Where in the register set things stand."""

    size: int
    number: int
    arguments: tuple[int, ...]
    result: int
    stack: int
    instruction: int


_LAYOUTS = {
    "x86_64": _Layout(27, 15, (14, 13, 12, 7, 9, 8), 10, 19, 16),
    "aarch64": _Layout(34, 8, (0, 1, 2, 3, 4, 5), 0, 31, 32),
}
_LAYOUT = _LAYOUTS.get(platform.machine(), _LAYOUTS["x86_64"])
_ARM = platform.machine() == "aarch64"
_values = ctypes.create_string_buffer(_LAYOUT.size * 8)
_FORMAT = struct.Struct(f"={_LAYOUT.size}Q")
_vector = ctypes.create_string_buffer(struct.pack("=QQ", ctypes.addressof(_values), _LAYOUT.size * 8), 16)
_number = ctypes.create_string_buffer(4)
_number_vector = ctypes.create_string_buffer(struct.pack("=QQ", ctypes.addressof(_number), 4), 16)


class Registers:
    """A copy, taken when the task stopped. ``write`` puts changes back."""

    __slots__ = ("task", "values")

    def __init__(self, task: int) -> None:
        self.task = task
        _vector.raw = struct.pack("=QQ", ctypes.addressof(_values), _LAYOUT.size * 8)
        kernel.ptrace(kernel.PTRACE_GETREGSET, task, _NT_PRSTATUS, ctypes.addressof(_vector))
        self.values: list[int] = list(_FORMAT.unpack(_values.raw))

    def copy(self) -> "Registers":
        """Another one with the same values."""
        other = Registers.__new__(Registers)
        other.task, other.values = self.task, list(self.values)
        return other

    @property
    def number(self) -> int:
        """The call's number."""
        return self.values[_LAYOUT.number]

    @property
    def arguments(self) -> list[int]:
        return [self.values[place] for place in _LAYOUT.arguments]

    def set_argument(self, index: int, value: int) -> None:
        self.values[_LAYOUT.arguments[index]] = value & _MASK

    @property
    def result(self) -> int:
        """At the exit of a call; negative is an errno."""
        value = self.values[_LAYOUT.result]
        return value - (1 << 64) if value >> 63 else value

    @result.setter
    def result(self, value: int) -> None:
        self.values[_LAYOUT.result] = value & _MASK

    @property
    def stack(self) -> int:
        return self.values[_LAYOUT.stack]

    def write(self) -> None:
        _values.raw = _FORMAT.pack(*self.values)
        kernel.ptrace(kernel.PTRACE_SETREGSET, self.task, _NT_PRSTATUS, ctypes.addressof(_vector))

    def skip_call(self, result: int) -> None:
        """At the entry of a call: it does not happen, and returns ``result``."""
        self.result = result
        if _ARM:
            _number.raw = struct.pack("=i", -1)
            kernel.ptrace(kernel.PTRACE_SETREGSET, self.task, _NT_ARM_SYSTEM_CALL, ctypes.addressof(_number_vector))
        else:
            self.values[_LAYOUT.number] = _MASK
        self.write()

    def restore(self, before: "Registers") -> None:
        """At the exit of a call: everything as at its entry, but for the result."""
        result = self.result
        changed = list(before.values)
        for place in (_LAYOUT.instruction, _LAYOUT.number):
            changed[place] = self.values[place]
        self.values = changed
        self.result = result
        self.write()
