"""One path of the disk as an entry: what ``lstat`` says, with the ownership record laid over it."""

import hashlib
import os
import stat

from kit.layer.ownership import Ownership
from kit.layer.tarball import KEPT_XATTRS
from kit.layer.tree import Entry, Kind, kind_of_mode
from kit.oci.digest import CHUNK, Digest


def look_at(
    directory: int, name: str, told: os.stat_result, owner: Ownership | None, real_owners: bool
) -> Entry | None:
    """``name`` in an open ``directory`` as an entry without digest; None for a socket, which no layer can hold.

    ``told`` is its ``lstat``. Without real owners, what has no record is root's.
    """
    kind = kind_of_mode((owner and owner.st_mode) or told.st_mode)
    if kind is None:
        return None
    device = 0
    if kind in (Kind.CHARACTER, Kind.BLOCK):
        device = (owner and owner.rdev) or told.st_rdev
    uid, gid = (told.st_uid, told.st_gid) if real_owners else (0, 0)
    return Entry(
        kind=kind,
        mode=0o777 if kind is Kind.SYMLINK else _mode(told, owner),
        uid=owner.uid if owner else uid,
        gid=owner.gid if owner else gid,
        size=told.st_size if kind is Kind.FILE else 0,
        target=os.readlink(name, dir_fd=directory) if kind is Kind.SYMLINK else "",
        device=(os.major(device), os.minor(device)),
        xattrs=_xattrs(directory, name, kind, owner, real_owners),
        mtime=float(told.st_mtime_ns // 10**9),
    )


def _mode(told: os.stat_result, owner: Ownership | None) -> int:
    return stat.S_IMODE(told.st_mode if owner is None or owner.mode is None else owner.mode)


def _xattrs(
    directory: int, name: str, kind: Kind, owner: Ownership | None, real_owners: bool
) -> tuple[tuple[str, bytes], ...]:
    if not real_owners:
        return tuple(sorted(pair for pair in (owner.xattrs if owner else {}).items() if pair[0] in KEPT_XATTRS))
    if kind is not Kind.FILE:
        return ()
    found = []
    for key in KEPT_XATTRS:
        try:
            found.append((key, os.getxattr(f"/proc/self/fd/{directory}/{name}", key, follow_symlinks=False)))
        except OSError:  # not set, or not known to this file system
            continue
    return tuple(found)


def digest_at(directory: int, name: str) -> Digest:
    """The digest of the regular file ``name`` in an open ``directory``."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with open(os.open(name, flags, dir_fd=directory), "rb", buffering=0) as file:
        found = hashlib.sha256()
        while data := file.read(CHUNK):
            found.update(data)
    return Digest("sha256:" + found.hexdigest())
