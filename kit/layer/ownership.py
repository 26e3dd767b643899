"""Ownership records: what an ordinary user's disk can't hold.

Without privileges a file can't be given to another user, be a device, or carry a capability. The isolator
records such facts instead, keyed by the file's identity on disk, and whoever reads the root file system
(the layer's scan, ``docker cp``) lays the records over what ``lstat`` says.

The records are a journal, one JSON line each, last one wins: a supervisor that is killed loses nothing.
A line that was cut short by a kill is ignored.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import IO, NamedTuple


class FileIdentity(NamedTuple):
    """What tells a file from an earlier one with the same inode: inode number and birth time (ns)."""

    inode: int
    birth: int


@dataclass(frozen=True, slots=True)
class Ownership:
    """What is true of a file beside what the disk says. None means: the disk is right.

    ``mode`` is permission bits that the disk could not be given (a file without owner-read must stay readable
    to us). ``st_mode`` and ``rdev`` (as ``os.makedev``) tell of a device, for which the disk holds an empty
    file. ``xattrs`` are those that need privilege (``security.*``, ``trusted.*``).
    """

    uid: int = 0
    gid: int = 0
    mode: int | None = None
    st_mode: int | None = None
    rdev: int | None = None
    xattrs: dict[str, bytes] = field(default_factory=dict)


def to_line(identity: FileIdentity, owner: Ownership) -> str:
    """The record as one journal line, with its line end."""
    xattrs = {name: value.hex() for name, value in owner.xattrs.items()}
    row = [*identity, owner.uid, owner.gid, owner.mode, owner.st_mode, owner.rdev, xattrs]
    return json.dumps(row, separators=(",", ":")) + "\n"


def read_journal(lines: IO[str] | Iterable[str]) -> dict[FileIdentity, Ownership]:
    """All records, the last one for each file."""
    records: dict[FileIdentity, Ownership] = {}
    for line in lines:
        try:
            inode, birth, uid, gid, mode, st_mode, rdev, xattrs = json.loads(line)
        except ValueError:
            continue
        values = {name: bytes.fromhex(text) for name, text in xattrs.items()}
        records[FileIdentity(inode, birth)] = Ownership(uid, gid, mode, st_mode, rdev, values)
    return records
