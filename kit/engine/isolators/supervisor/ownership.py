"""Who owns a file in the container, and what else an ordinary user's disk can't hold.

What a file's ``statx`` says, with the journal's record (``kit.layer.ownership``) laid over it. Every change is
told to whoever keeps the journal. Independent of how files are found: whoever has a file's status can ask.

Source: inode(7); chown(2), chmod(2): what they clear; path_resolution(7), "Permissions".
"""

import errno
import os
import stat
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from kit.engine.isolators.supervisor.ids import (
    CHOWN,
    DAC_OVERRIDE,
    DAC_READ_SEARCH,
    FOWNER,
    FSETID,
    UNCHANGED,
    Identity,
)
from kit.engine.isolators.supervisor.kernel import Status
from kit.layer.ownership import FileIdentity, Ownership

READ, WRITE, EXECUTE = 4, 2, 1
_BIRTH = 0x800
_NOTHING = Ownership()
CAPABILITY = "security.capability"


class Face(NamedTuple):
    """What the container sees of a file beside size and times."""

    uid: int
    gid: int
    mode: int
    """With the kind of file."""
    device: int


def identity_of(file: Status) -> FileIdentity:
    return FileIdentity(file.inode, file.born * 10**9 + file.born_ns if file.mask & _BIRTH else 0)


class Owners:
    """The records of one container.

    ``uid`` and ``gid`` are those of the engine on the machine: what is theirs on disk is root's in the container.
    """

    def __init__(
        self,
        records: dict[FileIdentity, Ownership],
        put: Callable[[FileIdentity, Ownership], object],
        *,
        uid: int,
        gid: int,
    ) -> None:
        self._records, self._tell = records, put
        self._uid, self._gid = uid, gid

    def find(self, file: Status) -> Ownership | None:
        return self._records.get(identity_of(file))

    def attributes(self, file: Status) -> dict[str, bytes]:
        """The extended attributes that are known beside the disk."""
        record = self.find(file)
        return record.xattrs if record is not None else {}

    def face(self, file: Status) -> Face:
        record = self._records.get(identity_of(file))
        if record is None:
            uid = 0 if file.uid == self._uid else file.uid
            gid = 0 if file.gid == self._gid else file.gid
            return Face(uid, gid, file.mode, os.makedev(file.device_major, file.device_minor))
        mode = file.mode if record.mode is None else stat.S_IFMT(file.mode) | record.mode
        if record.st_mode is None or record.rdev is None:
            return Face(record.uid, record.gid, mode, os.makedev(file.device_major, file.device_minor))
        return Face(record.uid, record.gid, stat.S_IFMT(record.st_mode) | stat.S_IMODE(mode), record.rdev)

    def record(self, file: Status, **changes: object) -> None:
        """Changes what is known beside the disk."""
        old = self.find(file)
        if old is None:
            face = self.face(file)
            old = Ownership(face.uid, face.gid)
        new = replace(old, **changes)  # type: ignore[arg-type]
        if new != old or (self.find(file) is None and new != _NOTHING):
            self._put(identity_of(file), new)

    def _put(self, identity: FileIdentity, record: Ownership) -> None:
        self._records[identity] = record
        self._tell(identity, record)

    def born(self, file: Status, uid: int, gid: int, mode: int | None = None) -> None:
        """A file was just made. ``mode``: permission bits that the disk could not be given."""
        identity = identity_of(file)
        record = Ownership(uid, gid, mode)
        if record != self._records.get(identity, _NOTHING):
            self._put(identity, record)


def shown(mode: int, directory: bool) -> int:
    """The mode on disk for a file of ``mode``: the supervisor itself must be able to use it."""
    return mode | (0o700 if directory else 0o600)


def check(face: Face, who: Identity, wanted: int) -> None:
    """
    Raises:
        OSError: EACCES, ``who`` may not do all that is ``wanted`` (READ, WRITE, EXECUTE).
    """
    if face.uid == who.user.files:
        allowed = face.mode >> 6
    elif who.in_group(face.gid):
        allowed = face.mode >> 3
    else:
        allowed = face.mode
    missing = wanted & ~allowed & 7
    if not missing:
        return
    directory = stat.S_ISDIR(face.mode)
    if who.has(DAC_OVERRIDE) and (directory or not missing & EXECUTE or face.mode & 0o111):
        return
    if who.has(DAC_READ_SEARCH) and (missing == READ or (directory and not missing & WRITE)):
        return
    raise OSError(errno.EACCES, "")


def check_owner(face: Face, who: Identity) -> None:
    """
    Raises:
        OSError: EPERM, the file is neither theirs nor are they above that.
    """
    if face.uid != who.user.files and not who.has(FOWNER):
        raise OSError(errno.EPERM, "")


def check_sticky(directory: Face, file: Face, who: Identity) -> None:
    """Whether ``who`` may remove or rename a file in a directory like ``/tmp``."""
    if directory.mode & stat.S_ISVTX and who.user.files not in (file.uid, directory.uid) and not who.has(FOWNER):
        raise OSError(errno.EPERM, "")


def group_of_new(parent: Face, who: Identity) -> int:
    """A directory with the set-group bit passes its group on."""
    return parent.gid if parent.mode & stat.S_ISGID else who.group.files


def mode_after_chmod(face: Face, wanted: int, who: Identity) -> int:
    """
    Raises:
        OSError: EPERM.
    """
    check_owner(face, who)
    if not stat.S_ISDIR(face.mode) and not who.in_group(face.gid) and not who.has(FSETID):
        wanted &= ~stat.S_ISGID
    return wanted & 0o7777


def mode_after_chown(face: Face, uid: int, gid: int, who: Identity) -> int:
    """The permission bits after a file went to ``uid`` and ``gid`` (UNCHANGED: stays).

    Raises:
        OSError: EPERM.
    """
    if not who.has(CHOWN):
        keeps_user = uid in (UNCHANGED, face.uid)
        own_group = gid in (UNCHANGED, face.gid) or who.in_group(gid)
        if not (keeps_user and own_group and face.uid == who.user.files):
            raise OSError(errno.EPERM, "")
    mode = stat.S_IMODE(face.mode)
    if not stat.S_ISREG(face.mode):
        return mode
    return mode & ~(stat.S_ISUID | (stat.S_ISGID if mode & 0o010 else 0))
