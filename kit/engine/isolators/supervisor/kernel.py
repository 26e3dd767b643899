"""The system calls of the supervisor that Python has no name for.

Each raises ``OSError`` with the kernel's errno. Structures are packed once and reused: the supervisor makes
these calls tens of thousands of times in an install step.

Source: statx(2), openat2(2), seccomp_unotify(2), ptrace(2), signalfd(2), landlock(7).
"""

import ctypes
import errno
import fcntl
import os
import platform
import struct
from typing import NamedTuple

_libc = ctypes.CDLL(None, use_errno=True)
_syscall = _libc.syscall
_syscall.restype = ctypes.c_long

_SECCOMP, _RENAMEAT2, _UTIMENSAT = {"x86_64": (317, 316, 280), "aarch64": (277, 276, 88)}.get(
    platform.machine(), (-1, -1, -1)
)
_OPENAT2, _LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 437, 444, 445, 446

AT_CWD, AT_NO_FOLLOW, AT_FOLLOW, AT_EMPTY_PATH, AT_REMOVE_DIRECTORY = -100, 0x100, 0x400, 0x1000, 0x200


def error() -> OSError:
    return OSError(ctypes.get_errno(), "")


def check(result: int) -> int:
    if result < 0:
        raise error()
    return result


class Status(NamedTuple):
    """What ``statx`` tells, in its order."""

    mask: int
    block_size: int
    attributes: int
    links: int
    uid: int
    gid: int
    mode: int
    inode: int
    size: int
    blocks: int
    attributes_mask: int
    accessed: int
    accessed_ns: int
    born: int
    born_ns: int
    changed: int
    changed_ns: int
    modified: int
    modified_ns: int
    device_major: int
    device_minor: int
    holder_major: int
    holder_minor: int


STATX = struct.Struct("<IIQIIIHxxQQQQ" + "qI4x" * 4 + "IIII")
_BASIC_AND_BIRTH = 0xFFF
_buffer = ctypes.create_string_buffer(256)
_address = ctypes.c_void_p(ctypes.addressof(_buffer))
_statx = _libc.statx
_statx.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_uint, ctypes.c_void_p]


def status(directory: int, path: bytes = b"", flags: int = AT_EMPTY_PATH) -> Status:
    """Only for the supervisor's main thread: there is one buffer."""
    if _statx(directory, path, flags, _BASIC_AND_BIRTH, _address) < 0:
        raise error()
    return Status._make(STATX.unpack_from(_buffer))


IN_ROOT, BENEATH, NO_MAGIC_LINKS, NO_LINKS = 0x10, 8, 2, 4
_HOW = struct.Struct("QQQ")
_MOST_TRIES = 1000


def open_at(directory: int, path: bytes, flags: int, resolve: int, mode: int = 0) -> int:
    """``openat2``. EAGAIN (a rename anywhere on the machine met a ".." step) is tried again."""
    how = ctypes.c_char_p(_HOW.pack(flags | os.O_CLOEXEC, mode, resolve))
    for _ in range(_MOST_TRIES):
        descriptor: int = _syscall(_OPENAT2, directory, ctypes.c_char_p(path), how, 24)
        if descriptor >= 0:
            return descriptor
        if ctypes.get_errno() != errno.EAGAIN:
            break
    raise error()


def rename(old_directory: int, old: bytes, new_directory: int, new: bytes, flags: int) -> None:
    names = (ctypes.c_char_p(old), ctypes.c_char_p(new))
    check(_syscall(_RENAMEAT2, old_directory, names[0], new_directory, names[1], flags))


def set_times(path: bytes, times: bytes | None) -> None:
    """``times``: two timespecs, or None for now."""
    check(_syscall(_UTIMENSAT, AT_CWD, ctypes.c_char_p(path), ctypes.c_char_p(times) if times else None, 0))


def set_times_of(descriptor: int, times: bytes | None) -> None:
    """The same for an O_PATH descriptor (also of a symlink). Linux 5.8."""
    where = (descriptor, ctypes.c_char_p(b""))
    check(_syscall(_UTIMENSAT, *where, ctypes.c_char_p(times) if times else None, AT_EMPTY_PATH))


def file_system_status(descriptor: int) -> bytes:
    """``struct statfs``."""
    buffer = ctypes.create_string_buffer(120)
    check(_libc.fstatfs(descriptor, buffer))
    return buffer.raw


# --- the filter's listener

_RECEIVE, _SEND, _STILL_VALID, _ADD_DESCRIPTOR, _SET_FLAGS = (
    0xC0502100, 0xC0182101, 0x40082102, 0x40182103, 0x40082104,
)  # fmt: skip
_NOTIFICATION = struct.Struct("=QIIiIQ6Q")
_RESPONSE = struct.Struct("=QqiI")
_NEW_DESCRIPTOR = struct.Struct("=QIIII")
_CONTINUE, _AND_SEND = 1, 2
_received, _nothing = bytearray(80), bytes(80)


def receive(listener: int) -> tuple[int, ...]:
    """The next call that waits: identity, task, flags, number, architecture, instruction pointer, six arguments."""
    _received[:] = _nothing
    fcntl.ioctl(listener, _RECEIVE, _received)
    return _NOTIFICATION.unpack(_received)


def answer(listener: int, identity: int, value: int, error_number: int = 0) -> None:
    fcntl.ioctl(listener, _SEND, _RESPONSE.pack(identity, value, -error_number, 0))


def let_go_on(listener: int, identity: int) -> None:
    """The call runs natively. Never for one with a pointer: memory may have changed since we looked."""
    fcntl.ioctl(listener, _SEND, _RESPONSE.pack(identity, 0, 0, _CONTINUE))


def still_waits(listener: int, identity: int) -> bool:
    try:
        fcntl.ioctl(listener, _STILL_VALID, struct.pack("=Q", identity))
    except OSError:
        return False
    return True


def answer_with_descriptor(listener: int, identity: int, descriptor: int, *, close_on_exec: bool) -> None:
    """The call returns a new descriptor in the process, a duplicate of ours."""
    flags = os.O_CLOEXEC if close_on_exec else 0
    try:
        fcntl.ioctl(listener, _ADD_DESCRIPTOR, _NEW_DESCRIPTOR.pack(identity, _AND_SEND, descriptor, 0, flags))
    except OSError as problem:
        if problem.errno != errno.EINVAL:
            raise
        # Before Linux 5.14: in two steps.
        new = bytearray(_NEW_DESCRIPTOR.pack(identity, 0, descriptor, 0, flags))
        number = fcntl.ioctl(listener, _ADD_DESCRIPTOR, new)
        answer(listener, identity, number)


def wake_up_synchronously(listener: int) -> bool:
    """A call and its answer stay on one processor: 75 % less time for each. Linux 6.6."""
    try:
        fcntl.ioctl(listener, _SET_FLAGS, 1)
    except OSError:
        return False
    return True


# --- ptrace

PTRACE_CONT, PTRACE_SYSCALL, PTRACE_SEIZE, PTRACE_LISTEN, PTRACE_GETEVENTMSG = 7, 24, 0x4206, 0x4208, 0x4201
PTRACE_GETREGSET, PTRACE_SETREGSET, PTRACE_GETSIGINFO = 0x4204, 0x4205, 0x4202
PTRACE_INTERRUPT, PTRACE_GET_SYSCALL_INFO = 0x4207, 0x420E
_ptrace = _libc.ptrace
_ptrace.restype = ctypes.c_long
_ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


def ptrace(request: int, task: int, address: int = 0, data: int = 0) -> None:
    if _ptrace(request, task, address, data) < 0:
        raise error()


def event_message(task: int) -> int:
    value = ctypes.c_ulong()
    ptrace(PTRACE_GETEVENTMSG, task, 0, ctypes.addressof(value))
    return value.value


def signal_code(task: int) -> int:
    """``si_code`` of the signal that the task is about to get."""
    information = ctypes.create_string_buffer(128)
    ptrace(PTRACE_GETSIGINFO, task, 0, ctypes.addressof(information))
    return int(struct.unpack_from("=iii", information)[2])


def is_entry(task: int) -> bool:
    """Whether a task that stopped at a call stands before it. Linux 5.3."""
    information = ctypes.create_string_buffer(88)
    ptrace(PTRACE_GET_SYSCALL_INFO, task, 88, ctypes.addressof(information))
    return information.raw[0] == 1


# --- odds and ends

PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 4, 36, 38


def prctl(option: int, value: int) -> None:
    check(_libc.prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0)))


def signal_descriptor(number: int) -> int:
    """Readable when the (blocked) signal has come."""
    mask = bytearray(128)
    mask[(number - 1) // 8] = 1 << (number - 1) % 8
    return check(_libc.signalfd(-1, bytes(mask), os.O_CLOEXEC | os.O_NONBLOCK))


def landlock_version() -> int:
    """0 where the kernel has no Landlock, or somebody refuses it."""
    return max(0, int(_syscall(_LANDLOCK_CREATE, None, ctypes.c_long(0), 1)))


def landlock_create(handled: int, network: int, scoped: int, version: int) -> int:
    attributes = struct.pack("=QQQ", handled, network, scoped)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    return check(_syscall(_LANDLOCK_CREATE, ctypes.c_char_p(attributes), ctypes.c_long(size), 0))


def landlock_allow_beneath(ruleset: int, access: int, descriptor: int) -> None:
    check(_syscall(_LANDLOCK_ADD, ruleset, 1, ctypes.c_char_p(struct.pack("=Qi", access, descriptor)), 0))


def landlock_restrict(ruleset: int) -> None:
    """This thread and all that it starts from now on."""
    check(_syscall(_LANDLOCK_RESTRICT, ruleset, 0))


def call(number: int, *arguments: int) -> int:
    """Any system call on numbers."""
    return check(_syscall(ctypes.c_long(number), *(ctypes.c_long(argument) for argument in arguments)))


def call_quietly(number: int, *arguments: int) -> None:
    _syscall(ctypes.c_long(number), *(ctypes.c_long(argument) for argument in arguments))
