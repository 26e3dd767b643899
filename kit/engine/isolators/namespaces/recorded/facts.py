"""Calls that change what is known of a file: owner, mode, times, extended attributes.

Source: chown(2), chmod(2), utimensat(2), xattr(7).
"""

import errno
import os
import stat

from kit.engine.isolators.namespaces.recorded.call import Call
from kit.engine.isolators.namespaces.recorded.finding import Where, check_way
from kit.engine.isolators.supervisor import ownership
from kit.engine.isolators.supervisor.call import NATIVE
from kit.engine.isolators.supervisor.ids import SETFCAP, UNCHANGED
from kit.engine.isolators.supervisor.kernel import Status
from kit.engine.isolators.supervisor.ownership import CAPABILITY, WRITE, shown

_RECORDED = (b"security.", b"trusted.")
_LARGEST_VALUE = 65536
_CREATE, _REPLACE = 1, 2


def chmod(call: Call, place: Where, mode: int) -> int:
    check_way(call, place)
    status = place.status()
    wanted, mode = mode & 0o7777, ownership.mode_after_chmod(call.box.face(status, place), mode, call.who)
    if not call.box.can_record(status):
        return NATIVE if call.box.is_of_the_kernel(status) else 0  # Devices take every mode and forget it.
    record = call.box.owners.find(status)
    is_told_by_disk = record is None or (record.mode is None and record.st_mode is None)
    if is_told_by_disk and wanted == mode == shown(mode, stat.S_ISDIR(status.mode)):
        return NATIVE
    _set_mode(call, place, status, mode)
    return 0


def _set_mode(call: Call, place: Where, status: Status, mode: int) -> None:
    """On disk as far as the engine can still use the file; the rest is recorded."""
    owners, record = call.box.owners, call.box.owners.find(status)
    on_disk = shown(mode, stat.S_ISDIR(status.mode))
    os.chmod(place.path, on_disk, dir_fd=place.at)
    if record is not None and record.st_mode is not None:
        owners.record(status, mode=mode, st_mode=stat.S_IFMT(record.st_mode) | mode)
    elif on_disk != mode:
        owners.record(status, mode=mode)
    elif record is not None and record.mode is not None:
        owners.record(status, mode=None)


def chown(call: Call, place: Where, uid: int, gid: int, *, follow: bool = True) -> int:
    check_way(call, place, follow=follow)
    status = place.status(follow=follow)
    face = call.box.face(status, place)
    mode = ownership.mode_after_chown(face, uid, gid, call.who)
    if not call.box.can_record(status):
        return 0  # Devices, pipes and the kernel's own files take every owner and forget it.
    # For the kernel nothing changes but the time, and what every change of owner takes from a file.
    os.chown(place.path, -1, -1, dir_fd=place.at, follow_symlinks=follow)
    changes: dict[str, object] = {
        name: value for name, value in (("uid", uid), ("gid", gid)) if value != UNCHANGED
    }  # fmt: skip
    record = call.box.owners.find(status)
    if record is not None and CAPABILITY in record.xattrs:
        changes["xattrs"] = {name: value for name, value in record.xattrs.items() if name != CAPABILITY}
    call.box.owners.record(status, **changes)
    if stat.S_ISREG(status.mode) and mode != stat.S_IMODE(face.mode):
        _set_mode(call, place, status, mode)
    return 0


def set_times(call: Call, place: Where, times: int, *, follow: bool = True) -> int:
    """``times``: an address, or 0 for now."""
    if call.is_above:
        return NATIVE
    check_way(call, place, follow=follow)
    face = call.box.face(place.status(follow=follow), place)
    if not times and face.uid != call.who.user.files:
        ownership.check(face, call.who, WRITE)
    elif times:
        ownership.check_owner(face, call.who)
    return NATIVE


# --- extended attributes: those that need privilege are recorded, the others lie on disk


def set_attribute(call: Call, place: Where, *, follow: bool = True) -> int:
    name, size, flags = call.text(1), call.arguments[3], call.number(4)
    if not name.startswith(_RECORDED):
        return _native(call, place, WRITE, follow=follow)
    if size > _LARGEST_VALUE:
        raise OSError(errno.E2BIG, "")
    if name.startswith(b"trusted.") or not call.who.has(SETFCAP):
        raise OSError(errno.EPERM, "")  # CAP_SYS_ADMIN, which no container has.
    status = place.status(follow=follow)
    if not call.box.can_record(status):
        raise OSError(errno.EOPNOTSUPP, "")
    had, text = call.box.owners.attributes(status), os.fsdecode(name)
    if flags & _CREATE and text in had:
        raise OSError(errno.EEXIST, "")
    if flags & _REPLACE and text not in had:
        raise OSError(errno.ENODATA, "")
    call.box.owners.record(status, xattrs={**had, text: call.read(2, size)})
    return 0


def get_attribute(call: Call, place: Where, *, follow: bool = True) -> int:
    name = call.text(1)
    if not name.startswith(_RECORDED):
        return NATIVE
    value = call.box.owners.attributes(place.status(follow=follow)).get(os.fsdecode(name))
    if value is None:
        raise OSError(errno.ENODATA, "")
    return _give(call, 2, value)


def list_attributes(call: Call, place: Where, *, follow: bool = True) -> int:
    recorded = call.box.owners.attributes(place.status(follow=follow))
    if not recorded:
        return NATIVE
    held = place.open(os.O_PATH | (0 if follow else os.O_NOFOLLOW))
    try:
        on_disk = call.box.attributes_on_disk(held)
    finally:
        os.close(held)
    return _give(call, 1, b"".join(os.fsencode(name) + b"\0" for name in [*on_disk, *recorded]))


def remove_attribute(call: Call, place: Where, *, follow: bool = True) -> int:
    name = call.text(1)
    if not name.startswith(_RECORDED):
        return _native(call, place, WRITE, follow=follow)
    status = place.status(follow=follow)
    had, text = call.box.owners.attributes(status), os.fsdecode(name)
    if text not in had:
        raise OSError(errno.ENODATA, "")
    if not call.who.has(SETFCAP):
        raise OSError(errno.EPERM, "")
    call.box.owners.record(status, xattrs={key: value for key, value in had.items() if key != text})
    return 0


def _native(call: Call, place: Where, wanted: int, *, follow: bool) -> int:
    check_way(call, place, follow=follow)
    ownership.check(call.box.face(place.status(follow=follow), place), call.who, wanted)
    return NATIVE


def _give(call: Call, buffer: int, value: bytes) -> int:
    """Writes to a buffer whose size is the next argument; size 0 asks for the length only."""
    size = call.arguments[buffer + 1]
    if size:
        if len(value) > size:
            raise OSError(errno.ERANGE, "")
        call.write(buffer, value)
    return len(value)
