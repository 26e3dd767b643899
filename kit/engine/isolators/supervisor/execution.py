"""``execve`` in a root file system that the kernel does not know.

The kernel would look for the program, its interpreter (``#!``) and its loader (ELF's PT_INTERP) on the machine. So
the supervisor resolves all three in the container, and lets the kernel execute the container's loader with the
program as its first argument: what ``ld.so PROGRAM`` does on any machine. The program's name in ``ps`` comes from a
symlink of that name.

Source: execve(2); elf(5); ld.so(8), ``--argv0``; Linux, fs/binfmt_script.c.
"""

import errno
import os
import stat
import struct
from collections.abc import Sequence
from typing import NamedTuple

from kit.engine.isolators.supervisor import ids, ownership
from kit.engine.isolators.supervisor.call import Call
from kit.engine.isolators.supervisor.ids import FileRights, Identity
from kit.engine.isolators.supervisor.kernel import AT_CWD
from kit.engine.isolators.supervisor.ownership import CAPABILITY, EXECUTE
from kit.engine.isolators.supervisor.paths import ELSEWHERE, Found, is_named
from kit.engine.isolators.supervisor.registers import Registers
from kit.engine.isolators.supervisor.scratch import place_for
from kit.engine.isolators.supervisor.tasks import Task

_MOST_SCRIPTS = 5
_HEAD = 4096
_PT_INTERP = 3
_COMM = 15
HELD = b"/proc/.held/"
# Programs that need ``chroot``, where a filter outside of ours refuses it: they are stopped at every call.
STEPPED = frozenset((b"chroot", b"sshd", b"sshd-session", b"sshd-auth"))
# What a loader ignores when a program has more rights than who started it. Source: ld.so(8), "Secure-execution mode".
_UNSAFE = (
    b"LD_", b"GCONV_PATH=", b"GETCONF_DIR=", b"HOSTALIASES=", b"LOCALDOMAIN=", b"LOCPATH=", b"MALLOC_", b"NIS_PATH=",
    b"NLSPATH=", b"RESOLV_HOST_CONF=", b"RES_OPTIONS=", b"TMPDIR=", b"TZDIR=", b"GLIBC_TUNABLES=",
)  # fmt: skip


class Program(NamedTuple):
    """A file to execute."""

    path: bytes
    """In the container."""
    host: bytes
    """On the machine."""
    head: bytes
    interpreter: bytes | None
    """ELF's loader."""
    rights: FileRights
    held: int | None
    """A descriptor to keep while it runs: the file has no name."""


class Plan(NamedTuple):
    """What the kernel shall execute: words are addresses in the program's memory, or new ones."""

    executable: bytes
    words: Sequence[int | bytes]
    shown: bytes
    inserted: int
    identity: Identity
    raised: bool
    held: tuple[int, ...]
    overwritten: tuple[int, bytes] = (0, b"")
    """Where the supervisor wrote, and what was there: a ``vfork`` shares its memory with its parent."""

    def forget(self) -> None:
        """It was not executed after all."""
        for descriptor in self.held:
            os.close(descriptor)


def execute(call: Call, registers: Registers) -> Plan:
    """Changes the arguments of ``execve`` so that the kernel executes the same program in the container."""
    task, memory = call.task, call.task.process.memory
    arguments = memory.pointers(call.arguments[1])
    made = plan(call, call.text(0), arguments)
    environment = memory.pointers(call.arguments[2]) if made.raised else None
    if environment is not None:
        environment = [address for address in environment if not memory.text(address).startswith(_UNSAFE)]
    return made._replace(overwritten=_write(task, registers, made, environment))


def plan(call: Call, path: bytes, arguments: Sequence[int | bytes]) -> Plan:
    """Finds the program; an interpreter of scripts takes its place, with the script as argument."""
    before: list[bytes] = []
    current, held, identity = path, tuple[int, ...](), call.task.identity
    for depth in range(_MOST_SCRIPTS):
        program = _look(call, current)
        held += () if program.held is None else (program.held,)
        if program.head[:2] == b"#!":
            words = program.head[2:].split(b"\n")[0].strip().split(None, 1)
            if not words:
                raise OSError(errno.ENOEXEC, "")
            name = program.path if program.held is not None else current
            before = [words[0], *(word.strip() for word in words[1:]), name, *before[1:]]
            current = words[0]
            continue
        if program.head[:4] != b"\x7fELF":
            raise OSError(errno.ENOEXEC, "")
        identity, raised = ids.after_execution(identity, program.rights if depth == 0 else FileRights())
        rest = arguments[1:]
        own_words = [*before, *rest] if before else list(arguments) or [path]
        title = os.path.basename(path)[:_COMM] or b"x"
        if program.interpreter is None:
            executable = call.box.named(program.host, title)
            return Plan(executable, own_words, program.path, 0, identity, raised, held)
        loader = _loader(call, program.interpreter)
        inserted: list[int | bytes] = [program.interpreter]
        if call.box.knows_argv0(loader):
            inserted += [b"--argv0", own_words[0]]
        inserted.append(program.path)
        executable = call.box.named(loader, title)
        return Plan(executable, [*inserted, *own_words[1:]], program.path, len(inserted) - 1, identity, raised, held)
    raise OSError(errno.ELOOP, "")


def _look(call: Call, path: bytes) -> Program:
    absolute = call.box.paths.absolute(call.task, AT_CWD, path)
    with call.box.find(call.task, absolute) as found:
        if found.place is call.box.proc:
            raise OSError(errno.EACCES, "")
        return _program(call, found)


def _program(call: Call, found: Found) -> Program:
    box, status, host = call.box, found.status(), found.host
    face = box.owners.face(status)
    if not stat.S_ISREG(status.mode) or not stat.S_ISREG(face.mode):
        raise OSError(errno.EACCES, "")
    ownership.check(face, call.task.identity, EXECUTE)
    if not face.mode & 0o111:
        raise OSError(errno.EACCES, "")
    descriptor = os.open(b"/proc/self/fd/%d" % found.descriptor, os.O_RDONLY | os.O_CLOEXEC)
    held = None
    try:
        head = os.pread(descriptor, _HEAD, 0)
        path = found.path
        if not is_named(found):
            if found.place is ELSEWHERE and not host.startswith(b"/memfd:"):
                raise OSError(errno.EACCES, "")
            held = os.dup(descriptor)
            path, host = HELD + b"%d" % held, b"/proc/%d/fd/%d" % (os.getpid(), held)
        record = box.owners.find(status)
        capability = record.xattrs.get(CAPABILITY, b"") if record is not None else b""
        rights = FileRights(stat.S_IMODE(face.mode), face.uid, face.gid, capability)
        return Program(path, host, head, _interpreter(descriptor, head), rights, held)
    finally:
        os.close(descriptor)


def _interpreter(descriptor: int, head: bytes) -> bytes | None:
    """The loader that an ELF file asks for."""
    if head[:4] != b"\x7fELF" or len(head) < 64:
        return None
    (offset,) = struct.unpack_from("<Q", head, 32)
    size, count = struct.unpack_from("<HH", head, 54)
    for index in range(min(count, 128)):
        entry = os.pread(descriptor, 56, offset + index * size)
        if len(entry) == 56 and struct.unpack_from("<I", entry)[0] == _PT_INTERP:
            start, length = struct.unpack_from("<Q", entry, 8)[0], struct.unpack_from("<Q", entry, 32)[0]
            return os.pread(descriptor, min(length, 4096), start).rstrip(b"\0")
    return None


def _loader(call: Call, interpreter: bytes) -> bytes:
    absolute = call.box.paths.absolute(call.task, AT_CWD, interpreter)
    with call.box.find(call.task, absolute) as found:
        if not stat.S_ISREG(found.status().mode) or not is_named(found):
            raise OSError(errno.EACCES, "")
        return found.host


def _write(task: Task, registers: Registers, made: Plan, environment: list[int] | None) -> tuple[int, bytes]:
    """Lays strings and pointers down below the stack; where, and what was there."""
    lists: list[Sequence[int | bytes]] = [made.words, *([environment] if environment is not None else [])]
    texts = [made.executable, *(word for word in made.words if isinstance(word, bytes))]
    pointers = sum(len(words) + 1 for words in lists)
    size = 8 * pointers + sum(len(text) + 1 for text in texts)
    base = place_for(registers, size)
    at = base + 8 * pointers
    data, starts = made.executable + b"\0", []
    table: list[int] = []
    for words in lists:
        starts.append(base + 8 * len(table))
        for word in words:
            if isinstance(word, int):
                table.append(word)
            else:
                table.append(at + len(data))
                data += word + b"\0"
        table.append(0)
    before = task.process.memory.read(base, size)
    task.process.memory.write(base, struct.pack(f"={pointers}Q", *table) + data)
    registers.set_argument(0, at)
    for index, start in enumerate(starts, 1):
        registers.set_argument(index, start)
    return base, before
