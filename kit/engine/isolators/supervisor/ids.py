"""Who a process is: user and group ids, capabilities, and how they change. Values only.

A supervised process is the engine's own user to the kernel; this is who it is in its container. The rules are the
kernel's, so ``su``, ``setpriv`` and set-id programs do what they do elsewhere.

Source: credentials(7), capabilities(7); setuid(2), setresuid(2), setreuid(2), setfsuid(2); execve(2).
"""

import errno
import struct
from typing import NamedTuple

from kit.engine.isolators.namespaces.inside import CAPABILITIES

UNCHANGED = 0xFFFFFFFF
LAST_CAPABILITY = 40
CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER, FSETID, KILL, SETGID, SETUID, SETPCAP = 0, 1, 2, 3, 4, 5, 6, 7, 8
SYS_CHROOT, MKNOD, SETFCAP = 18, 27, 31
DOCKERS = sum(1 << number for number in CAPABILITIES)

_SET_USER, _SET_GROUP = 0o4000, 0o2000


class Ids(NamedTuple):
    """The four user (or group) ids of a process."""

    real: int = 0
    effective: int = 0
    saved: int = 0
    files: int = 0


class Capabilities(NamedTuple):
    """Five sets, as bits."""

    permitted: int = 0
    effective: int = 0
    inheritable: int = 0
    bounding: int = 0
    ambient: int = 0


class Identity(NamedTuple):
    """Everything that says what a process may do."""

    user: Ids = Ids()
    group: Ids = Ids()
    groups: tuple[int, ...] = ()
    capabilities: Capabilities = Capabilities()
    keep_capabilities: bool = False
    no_new_privileges: bool = False

    def has(self, capability: int) -> bool:
        return bool(self.capabilities.effective >> capability & 1)

    def in_group(self, gid: int) -> bool:
        return gid == self.group.files or gid in self.groups


def starting(uid: int, gid: int, groups: tuple[int, ...], *, privileges: bool) -> Identity:
    """The first identity of a container's process."""
    bounding = DOCKERS if privileges else 0
    held = bounding if uid == 0 else 0
    return Identity(Ids(uid, uid, uid, uid), Ids(gid, gid, gid, gid), groups, Capabilities(held, held, 0, bounding))


def _refuse() -> OSError:
    return OSError(errno.EPERM, "")


def set_id(old: Ids, new: int, privileged: bool) -> Ids:
    """``setuid``, ``setgid``."""
    if privileged:
        return Ids(new, new, new, new)
    if new not in (old.real, old.saved):
        raise _refuse()
    return old._replace(effective=new, files=new)


def set_real_and_effective(old: Ids, real: int, effective: int, privileged: bool) -> Ids:
    """``setreuid``, ``setregid``."""
    if not privileged and (
        real not in (UNCHANGED, old.real, old.effective)
        or effective not in (UNCHANGED, old.real, old.effective, old.saved)
    ):
        raise _refuse()
    new_real = old.real if real == UNCHANGED else real
    new = old.effective if effective == UNCHANGED else effective
    saves = real != UNCHANGED or (effective != UNCHANGED and effective != old.real)
    return Ids(new_real, new, new if saves else old.saved, new)


def set_three(old: Ids, wanted: tuple[int, int, int], privileged: bool) -> Ids:
    """``setresuid``, ``setresgid``."""
    if not privileged and any(value not in (UNCHANGED, *old[:3]) for value in wanted):
        raise _refuse()
    real, effective, saved = (
        had if value == UNCHANGED else value for had, value in zip(old[:3], wanted, strict=True)
    )
    return Ids(real, effective, saved, effective)


def set_for_files(old: Ids, new: int, privileged: bool) -> Ids:
    """``setfsuid``, ``setfsgid``: never fails."""
    return old._replace(files=new) if privileged or new in old else old


def with_user(identity: Identity, user: Ids) -> Identity:
    """The identity after its user ids became ``user``: leaving root costs the capabilities."""
    old, held = identity.user, identity.capabilities
    if 0 in old[:3] and 0 not in user[:3]:
        if not identity.keep_capabilities:
            held = held._replace(permitted=0, effective=0)
        held = held._replace(ambient=0)
    if old.effective == 0 != user.effective:
        held = held._replace(effective=0)
    if old.effective != 0 == user.effective:
        held = held._replace(effective=held.permitted)
    return identity._replace(user=user, capabilities=held)


def set_capabilities(identity: Identity, permitted: int, effective: int, inheritable: int) -> Identity:
    """``capset``."""
    held = identity.capabilities
    may_inherit = held.inheritable | (held.bounding if identity.has(SETPCAP) else held.permitted & held.bounding)
    if permitted & ~held.permitted or effective & ~permitted or inheritable & ~may_inherit:
        raise _refuse()
    ambient = held.ambient & permitted & inheritable
    return identity._replace(capabilities=Capabilities(permitted, effective, inheritable, held.bounding, ambient))


class FileRights(NamedTuple):
    """What an executable file gives to whoever executes it."""

    mode: int = 0
    uid: int = 0
    gid: int = 0
    capability: bytes = b""
    """``security.capability``, or empty."""


def after_execution(identity: Identity, file: FileRights = FileRights()) -> tuple[Identity, bool]:
    """The identity after executing a file, and whether that raised it (set-id: the environment is not trusted)."""
    user, group, held = identity.user, identity.group, identity.capabilities
    honoured = not identity.no_new_privileges
    set_user = honoured and bool(file.mode & _SET_USER)
    set_group = honoured and file.mode & (_SET_GROUP | 0o010) == _SET_GROUP | 0o010
    new_user = user._replace(effective=file.uid) if set_user else user
    new_group = group._replace(effective=file.gid) if set_group else group
    new_user = new_user._replace(saved=new_user.effective, files=new_user.effective)
    new_group = new_group._replace(saved=new_group.effective, files=new_group.effective)
    gives, inherits, at_once = _file_capabilities(file.capability) if honoured else (0, 0, False)
    raised = new_user.effective != user.effective or new_group.effective != group.effective or bool(gives)
    ambient = 0 if raised else held.ambient
    if 0 in (new_user.real, new_user.effective):
        permitted = held.inheritable | held.bounding
        effective = permitted if new_user.effective == 0 else ambient
    else:
        permitted = held.inheritable & inherits | gives & held.bounding | ambient
        effective = permitted if at_once else ambient
    capabilities = Capabilities(permitted, effective, held.inheritable, held.bounding, ambient)
    changed = identity._replace(
        user=new_user, group=new_group, capabilities=capabilities, keep_capabilities=False
    )  # fmt: skip
    return changed, raised


def _file_capabilities(raw: bytes) -> tuple[int, int, bool]:
    """Permitted, inheritable, and the effective flag of ``security.capability``."""
    if len(raw) < 20:
        return 0, 0, False
    magic, low, low_inherited, high, high_inherited = struct.unpack_from("<5I", raw)
    return high << 32 | low, high_inherited << 32 | low_inherited, bool(magic & 1)


def may_signal(sender: Identity, target: Identity) -> bool:
    """Whether ``kill`` is allowed between two processes of a container."""
    ours, theirs = (sender.user.effective, sender.user.real), (target.user.real, target.user.saved)
    return sender.has(KILL) or any(mine in theirs for mine in ours)
