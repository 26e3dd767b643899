"""A wall behind the network supervisor: the kernel itself refuses the machine's loopback to a container.

The supervisor lets a call go on unchanged when it reads an address elsewhere; a process with a second thread can
change that address in between. So a program of a few instructions stands on the container's control group and
looks at what the kernel really uses. It needs the second version of control groups, in whatever place, and the
kernel's CONFIG_CGROUP_BPF; without them there is only the supervisor.

Source: linux/bpf.h (bpf_sock_addr, bpf_attr); the kernel's Documentation/bpf/standardization/instruction-set.rst.
"""

import ctypes
import ipaddress
import os
import platform
import struct
from collections.abc import Sequence
from enum import IntEnum
from pathlib import Path

_LOAD_PROGRAM, _ATTACH, _SOCK_ADDR = 5, 8, 18
_SYSCALL = {"x86_64": 321, "aarch64": 280}.get(platform.machine())
_IP4, _IP6, _PORT = 4, 8, 24  # Where bpf_sock_addr has them, all in network order.
_MAPPED = int.from_bytes(b"\0\0\xff\xff", "little")
_LOOPBACK6 = int.from_bytes(b"\0\0\0\1", "little")


class Hook(IntEnum):
    """Where the kernel asks: the numbers of bpf_attach_type."""

    BIND4 = 8
    BIND6 = 9
    CONNECT4 = 10
    CONNECT6 = 11
    SEND4 = 14
    SEND6 = 15


def build(container: Path, own: str, *, resolver: bool) -> bool:
    """Puts the wall on the control group ``container``; False where this kernel can't.

    ``resolver``: a name server on loopback, port 53, stays reachable.
    """
    directory = os.open(container, os.O_RDONLY | os.O_CLOEXEC)
    try:
        for hook in Hook:
            descriptor = _load(program(hook, ipaddress.IPv4Address(own), resolver=resolver), hook)
            _bpf(_ATTACH, struct.pack("=4I", directory, descriptor, hook, 0))
            os.close(descriptor)
    except OSError:
        return False
    finally:
        os.close(directory)
    return True


def program(hook: Hook, own: ipaddress.IPv4Address, *, resolver: bool) -> bytes:
    """The instructions for one hook: end with 1 to let pass, with 0 to refuse (EPERM)."""
    text = _BIND if hook in (Hook.BIND4, Hook.BIND6) else _REACH
    start = "v4" if hook in (Hook.BIND4, Hook.CONNECT4, Hook.SEND4) else "v6"
    values = {"own": int.from_bytes(own.packed, "little"), "dns": 0x3500 if resolver else 0x10000}
    return _assemble([*(_V4 if start == "v4" else _V6), *text, *_ENDS], values)


# One line is one instruction: an optional label, what to do, and with what. r1 points to bpf_sock_addr; r2 gets
# the IPv4 address (0 for any and for ::1), r3 the port; r4 is scratch.
_V4 = (
    f"load r2 {_IP4}",
    f"load r3 {_PORT}",
)
_V6 = (
    f"load r3 {_PORT}",
    f"load r4 {_IP6}",
    "differs r4 0 pass",
    f"load r4 {_IP6 + 4}",
    "differs r4 0 pass",
    f"load r2 {_IP6 + 12}",
    f"load r4 {_IP6 + 8}",
    f"equals r4 {_MAPPED} check",
    "differs r4 0 pass",
    f"equals r2 {_LOOPBACK6} alike",
    "differs r2 0 pass",
    "alike: set r2 0",
)
_BIND = (
    "check: equals r3 0 any",
    "equals r2 0 refuse",
    "any: copy r4 r2",
    "and r4 255",
    "differs r4 127 pass",
    "differs r2 own refuse",
    "goto pass",
)
_REACH = (
    "check: equals r2 0 refuse",
    "copy r4 r2",
    "and r4 255",
    "differs r4 127 pass",
    "equals r3 dns pass",
    "copy r4 r2",
    "and r4 65535",
    f"differs r4 {127 | 66 << 8} refuse",
)
_ENDS = ("pass: set r0 1", "exit", "refuse: set r0 0", "exit")

_CODES = {
    "load": 0x61,
    "copy": 0xBF,
    "and": 0x57,
    "set": 0xB7,
    "equals": 0x16,
    "differs": 0x56,
    "goto": 0x05,
    "exit": 0x95,
}


def _assemble(lines: Sequence[str], values: dict[str, int]) -> bytes:
    parted = [line.rpartition(": ") for line in lines]
    labels = {label: place for place, (label, _, _) in enumerate(parted) if label}
    return b"".join(_instruction(text.split(), place, labels, values) for place, (_, _, text) in enumerate(parted))


def _instruction(words: list[str], place: int, labels: dict[str, int], values: dict[str, int]) -> bytes:
    name, *operands = words
    target = offset = value = source = 0
    if name in ("equals", "differs", "goto"):
        offset = labels[operands.pop()] - place - 1
    if operands:
        target = int(operands[0][1:])
    if name == "load":
        source, offset = 1, int(operands[1])
    elif name == "copy":
        source = int(operands[1][1:])
    elif len(operands) > 1:
        value = values[operands[1]] if operands[1] in values else int(operands[1])
    return struct.pack("=BBhI", _CODES[name], target | source << 4, offset, value)


def _load(code: bytes, hook: Hook) -> int:
    program_text, licence = ctypes.create_string_buffer(code, len(code)), ctypes.create_string_buffer(b"GPL")
    where = (ctypes.addressof(program_text), ctypes.addressof(licence))
    return _bpf(_LOAD_PROGRAM, struct.pack("=IIQQ40xII", _SOCK_ADDR, len(code) // 8, *where, 0, hook))


def _bpf(command: int, attributes: bytes) -> int:
    if _SYSCALL is None:
        raise OSError(f"no bpf on {platform.machine()}")
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    result = int(libc.syscall(ctypes.c_long(_SYSCALL), command, buffer, len(attributes)))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
