"""A file's status in the layouts that programs read: ``struct stat`` of each architecture, ``struct statx``.

Source: stat(2), statx(2); asm/stat.h.
"""

import os
import platform
import struct

from kit.engine.isolators.supervisor.kernel import STATX, Status
from kit.engine.isolators.supervisor.ownership import Face

_X86_64 = struct.Struct("=QQQIIIIQqqqqqqqqq24x")
_AARCH64 = struct.Struct("=QQIIIIQQqiiqqqqqqq8x")
_IS_ARM = platform.machine() == "aarch64"


def as_stat(file: Status, face: Face) -> bytes:
    holder = os.makedev(file.holder_major, file.holder_minor)
    times = (
        *(file.accessed, file.accessed_ns, file.modified, file.modified_ns),
        *(file.changed, file.changed_ns),
    )
    who = (face.uid, face.gid)
    if _IS_ARM:
        head = (holder, file.inode, face.mode, file.links, *who, face.device, 0)
        return _AARCH64.pack(*head, file.size, file.block_size, 0, file.blocks, *times)
    head = (holder, file.inode, file.links, face.mode, *who, 0, face.device)
    return _X86_64.pack(*head, file.size, file.block_size, file.blocks, *times)


def as_statx(file: Status, face: Face) -> bytes:
    shown = file._replace(
        uid=face.uid,
        gid=face.gid,
        mode=face.mode,
        device_major=os.major(face.device),
        device_minor=os.minor(face.device),
    )
    return STATX.pack(*shown).ljust(256, b"\0")
