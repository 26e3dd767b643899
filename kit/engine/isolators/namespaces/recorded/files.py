"""Calls that open, look at, make, move and remove files.

The kernel does them, unless what it makes needs a record: then we make it, since only so we know it from what was
there before. Permissions are checked first, for whoever they could stop.

Source: the man pages of section 2 with the same names; inode(7).
"""

import errno
import os
import stat
import struct
from collections.abc import Callable

from kit.engine.isolators.namespaces.recorded.call import Call
from kit.engine.isolators.namespaces.recorded.finding import Where, check_parent, check_way, where
from kit.engine.isolators.supervisor import kernel, ownership
from kit.engine.isolators.supervisor.call import ANSWERED, NATIVE
from kit.engine.isolators.supervisor.ids import MKNOD
from kit.engine.isolators.supervisor.kernel import Status
from kit.engine.isolators.supervisor.ownership import READ, WRITE, Face, group_of_new, shown

_TEMPORARY = os.O_TMPFILE & ~os.O_DIRECTORY
_KNOWN_FLAGS = 0x7FFFFF
_DEVICES = {(1, 3): b"null", (1, 5): b"zero", (1, 7): b"full", (1, 8): b"random", (1, 9): b"urandom", (5, 0): b"tty"}


# --- open


def open_file(call: Call, directory: int, path: bytes, flags: int, mode: int) -> int:
    flags &= _KNOWN_FLAGS
    makes = flags & os.O_CREAT or flags & _TEMPORARY
    if call.is_above and not makes and not call.box.has_devices and not path.endswith(b"status"):
        return NATIVE
    place = where(call, directory, path)
    if flags & _TEMPORARY:
        return _open_temporary(call, place, flags, mode)
    if flags & os.O_CREAT and _is_missing(place, follow=not flags & os.O_EXCL):
        return _make(call, place, flags, mode)
    follow = not flags & os.O_NOFOLLOW
    check_way(call, place, follow=follow)
    return _open_found(call, place, place.status(follow=follow), flags)


def how(call: Call, address: int, size: int) -> tuple[int, int]:
    """Flags and mode of ``openat2``."""
    flags, mode = struct.unpack("=QQ", call.read(address, min(size, 24))[:16])
    return flags, mode


def _open_found(call: Call, place: Where, status: Status, flags: int) -> int:
    if flags & os.O_PATH:
        return NATIVE
    face = call.box.face(status, place)
    ownership.check(face, call.who, _wanted(flags))
    if stat.S_ISREG(status.mode) and not stat.S_ISREG(face.mode):
        return _open_device(call, face.device, flags)
    if call.box.is_of_the_kernel(status) and place.path.endswith(b"status"):
        text = call.box.status_text(place)
        if text is not None:
            return _hand_over(call, call.box.as_file(text), flags)
    return NATIVE


def _wanted(flags: int) -> int:
    access = {os.O_RDONLY: READ, os.O_WRONLY: WRITE}.get(flags & os.O_ACCMODE, READ | WRITE)
    return access | (WRITE if flags & os.O_TRUNC else 0)


def _open_device(call: Call, device: int, flags: int) -> int:
    """The disk has an empty file for a device. Docker allows a handful, wherever they lie; others open nothing."""
    name = _DEVICES.get((os.major(device), os.minor(device)))
    if name is None:
        raise OSError(errno.EACCES, "")
    return _hand_over(call, os.open(b"/dev/" + name, flags & ~(os.O_CREAT | os.O_EXCL) | os.O_CLOEXEC), flags)


def _hand_over(call: Call, descriptor: int, flags: int) -> int:
    try:
        call.give(descriptor, close_on_exec=bool(flags & os.O_CLOEXEC))
    finally:
        os.close(descriptor)
    return ANSWERED


def _is_missing(place: Where, *, follow: bool) -> bool:
    try:
        place.status(follow=follow)
    except FileNotFoundError:
        return True
    return False


def _make(call: Call, place: Where, flags: int, mode: int) -> int:
    above = check_parent(call, place)
    if _is_plain(call, above, mode, directory=False):
        return NATIVE
    mode &= 0o7777 & ~call.task.umask
    try:
        descriptor = place.open(flags | os.O_EXCL, shown(mode, False))
    except FileExistsError:  # A symlink to nothing, or somebody was faster.
        return NATIVE
    _record(call, kernel.status(descriptor), above, mode)
    return _hand_over(call, descriptor, flags)


def _open_temporary(call: Call, place: Where, flags: int, mode: int) -> int:
    check_way(call, place)
    above = call.box.face(place.status())
    ownership.check(above, call.who, WRITE | ownership.EXECUTE)
    if _is_plain(call, above, mode, directory=False):
        return NATIVE
    mode &= 0o7777 & ~call.task.umask
    descriptor = place.open(flags, shown(mode, False))
    _record(call, kernel.status(descriptor), above, mode)
    return _hand_over(call, descriptor, flags)


def _is_plain(call: Call, above: Face, mode: int, *, directory: bool) -> bool:
    """Whether the kernel makes the file just as it shall be: root's, with a mode that the disk can have."""
    rooted = call.is_above and group_of_new(above, call.who) == 0
    return rooted and not call.box.somebody_masks_owners and call.box.knows_births and shown(mode, directory) == mode


def _record(call: Call, status: Status, above: Face, mode: int | None = None) -> None:
    """Who owns what was just made, and the mode that the disk could not be given."""
    hidden = mode if mode is not None and shown(mode, stat.S_ISDIR(status.mode)) != mode else None
    call.box.owners.born(status, call.who.user.files, group_of_new(above, call.who), hidden)


# --- look


def stat_file(call: Call, place: Where, buffer: int, write: Callable[[Status, Face], bytes], *, follow: bool) -> int:
    check_way(call, place, follow=follow)
    status = place.status(follow=follow)
    face = call.box.face(status, place)
    if face[:3] == (status.uid, status.gid, status.mode):
        return NATIVE
    call.write(buffer, write(status, face))
    return 0


def access(call: Call, place: Where, wanted: int, *, effective: bool = False, follow: bool = True) -> int:
    """With the real ids, unless the effective ones are asked for."""
    who = call.who
    if not effective:
        user, group = who.user._replace(files=who.user.real), who.group._replace(files=who.group.real)
        held = who.capabilities
        held = held._replace(effective=held.permitted if user.real == 0 else 0)
        who = who._replace(user=user, group=group, capabilities=held)
    check_way(call, place, follow=follow)
    ownership.check(call.box.face(place.status(follow=follow), place), who, wanted & 7)
    return NATIVE


# --- make, move, remove


def mkdir(call: Call, place: Where, mode: int) -> int:
    place = place._replace(path=place.path.rstrip(b"/"))
    above = check_parent(call, place)
    if _is_plain(call, above, mode, directory=True):
        return NATIVE
    mode &= 0o1777 & ~call.task.umask
    os.mkdir(place.path, shown(mode, True), dir_fd=place.at)
    status = place.status(follow=False)
    if above.mode & stat.S_ISGID:
        mode |= stat.S_ISGID
        os.chmod(place.path, shown(mode, True), dir_fd=place.at)
    _record(call, status, above, mode)
    return 0


def mknod(call: Call, place: Where, mode: int, device: int) -> int:
    above = check_parent(call, place)
    kind = stat.S_IFMT(mode) or stat.S_IFREG
    is_device = kind in (stat.S_IFCHR, stat.S_IFBLK)
    if is_device and not call.who.has(MKNOD):
        raise OSError(errno.EPERM, "")
    if not is_device and _is_plain(call, above, mode & 0o7777, directory=False):
        return NATIVE
    mode &= 0o7777 & ~call.task.umask
    made = stat.S_IFREG | 0o600 if is_device else kind | shown(mode, False)
    os.mknod(place.path, made, dir_fd=place.at)
    status = place.status(follow=False)
    _record(call, status, above, mode)
    if is_device:
        call.box.owners.record(status, mode=mode, st_mode=kind | mode, rdev=device)
        call.box.has_devices = True
    return 0


def symlink(call: Call, place: Where) -> int:
    """The target is the first argument."""
    above = check_parent(call, place)
    if _is_plain(call, above, 0o777, directory=False):
        return NATIVE
    os.symlink(call.text(0), place.path, dir_fd=place.at)
    _record(call, place.status(follow=False), above)
    return 0


def link(call: Call, source: Where, place: Where) -> int:
    check_way(call, source, follow=False)
    check_parent(call, place)
    return NATIVE


def remove(call: Call, place: Where) -> int:
    """``unlink``, ``rmdir``, and both ends of ``rename``."""
    above = check_parent(call, place)
    if above.mode & stat.S_ISVTX and not _is_missing(place, follow=False):
        ownership.check_sticky(above, call.box.face(place.status(follow=False)), call.who)
    return NATIVE


def rename(call: Call, old: Where, new: Where) -> int:
    remove(call, old)
    return remove(call, new)


def truncate(call: Call, place: Where) -> int:
    check_way(call, place)
    ownership.check(call.box.face(place.status()), call.who, WRITE)
    return NATIVE


def enter(call: Call, place: Where) -> int:
    """``chdir`` and ``fchdir``."""
    check_way(call, place)
    status = place.status()
    if stat.S_ISDIR(status.mode):
        ownership.check(call.box.face(status, place), call.who, ownership.EXECUTE)
    return NATIVE
