"""Which function answers which call: the same for the several forms that a call has.

Source: the kernel's unistd tables for the order of arguments.
"""

import os
from collections.abc import Callable, Mapping

from kit.engine.isolators.supervisor import calls, facts, files, ipc, people
from kit.engine.isolators.supervisor.call import Call
from kit.engine.isolators.supervisor.kernel import AT_CWD, AT_EMPTY_PATH, AT_FOLLOW, AT_NO_FOLLOW, AT_REMOVE_DIRECTORY

Handler = Callable[[Call], int]


def _xattrs() -> dict[str, Handler]:
    verbs = {
        "set": facts.set_attribute, "get": facts.get_attribute,
        "list": facts.list_attributes, "remove": facts.remove_attribute,
    }  # fmt: skip
    found: dict[str, Handler] = {}
    for verb, act in verbs.items():
        found[f"{verb}xattr"] = lambda call, act=act: act(call, call.find(0))  # type: ignore[misc]
        found[f"l{verb}xattr"] = lambda call, act=act: act(call, call.find(0, follow=False))  # type: ignore[misc]
        found[f"f{verb}xattr"] = lambda call, act=act: act(call, call.descriptor(call.number(0)))  # type: ignore[misc]
    return found


def _times(call: Call, address: int, size: int, unit: int) -> bytes | None:
    return facts.timespecs(call.read(address, size), unit) if call.arguments[address] else None


def _open_at(call: Call) -> int:
    return files.open_file(call, call.path(1, call.number(0)), call.unsigned(2), call.unsigned(3))


def _open(call: Call) -> int:
    return files.open_file(call, call.path(0), call.unsigned(1), call.unsigned(2))


def _creat(call: Call) -> int:
    return files.open_file(call, call.path(0), os.O_CREAT | os.O_WRONLY | os.O_TRUNC, call.unsigned(1))


def _link_at(call: Call) -> int:
    flags = call.number(4)
    no_follow = 0 if flags & AT_FOLLOW else AT_NO_FOLLOW
    source = call.find_or_descriptor(1, call.number(0), flags & ~AT_NO_FOLLOW | no_follow)
    return files.link(call, source, call.parent(3, call.number(2), to_make=True))


def _rename(call: Call, old: tuple[int, int], new: tuple[int, int], flags: int) -> int:
    return files.rename(call, call.parent(old[1], old[0]), call.parent(new[1], new[0]), flags)


def _unlink_at(call: Call) -> int:
    parent = call.parent(1, call.number(0))
    return files.unlink(call, parent, directory=bool(call.number(2) & AT_REMOVE_DIRECTORY))


def _symlink(call: Call, directory: int, path: int) -> int:
    return files.symlink(call, call.parent(path, directory, to_make=True))


def _fstat_at(call: Call) -> int:
    if call.number(3) & AT_EMPTY_PATH and not call.text(1):
        return files.stat_descriptor(call, call.number(0), 2)
    return files.stat_file(call, call.find_or_descriptor(1, call.number(0), call.number(3)), 2)


def _fchown(call: Call) -> int:
    return facts.chown(call, call.descriptor(call.number(0)), call.unsigned(1), call.unsigned(2))


def _chown_at(call: Call) -> int:
    found = call.find_or_descriptor(1, call.number(0), call.number(4))
    return facts.chown(call, found, call.unsigned(2), call.unsigned(3))


_HANDLERS: Mapping[str, Handler] = {
    "open": _open,
    "openat": _open_at,
    "creat": _creat,
    "stat": lambda call: files.stat_file(call, call.find(0), 1),
    "lstat": lambda call: files.stat_file(call, call.find(0, follow=False), 1),
    "fstat": files.fstat,
    "newfstatat": _fstat_at,
    "statx": files.statx,
    "access": lambda call: files.access(call, call.find(0), call.number(1)),
    "faccessat": lambda call: files.access(call, call.find(1, call.number(0)), call.number(2)),
    "readlink": lambda call: files.readlink(call, AT_CWD, 0),
    "readlinkat": lambda call: files.readlink(call, call.number(0), 1),
    "getcwd": files.getcwd,
    "statfs": files.statfs,
    "truncate": files.truncate,
    "mkdir": lambda call: files.mkdir(call, call.parent(0, to_make=True), call.unsigned(1)),
    "mkdirat": lambda call: files.mkdir(call, call.parent(1, call.number(0), to_make=True), call.unsigned(2)),
    "mknod": lambda call: files.mknod(call, call.parent(0, to_make=True), call.unsigned(1), call.unsigned(2)),
    "mknodat": lambda call: files.mknod(
        call, call.parent(1, call.number(0), to_make=True), call.unsigned(2), call.unsigned(3)
    ),
    "rmdir": lambda call: files.unlink(call, call.parent(0), directory=True),
    "unlink": lambda call: files.unlink(call, call.parent(0), directory=False),
    "unlinkat": _unlink_at,
    "rename": lambda call: _rename(call, (AT_CWD, 0), (AT_CWD, 1), 0),
    "renameat": lambda call: _rename(call, (call.number(0), 1), (call.number(2), 3), 0),
    "renameat2": lambda call: _rename(call, (call.number(0), 1), (call.number(2), 3), call.unsigned(4)),
    "link": lambda call: files.link(call, call.find(0, follow=False), call.parent(1, to_make=True)),
    "linkat": _link_at,
    "symlink": lambda call: _symlink(call, AT_CWD, 1),
    "symlinkat": lambda call: _symlink(call, call.number(1), 2),
    "chmod": lambda call: facts.chmod(call, call.find(0), call.unsigned(1)),
    "fchmodat": lambda call: facts.chmod(call, call.find(1, call.number(0)), call.unsigned(2)),
    "fchmod": lambda call: facts.chmod(call, call.descriptor(call.number(0)), call.unsigned(1)),
    "chown": lambda call: facts.chown(call, call.find(0), call.unsigned(1), call.unsigned(2)),
    "lchown": lambda call: facts.chown(call, call.find(0, follow=False), call.unsigned(1), call.unsigned(2)),
    "fchownat": _chown_at,
    "fchown": _fchown,
    "utime": lambda call: facts.set_times(call, call.find(0), _times(call, 1, 16, 1)),
    "utimes": lambda call: facts.set_times(call, call.find(0), _times(call, 1, 32, 1000)),
    "futimesat": lambda call: facts.set_times(
        call, call.find_or_descriptor(1, call.number(0), 0), _times(call, 2, 32, 1000)
    ),
    "utimensat": lambda call: facts.set_times(
        call, call.find_or_descriptor(1, call.number(0), call.number(3)), _times(call, 2, 32, 1)
    ),
    **_xattrs(),
    "getuid": lambda call: call.task.identity.user.real,
    "geteuid": lambda call: call.task.identity.user.effective,
    "getgid": lambda call: call.task.identity.group.real,
    "getegid": lambda call: call.task.identity.group.effective,
    "getresuid": lambda call: people.get_three(call, call.task.identity.user),
    "getresgid": lambda call: people.get_three(call, call.task.identity.group),
    "setuid": people.setuid,
    "setgid": people.setgid,
    "setreuid": people.setreuid,
    "setregid": people.setregid,
    "setresuid": people.setresuid,
    "setresgid": people.setresgid,
    "setfsuid": people.setfsuid,
    "setfsgid": people.setfsgid,
    "setgroups": people.setgroups,
    "getgroups": people.getgroups,
    "umask": people.umask,
    "chroot": people.chroot,
    "capget": people.capget,
    "capset": people.capset,
    "prctl": people.prctl,
    "uname": people.uname,
    "getppid": people.getppid,
    "kill": people.kill,
    **dict.fromkeys(("tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"), people.signal_thread),
    **dict.fromkeys(
        ("pidfd_open", "prlimit64", "sched_setaffinity", "sched_setscheduler", "sched_setparam", "sched_setattr"),
        lambda call: people.name_process(call, 0),
    ),
    "setpriority": lambda call: people.set_priority(call, 2),
    "ioprio_set": lambda call: people.set_priority(call, 3),
}


def by_number(table: calls.Table) -> dict[int, Handler]:
    """The handler of each call that the filter sends us."""
    numbers = {**table.answered, **table.special}
    found = {numbers[name]: handler for name, handler in _HANDLERS.items() if name in numbers}
    for name in _ipc_names(table.special):
        found[table.special[name]] = lambda call, name=name: ipc.handle(name, call)  # type: ignore[misc]
    return found


def _ipc_names(special: Mapping[str, int]) -> list[str]:
    return [name for name in special if name.startswith(("shm", "sem", "msg"))]
