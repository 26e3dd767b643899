"""The system calls that make containers and that Python has no name for.

Every function raises ``OSError`` with the kernel's errno. Numbers are of the 64-bit tables.

Source: the man pages of section 2 with the same names; linux/landlock.h, linux/openat2.h, linux/close_range.h.
"""

import ctypes
import errno
import os
import platform
import struct

_libc = ctypes.CDLL(None, use_errno=True)

# Calls numbered alike everywhere since Linux 5.1 come first.
_NUMBERS = {"close_range": 436, "openat2": 437, "pidfd_getfd": 438, "landlock_create": 444, "landlock_restrict": 446}
_NUMBERS |= {"mount_setattr": 442}
_NUMBERS |= {
    "x86_64": {"pivot_root": 155, "seccomp": 317, "keyctl": 250, "capset": 126},
    "aarch64": {"pivot_root": 41, "seccomp": 277, "keyctl": 219, "capset": 91},
}.get(platform.machine(), {})

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x20000, 0x4000000, 0x8000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
_MNT_DETACH = 2

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP = 1, 4, 24

FILTER_SPEC_ALLOW, FILTER_NEW_LISTENER, FILTER_WAIT_KILLABLE = 4, 8, 32


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def _syscall(name: str, *arguments: int | bytes | ctypes.Array[ctypes.c_char] | None) -> int:
    number = _NUMBERS.get(name)
    if number is None:
        raise OSError(errno.ENOSYS, f"{name} has no known number on {platform.machine()}")
    words = [ctypes.c_long(word) if isinstance(word, int) else word for word in arguments]
    return _checked(_libc.syscall(ctypes.c_long(number), *words))


def unshare(flags: int) -> None:
    _checked(_libc.unshare(flags))


def become_root_of_a_user_namespace() -> None:
    """Makes this process root of a new user namespace, which has no other user than ours. Only without threads."""
    users = {"uid_map": f"0 {os.geteuid()} 1", "setgroups": "deny", "gid_map": f"0 {os.getegid()} 1"}
    unshare(CLONE_NEWUSER)
    for name, text in users.items():
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def setns(descriptor: int, flags: int) -> None:
    _checked(_libc.setns(descriptor, flags))


def mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    words = [os.fsencode(text) for text in (source, target, kind, data)]
    _checked(_libc.mount(words[0], words[1], words[2], ctypes.c_ulong(flags), words[3]))


def freeze_all_below(target: str) -> None:
    """Makes a mount read-only, with every mount below it. Linux 5.12."""
    at_recursive, read_only = 0x8000, struct.pack("=QQQQ", MS_RDONLY, 0, 0, 0)
    _syscall("mount_setattr", -100, os.fsencode(target), at_recursive, read_only, len(read_only))


def unmount(target: str) -> None:
    """Takes the mount out of sight at once; it ends when nobody uses it any more."""
    _checked(_libc.umount2(os.fsencode(target), _MNT_DETACH))


def pivot_root(new: str, old: str) -> None:
    _syscall("pivot_root", os.fsencode(new), os.fsencode(old))


def prctl(option: int, argument: int = 0) -> int:
    return _checked(_libc.prctl(option, ctypes.c_ulong(argument), 0, 0, 0))


def set_capabilities(permitted: int, inheritable: int = 0) -> None:
    """Gives this thread exactly ``permitted`` (bits), all of them effective."""
    low, high = permitted & 0xFFFFFFFF, permitted >> 32
    version_3 = struct.pack("=Ii", 0x20080522, 0)
    data = struct.pack("=6I", low, low, inheritable & 0xFFFFFFFF, high, high, inheritable >> 32)
    _syscall("capset", version_3, data)


def new_session_keyring() -> None:
    """Leaves the keys of whoever started us behind."""
    _syscall("keyctl", 1, None)


def install_filter(program: bytes, flags: int) -> int:
    """Puts a BPF program before every system call of this thread; the descriptor of its listener, if asked for."""
    code = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("=H6xQ", len(program) // 8, ctypes.addressof(code))
    return _syscall("seccomp", 1, flags, header)


def get_descriptor(pidfd: int, number: int) -> int:
    """A duplicate of another process's file descriptor."""
    return _syscall("pidfd_getfd", pidfd, number, 0)


def open_in_root(root: int, path: str, flags: int, mode: int = 0) -> int:
    """Opens ``path`` as if the directory ``root`` were ``/``: no symlink and no ``..`` leads out of it."""
    resolve_in_root = 0x10
    how = struct.pack("=QQQ", flags | os.O_CLOEXEC, mode, resolve_in_root)
    while True:
        try:
            return _syscall("openat2", root, os.fsencode(path), how, len(how))
        except BlockingIOError:  # Some rename on this machine met a ".." of ours: the kernel asks to try again.
            continue


def open_straight(path: str, flags: int) -> int:
    """Opens an absolute ``path`` that has no symlink in it.

    Raises:
        OSError: ELOOP, there is one.
    """
    resolve_no_symlinks = 0x04
    how = struct.pack("=QQQ", flags | os.O_CLOEXEC, 0, resolve_no_symlinks)
    return _syscall("openat2", -100, os.fsencode(path), how, len(how))


def close_on_exec_from(first: int) -> None:
    """Marks every descriptor from ``first`` on, so that the next program starts without them."""
    close_on_exec = 4
    _syscall("close_range", first, 0xFFFFFFFF, close_on_exec)


def hide_abstract_sockets() -> bool:
    """Cuts this process and its children off from abstract unix sockets made by others.

    False where the kernel can't (before Linux 6.12). Source: landlock(7), "Scoping".
    """
    try:
        if _syscall("landlock_create", None, 0, 1) < 6:
            return False
        ruleset = _syscall("landlock_create", struct.pack("=QQQ", 0, 0, 1), 24, 0)
        _syscall("landlock_restrict", ruleset, 0)
    except OSError:
        return False
    os.close(ruleset)
    return True
