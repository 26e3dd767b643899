"""What a program says of itself: the machine it is for, and what it asks for before it can start.

Source: elf(5); ld.so(8) for what a loader does with the dynamic table.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from kit.errors import Invalid
from kit.lab.elf.write import CODE, DYNAMIC, HEADER, INTERPRETER, LOAD, PROGRAM_HEADER
from kit.views.models.strip import Part, Strip

MACHINES = {62: "x86_64", 183: "aarch64", 3: "i386", 40: "arm", 243: "riscv", 22: "s390", 21: "ppc64"}
KINDS = {1: "object file", 2: "executable", 3: "executable at any address, or library", 4: "core dump"}
_END, _NEEDED, _STRING_TABLE = 0, 1, 5


class NotElf(Invalid):
    """Bytes that are no ELF file, or a damaged one."""


class Needs(NamedTuple):
    """What is looked for before the first instruction. ``loader`` "" means: the kernel starts it alone."""

    loader: str
    libraries: tuple[str, ...]

    def __str__(self) -> str:
        if not self.loader and not self.libraries:
            return "nothing: it is whole"
        return ", ".join((*filter(None, [self.loader]), *self.libraries))


@dataclass(frozen=True)
class _Segment:
    kind: int
    offset: int
    address: int
    size: int


@dataclass(frozen=True)
class _Program:
    """An ELF file that was read: its machine, its segments."""

    data: bytes
    machine: str
    kind: int
    bits: int
    segments: tuple[_Segment, ...]

    def part(self, segment: _Segment) -> bytes:
        return self.data[segment.offset : segment.offset + segment.size]

    def find(self, kind: int) -> _Segment | None:
        return next((segment for segment in self.segments if segment.kind == kind), None)

    def offset_of(self, address: int) -> int:
        """Where in the file the byte lies that is loaded at ``address``."""
        for segment in self.segments:
            if segment.kind == LOAD and segment.address <= address < segment.address + segment.size:
                return segment.offset + address - segment.address
        raise NotElf(f"nothing is loaded at {address:#x}: the file is damaged")


def _read(program: bytes | str | Path) -> _Program:
    data = program if isinstance(program, bytes) else Path(program).read_bytes()
    if data[:4] != b"\x7fELF":
        raise NotElf(f"no ELF file: it begins with {data[:4]!r} and not with b'\\x7fELF'{_what_else(data)}")
    if len(data) < 6:
        raise NotElf(f"a damaged ELF file: it ends after {len(data)} bytes")
    bits, order = {1: 32, 2: 64}.get(data[4], 0), {1: "<", 2: ">"}.get(data[5], "")
    if not bits or not order:
        raise NotElf("the ELF header names neither 32 nor 64 bits, or no byte order")
    try:
        kind, machine = struct.unpack_from(order + "HH", data, 16)
        where = struct.unpack_from(order + ("Q" if bits == 64 else "I"), data, 32 if bits == 64 else 28)[0]
        width, count = struct.unpack_from(order + "HH", data, 54 if bits == 64 else 42)
        segments = tuple(_segment(data, where + place * width, bits, order) for place in range(count))
    except struct.error as error:
        raise NotElf("the ELF file ends before its headers do") from error
    return _Program(data, MACHINES.get(machine, f"machine {machine}"), kind, bits, segments)


def _segment(data: bytes, at: int, bits: int, order: str) -> _Segment:
    if bits == 64:
        kind, _, offset, address, _, size = struct.unpack_from(order + "IIQQQQ", data, at)
    else:
        kind, offset, address, _, size = struct.unpack_from(order + "IIIII", data, at)
    return _Segment(kind, offset, address, size)


def _what_else(data: bytes) -> str:
    first = data.partition(b"\n")[0][:80]
    if first.startswith(b"#!"):
        ends = ", and the line ends with a carriage return (Windows)" if first.endswith(b"\r") else ""
        return f". It is a script for {first[2:].strip().decode(errors='replace')!r}{ends}"
    return ""


def needs(program: bytes | str | Path) -> Needs:
    """The loader and the libraries that ``program`` (its bytes, or a file) asks for.

    Raises:
        NotElf: it is no program for Linux, or a damaged one.
    """
    elf = _read(program)
    interpreter = elf.find(INTERPRETER)
    loader = elf.part(interpreter).rstrip(b"\0").decode(errors="replace") if interpreter else ""
    return Needs(loader, tuple(_libraries(elf)))


def _libraries(elf: _Program) -> Iterator[str]:
    dynamic = elf.find(DYNAMIC)
    if dynamic is None or elf.bits != 64:
        return
    table = elf.part(dynamic)
    table = table[: len(table) // 16 * 16]
    order = "<" if elf.data[5] == 1 else ">"
    rows = [row for row in struct.iter_unpack(order + "qQ", table) if row[0] != _END]
    strings = next((elf.offset_of(value) for tag, value in rows if tag == _STRING_TABLE), 0)
    for tag, value in rows:
        if tag == _NEEDED:
            name = elf.data[strings + value :].partition(b"\0")[0]
            yield name.decode(errors="replace")


def describe(program: bytes | str | Path) -> Strip:
    """The parts of a program in their order, with the first bytes of each: a view.

    Raises:
        NotElf: it is no program for Linux, or a damaged one.
    """
    elf = _read(program)
    header, width = (HEADER, PROGRAM_HEADER) if elf.bits == 64 else (52, 32)
    count = len(elf.segments)
    rest = header + width * count
    text = _text_at_the_end(elf.data[rest:])
    code_size = len(elf.data) - rest - len(text)
    parts = [
        Part("ELF header", 0, header, "what it is, and for which CPU", elf.data[:header]),
        Part(
            f"{count} program header{'s' * (count != 1)}",
            header,
            rest - header,
            "which bytes to load where",
            elf.data[header:rest],
        ),
        Part("code" if text else "code and data", rest, code_size, "what the CPU does", elf.data[rest:][:code_size]),
    ]
    if text:
        parts.append(Part("text", rest + code_size, len(text), "what is printed", text))
    facts = {
        "made for": f"{elf.machine}, {elf.bits} bits",
        "kind": KINDS.get(elf.kind, f"type {elf.kind}"),
        "asks for": str(needs(elf.data)),
    }
    return Strip(tuple(parts), facts)


def _text_at_the_end(data: bytes) -> bytes:
    """What ``tiny`` appends to its code; b"" for every other program."""
    for code in CODE.values():
        length = len(data) - len(code(0))
        if length >= 0 and data[: -length or None] == code(length):
            return data[len(data) - length :]
    return b""
