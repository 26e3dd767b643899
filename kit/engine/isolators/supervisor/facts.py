"""Calls that change what is known of a file: owner, mode, times, extended attributes.

Source: chown(2), chmod(2), utimensat(2), xattr(7).
"""

import errno
import os
import stat
import struct

from kit.engine.isolators.supervisor import kernel, ownership
from kit.engine.isolators.supervisor.call import Call
from kit.engine.isolators.supervisor.ids import SETFCAP, UNCHANGED
from kit.engine.isolators.supervisor.ownership import CAPABILITY, WRITE
from kit.engine.isolators.supervisor.paths import ELSEWHERE, Found
from kit.engine.isolators.supervisor.places import own

_RECORDED = (b"security.", b"trusted.")
_LARGEST_VALUE = 65536


def _is_on_disk(found: Found, status: kernel.Status) -> bool:
    """Whether facts about the file can be changed at all: devices and pipes take every change and forget it.

    Raises:
        OSError: EPERM, EROFS: a file of the kernel's.
    """
    if not found.place.can_make and found.place is not ELSEWHERE and found.place.target in (b"/proc", b"/sys"):
        raise OSError(errno.EPERM, "")
    found.must_be_writable()
    return found.place is not ELSEWHERE and stat.S_IFMT(status.mode) not in (stat.S_IFCHR, stat.S_IFBLK)


def chmod(call: Call, found: Found, mode: int) -> int:
    with found:
        status = found.status()
        if not _is_on_disk(found, status):
            return 0
        if stat.S_ISLNK(status.mode):
            raise OSError(errno.EOPNOTSUPP, "")
        mode = ownership.mode_after_chmod(call.box.owners.face(status), mode, call.task.identity)
        _set_mode(call, found, status, mode)
    return 0


def _set_mode(call: Call, found: Found, status: kernel.Status, mode: int) -> None:
    """On disk as far as we can still use the file; the rest is recorded."""
    owners, record = call.box.owners, call.box.owners.find(status)
    directory = stat.S_ISDIR(status.mode)
    shown = ownership.shown(mode, directory)
    if record is not None and record.st_mode is not None:
        owners.record(status, mode=mode, st_mode=stat.S_IFMT(record.st_mode) | mode)
        return
    if shown != mode:
        owners.record(status, mode=mode)
    elif record is not None and record.mode is not None:
        owners.record(status, mode=None)
    if stat.S_IMODE(status.mode) != shown:
        os.chmod(own(found.descriptor), shown)
    else:
        os.chmod(own(found.descriptor), shown)  # The change time moves, as it would.


def chown(call: Call, found: Found, uid: int, gid: int) -> int:
    with found:
        status = found.status()
        if not _is_on_disk(found, status):
            return 0
        owners = call.box.owners
        face = owners.face(status)
        mode = ownership.mode_after_chown(face, uid, gid, call.task.identity)
        changes = {name: value for name, value in (("uid", uid), ("gid", gid)) if value != UNCHANGED}
        record = owners.find(status)
        if record is not None and CAPABILITY in record.xattrs:
            changes["xattrs"] = {name: value for name, value in record.xattrs.items() if name != CAPABILITY}  # type: ignore[assignment]
        owners.record(status, **changes)
        if mode != stat.S_IMODE(face.mode):
            _set_mode(call, found, status, mode)
    return 0


def set_times(call: Call, found: Found, times: bytes | None) -> int:
    """``times``: two timespecs; None: now."""
    with found:
        status = found.status()
        if not _is_on_disk(found, status):
            return 0
        face, who = call.box.owners.face(status), call.task.identity
        if times is None and face.uid != who.user.files:
            ownership.check(face, who, WRITE)
        elif times is not None:
            ownership.check_owner(face, who)
        try:
            kernel.set_times_of(found.descriptor, times)
        except OSError as problem:
            if problem.errno not in (errno.EINVAL, errno.ENOENT):
                raise
            kernel.set_times(own(found.descriptor), times)
    return 0


def timespecs(raw: bytes, unit: int) -> bytes:
    """Two times in seconds (16 bytes), or in seconds and a part in ``unit`` nanoseconds, as two timespecs."""
    if len(raw) == 16:
        accessed, modified = struct.unpack("=qq", raw)
        return struct.pack("=qqqq", accessed, 0, modified, 0)
    accessed, accessed_part, modified, modified_part = struct.unpack("=qqqq", raw)
    return struct.pack("=qqqq", accessed, accessed_part * unit, modified, modified_part * unit)


# --- extended attributes: those that need privilege are recorded, the others lie on disk


def set_attribute(call: Call, found: Found) -> int:
    with found:
        name, size, flags = call.text(1), call.arguments[3], call.number(4)
        if size > _LARGEST_VALUE:
            raise OSError(errno.E2BIG, "")
        value = call.read(2, size)
        status = found.status()
        if not _is_on_disk(found, status):
            raise OSError(errno.EOPNOTSUPP, "")
        if not name.startswith(_RECORDED):
            if name.startswith(b"system."):
                raise OSError(errno.EOPNOTSUPP, "")
            ownership.check(call.box.owners.face(status), call.task.identity, WRITE)
            os.setxattr(own(found.descriptor), name, value, flags)
            return 0
        if name.startswith(b"trusted.") or not call.task.identity.has(SETFCAP):
            raise OSError(errno.EPERM, "")  # CAP_SYS_ADMIN, which no container has.
        had = call.box.owners.attributes(status)
        text = name.decode(errors="surrogateescape")
        if (flags & 1 and text in had) or (flags & 2 and text not in had):
            raise OSError(errno.EEXIST if flags & 1 else errno.ENODATA, "")
        call.box.owners.record(status, xattrs={**had, text: value})
    return 0


def get_attribute(call: Call, found: Found) -> int:
    with found:
        name = call.text(1)
        if name.startswith(_RECORDED):
            value = call.box.owners.attributes(found.status()).get(name.decode(errors="surrogateescape"))
            if value is None:
                raise OSError(errno.ENODATA, "")
        else:
            value = os.getxattr(own(found.descriptor), name)
        return _give(call, 2, value)


def list_attributes(call: Call, found: Found) -> int:
    with found:
        try:
            on_disk = [name.encode(errors="surrogateescape") for name in os.listxattr(own(found.descriptor))]
        except OSError:
            on_disk = []
        recorded = [name.encode(errors="surrogateescape") for name in call.box.owners.attributes(found.status())]
        names = [*(name for name in on_disk if not name.startswith(_RECORDED)), *recorded]
        return _give(call, 1, b"".join(name + b"\0" for name in names))


def remove_attribute(call: Call, found: Found) -> int:
    with found:
        name, status = call.text(1), found.status()
        if not _is_on_disk(found, status):
            raise OSError(errno.EOPNOTSUPP, "")
        if not name.startswith(_RECORDED):
            ownership.check(call.box.owners.face(status), call.task.identity, WRITE)
            os.removexattr(own(found.descriptor), name)
            return 0
        had, text = call.box.owners.attributes(status), name.decode(errors="surrogateescape")
        if text not in had:
            raise OSError(errno.ENODATA, "")
        if not call.task.identity.has(SETFCAP):
            raise OSError(errno.EPERM, "")
        call.box.owners.record(status, xattrs={key: value for key, value in had.items() if key != text})
    return 0


def _give(call: Call, buffer: int, value: bytes) -> int:
    """Writes to a buffer whose size is the next argument; size 0 asks for the length only."""
    size = call.arguments[buffer + 1]
    if size:
        if len(value) > size:
            raise OSError(errno.ERANGE, "")
        call.write(buffer, value)
    return len(value)
