"""What tells a file on disk from every other: inode and birth time.

An inode number is used again once its file is gone; with the time of its birth it is not. Ownership records
are keyed by both. Python's ``stat`` has no birth time, so this asks ``statx``.

Source: statx(2). A file system without birth times gives 0, which everyone who keys by it must do alike.
"""

import ctypes
import os
import struct

from kit.layer.ownership import FileIdentity

AT_SYMLINK_NOFOLLOW = 0x100
STATX_INO = 0x100
STATX_BTIME = 0x800
_LIBC = ctypes.CDLL(None, use_errno=True)


def identity_of(name: str, directory: int = -100) -> FileIdentity:
    """The identity of ``name`` (a symlink itself is not followed), relative to an open ``directory`` if given."""
    buffer = ctypes.create_string_buffer(256)
    mask = STATX_INO | STATX_BTIME
    if _LIBC.statx(directory, os.fsencode(name), AT_SYMLINK_NOFOLLOW, mask, buffer) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), name)
    (told,) = struct.unpack_from("=I", buffer, 0)
    (inode,) = struct.unpack_from("=Q", buffer, 32)
    seconds, nanoseconds = struct.unpack_from("=qI", buffer, 80)
    return FileIdentity(inode, seconds * 10**9 + nanoseconds if told & STATX_BTIME else 0)
