"""Calls that ask or change who a process is, and those that name another process.

Source: the man pages of section 2 with the same names; prctl(2), capabilities(7).
"""

import errno
import os
import struct
from contextlib import suppress

from kit.engine.isolators.supervisor import ids
from kit.engine.isolators.supervisor.call import NATIVE, Call
from kit.engine.isolators.supervisor.ids import LAST_CAPABILITY, SETGID, SETPCAP, SETUID, SYS_CHROOT

_MOST_GROUPS = 65536
_VERSION_3, _VERSION_1 = 0x20080522, 0x19980330


def get_three(call: Call, values: ids.Ids) -> int:
    for index, value in enumerate(values[:3]):
        call.write(index, struct.pack("=I", value))
    return 0


def set_user(call: Call, user: ids.Ids) -> int:
    call.task.identity = ids.with_user(call.task.identity, user)
    return 0


def set_group(call: Call, group: ids.Ids) -> int:
    call.task.identity = call.task.identity._replace(group=group)
    return 0


def setuid(call: Call) -> int:
    who = call.task.identity
    return set_user(call, ids.set_id(who.user, call.unsigned(0), who.has(SETUID)))


def setgid(call: Call) -> int:
    who = call.task.identity
    return set_group(call, ids.set_id(who.group, call.unsigned(0), who.has(SETGID)))


def setreuid(call: Call) -> int:
    who = call.task.identity
    values = (call.unsigned(0), call.unsigned(1))
    return set_user(call, ids.set_real_and_effective(who.user, *values, who.has(SETUID)))


def setregid(call: Call) -> int:
    who = call.task.identity
    values = (call.unsigned(0), call.unsigned(1))
    return set_group(call, ids.set_real_and_effective(who.group, *values, who.has(SETGID)))


def setresuid(call: Call) -> int:
    who = call.task.identity
    values = (call.unsigned(0), call.unsigned(1), call.unsigned(2))
    return set_user(call, ids.set_three(who.user, values, who.has(SETUID)))


def setresgid(call: Call) -> int:
    who = call.task.identity
    values = (call.unsigned(0), call.unsigned(1), call.unsigned(2))
    return set_group(call, ids.set_three(who.group, values, who.has(SETGID)))


def setfsuid(call: Call) -> int:
    who = call.task.identity
    call.task.identity = who._replace(user=ids.set_for_files(who.user, call.unsigned(0), who.has(SETUID)))
    return who.user.files


def setfsgid(call: Call) -> int:
    who = call.task.identity
    call.task.identity = who._replace(group=ids.set_for_files(who.group, call.unsigned(0), who.has(SETGID)))
    return who.group.files


def setgroups(call: Call) -> int:
    count = call.unsigned(0)
    if not call.task.identity.has(SETGID):
        raise OSError(errno.EPERM, "")
    if count > _MOST_GROUPS:
        raise OSError(errno.EINVAL, "")
    groups = struct.unpack(f"={count}I", call.read(1, 4 * count))
    call.task.identity = call.task.identity._replace(groups=groups)
    return 0


def getgroups(call: Call) -> int:
    groups = call.task.identity.groups
    if call.number(0):
        if call.number(0) < len(groups):
            raise OSError(errno.EINVAL, "")
        call.write(1, struct.pack(f"={len(groups)}I", *groups))
    return len(groups)


def umask(call: Call) -> int:
    old = call.task.process.umask
    call.task.process.umask = call.unsigned(0) & 0o777
    return old


def chroot(call: Call) -> int:
    if not call.task.identity.has(SYS_CHROOT):
        raise OSError(errno.EPERM, "")
    with call.find(0) as found:
        if not found.status().mode & 0o40000:
            raise OSError(errno.ENOTDIR, "")
        path = found.path
    call.task.process.root = b"" if path == b"/" else path
    return 0


def capget(call: Call) -> int:
    version, pid = struct.unpack("=Ii", call.read(0, 8))
    if version not in (_VERSION_3, 0x20071026, _VERSION_1):
        call.write(0, struct.pack("=I", _VERSION_3))
        if call.arguments[1]:
            raise OSError(errno.EINVAL, "")
        return 0
    if not call.arguments[1]:
        return 0
    task = call.box.tasks.by_id.get(pid) if pid else call.task
    if task is None:
        raise OSError(errno.ESRCH, "")
    held = task.identity.capabilities
    sets = (held.effective, held.permitted, held.inheritable)
    low, high = [value & 0xFFFFFFFF for value in sets], [value >> 32 for value in sets]
    call.write(1, struct.pack("=3I", *low) if version == _VERSION_1 else struct.pack("=6I", *low, *high))
    return 0


def capset(call: Call) -> int:
    version, pid = struct.unpack("=Ii", call.read(0, 8))
    if pid not in (0, call.task.id):
        raise OSError(errno.EPERM, "")
    words = (
        struct.unpack("=3I", call.read(1, 12)) if version == _VERSION_1 else struct.unpack("=6I", call.read(1, 24))
    )
    effective, permitted, inheritable = (
        words[index] | (words[index + 3] << 32 if len(words) > 3 else 0) for index in range(3)
    )
    call.task.identity = ids.set_capabilities(call.task.identity, permitted, effective, inheritable)
    return 0


def prctl(call: Call) -> int:
    """The options that say who a process is; the filter lets the others through."""
    who, held = call.task.identity, call.task.identity.capabilities
    option, argument = call.number(0), call.arguments[1]
    match option:
        case 7:  # PR_GET_KEEPCAPS
            return int(who.keep_capabilities)
        case 8:  # PR_SET_KEEPCAPS
            call.task.identity = who._replace(keep_capabilities=bool(argument))
        case 23:  # PR_CAPBSET_READ
            return _known(argument) and held.bounding >> argument & 1
        case 24:  # PR_CAPBSET_DROP
            _known(argument)
            if not who.has(SETPCAP):
                raise OSError(errno.EPERM, "")
            bounding = held.bounding & ~(1 << argument)
            call.task.identity = who._replace(capabilities=held._replace(bounding=bounding))
        case 38:  # PR_SET_NO_NEW_PRIVS
            call.task.identity = who._replace(no_new_privileges=True)
        case 39:  # PR_GET_NO_NEW_PRIVS
            return int(who.no_new_privileges)
        case 47:  # PR_CAP_AMBIENT
            return _ambient(call, argument, call.arguments[2])
        case 27 | 21:  # PR_GET_SECUREBITS, PR_GET_SECCOMP
            return 0 if option == 27 else 2
        case 22 | 28:  # PR_SET_SECCOMP, PR_SET_SECUREBITS
            raise OSError(errno.EINVAL if option == 22 else errno.EPERM, "")
    return 0  # PR_SET_DUMPABLE: the supervisor must see all processes.


def _known(capability: int) -> int:
    if capability > LAST_CAPABILITY:
        raise OSError(errno.EINVAL, "")
    return 1


def _ambient(call: Call, action: int, capability: int) -> int:
    held = call.task.identity.capabilities
    if action == 4:  # PR_CAP_AMBIENT_CLEAR_ALL
        ambient = 0
    else:
        _known(capability)
        bit = 1 << capability
        if action == 1:  # PR_CAP_AMBIENT_IS_SET
            return int(bool(held.ambient & bit))
        if action == 2:  # PR_CAP_AMBIENT_RAISE
            if not held.permitted & held.inheritable & bit:
                raise OSError(errno.EPERM, "")
            ambient = held.ambient | bit
        elif action == 3:  # PR_CAP_AMBIENT_LOWER
            ambient = held.ambient & ~bit
        else:
            raise OSError(errno.EINVAL, "")
    call.task.identity = call.task.identity._replace(capabilities=held._replace(ambient=ambient))
    return 0


def uname(call: Call) -> int:
    told = os.uname()
    words = (told.sysname, call.box.sandbox.hostname, told.release, told.version, told.machine, "(none)")
    call.write(0, b"".join(word.encode()[:64].ljust(65, b"\0") for word in words))
    return 0


# --- other processes: only those of the container exist


def getppid(call: Call) -> int:
    """Outside of the container there is nobody: an orphan's parent is process 1, and that one's is 0."""
    process = call.task.process
    if process.pid == call.box.tasks.first:
        return 0
    with open(f"/proc/{process.pid}/stat", "rb") as file:
        parent = int(file.read().rpartition(b")")[2].split()[1])
    return parent if parent in call.box.tasks.by_id else 1


def kill(call: Call) -> int:
    target, number = call.number(0), call.number(1)
    tasks = call.box.tasks
    if target == 1:
        _check_signal(call, tasks.first)
        os.kill(tasks.first, number)
        return 0
    if target > 0:
        _check_signal(call, target)
        return NATIVE
    if target == 0:
        target = -os.getpgid(call.task.process.pid)
    reached = False
    for pid in tasks.processes():
        if target == -1 and pid in (tasks.first, call.task.process.pid):
            continue
        with suppress(OSError):
            if target == -1 or os.getpgid(pid) == -target:
                _check_signal(call, pid)
                os.kill(pid, number)
                reached = True
    if not reached:
        raise OSError(errno.ESRCH, "")
    return 0


def signal_thread(call: Call) -> int:
    """``tkill``, ``tgkill``, ``rt_sigqueueinfo`` and ``rt_tgsigqueueinfo``: the first argument is a task."""
    _check_signal(call, call.number(0))
    return NATIVE


def _check_signal(call: Call, target: int) -> None:
    task = call.box.tasks.by_id.get(target)
    if task is None:
        raise OSError(errno.ESRCH, "")
    if task.process is not call.task.process and not ids.may_signal(call.task.identity, task.identity):
        raise OSError(errno.EPERM, "")


def name_process(call: Call, index: int) -> int:
    """Calls on a process by its number: prlimit, affinity, scheduling, pidfd."""
    target = call.number(index)
    if target and target not in call.box.tasks.by_id:
        raise OSError(errno.ESRCH, "")
    return NATIVE


def set_priority(call: Call, by_user: int) -> int:
    """``setpriority`` and ``ioprio_set``: which kind, who, value. All processes of a user: that is only us."""
    kind, who = call.number(0), call.number(1)
    if kind == by_user:
        return 0
    if who and who not in call.box.tasks.by_id:
        raise OSError(errno.ESRCH, "")
    return NATIVE
