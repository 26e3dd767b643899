"""Programs written byte by byte: the smallest whole one, and one that asks for a loader.

``tiny`` is a header, one program header, eight instructions and the text. ``dynamic`` does the same, but names a
loader and a library, as compilers make it unless you ask: alone it does not start.

Source: elf(5); the System V ABI; syscall(2) for the numbers of write and exit.
"""

import platform
import struct
from collections.abc import Callable

from kit.errors import Unavailable

HEADER, PROGRAM_HEADER = 64, 56
"""Bytes of the two headers of a 64-bit ELF file."""
BASE = 0x400000
"""Where the program is loaded, as linkers have done since 1995."""
PAGE = 0x1000
NUMBERS = {"x86_64": 62, "aarch64": 183}
LOADERS = {"x86_64": "/lib64/ld-linux-x86-64.so.2", "aarch64": "/lib/ld-linux-aarch64.so.1"}
LOAD, DYNAMIC, INTERPRETER = 1, 2, 3
READ_RUN, READ_WRITE_RUN = 5, 7


def tiny(text: str, *, machine: str = "") -> bytes:
    """A static program that prints ``text`` and ends with exit code 0.

    ``machine`` is "x86_64" or "aarch64"; "" is this one, "other" one that this is not.

    Raises:
        Unavailable: no code is known for the machine.
    """
    machine, message = known_machine(machine), text.encode()
    body = CODE[machine](len(message)) + message
    entry = HEADER + PROGRAM_HEADER
    header = _header(machine, BASE + entry, program_headers=1)
    return header + _program_header(LOAD, READ_RUN, 0, entry + len(body), PAGE) + body


def dynamic(text: str, *, machine: str = "") -> bytes:
    """The same, but it asks for the machine's usual loader and for the C library before it starts.

    Raises:
        Unavailable: no code is known for the machine.
    """
    machine, message = known_machine(machine), text.encode()
    loader, strings = LOADERS[machine].encode() + b"\0", b"\0libc.so.6\0"
    loader_at = HEADER + 3 * PROGRAM_HEADER
    strings_at = loader_at + len(loader)
    symbols_at = (strings_at + len(strings) + 7) // 8 * 8
    hash_at = symbols_at + 24
    table_at = hash_at + 16
    rows = {
        1: 1,
        5: BASE + strings_at,
        10: len(strings),
        6: BASE + symbols_at,
        11: 24,
        4: BASE + hash_at,
        21: 0,
        0: 0,
    }
    table = b"".join(struct.pack("<qQ", *row) for row in rows.items())
    entry = table_at + len(table)
    body = CODE[machine](len(message)) + message
    return b"".join(
        (
            _header(machine, BASE + entry, program_headers=3),
            _program_header(INTERPRETER, READ_RUN, loader_at, len(loader), 1),
            _program_header(LOAD, READ_WRITE_RUN, 0, entry + len(body), PAGE),
            _program_header(DYNAMIC, READ_WRITE_RUN, table_at, len(table), 8),
            (loader + strings).ljust(symbols_at - loader_at, b"\0"),
            bytes(24),  # the one symbol that every table begins with
            struct.pack("<4I", 1, 1, 0, 0),  # a hash table that finds nothing
            table,
            body,
        )
    )


def known_machine(name: str) -> str:
    """The machine that is meant, if code for it can be written."""
    here = platform.machine().lower()
    here = {"arm64": "aarch64", "amd64": "x86_64"}.get(here, here)
    if name == "other":
        return "aarch64" if here == "x86_64" else "x86_64"
    if (name or here) not in CODE:
        raise Unavailable(f"kit.elf writes code for {' and '.join(CODE)}, not for {name or here!r}")
    return name or here


def _header(machine: str, entry: int, *, program_headers: int) -> bytes:
    identity = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)  # 64 bits, little endian, version 1
    executable, version, sections = 2, 1, 0
    numbers = (executable, NUMBERS[machine], version, entry, HEADER, sections, 0)
    return identity + struct.pack("<HHIQQQIHHHHHH", *numbers, HEADER, PROGRAM_HEADER, program_headers, 0, 0, 0)


def _program_header(kind: int, rights: int, offset: int, size: int, align: int) -> bytes:
    return struct.pack("<IIQQQQQQ", kind, rights, offset, BASE + offset, BASE + offset, size, size, align)


def _x86_64(length: int) -> bytes:
    """write(1, text, length); exit(0). The text follows the code."""
    size, text_from_here = 36, 19
    code = (
        b"\xb8\x01\x00\x00\x00"  # mov eax, 1 (write)
        b"\xbf\x01\x00\x00\x00"  # mov edi, 1 (standard output)
        b"\x48\x8d\x35"
        + struct.pack("<i", text_from_here)  # lea rsi, [rip + 19]
        + b"\xba"
        + struct.pack("<I", length)  # mov edx, length
        + b"\x0f\x05"  # syscall
        b"\xb8\x3c\x00\x00\x00"  # mov eax, 60 (exit)
        b"\xbf\x00\x00\x00\x00"  # mov edi, 0
        b"\x0f\x05"  # syscall
    )
    assert len(code) == size
    return code


def _aarch64(length: int) -> bytes:
    """The same in nine instructions of four bytes."""
    return struct.pack(
        "<9I",
        0xD2800020,  # mov x0, #1 (standard output)
        0x10000101,  # adr x1, . + 32
        0xD2800002 | (length & 0xFFFF) << 5,  # movz x2, length
        0xF2A00002 | (length >> 16 & 0xFFFF) << 5,  # movk x2, length, lsl 16
        0xD2800808,  # mov x8, #64 (write)
        0xD4000001,  # svc #0
        0xD2800000,  # mov x0, #0
        0xD2800BA8,  # mov x8, #93 (exit)
        0xD4000001,  # svc #0
    )


CODE: dict[str, Callable[[int], bytes]] = {"x86_64": _x86_64, "aarch64": _aarch64}
