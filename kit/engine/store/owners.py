"""The ownership journal of a root file system: read as it grows, appended to by whoever makes files.

Isolators append what a container's processes did; we append what we put on disk that the disk can't tell.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from threading import Lock

from kit.engine.store.identity import identity_of
from kit.layer.ownership import FileIdentity, Ownership, read_journal, to_line
from kit.layer.tree import Entry, Kind


class Owners:
    """The journal at ``path``. A line that is still being written is left for the next look."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = Lock()
        self._records: dict[FileIdentity, Ownership] = {}
        self._read_bytes = 0

    def records(self) -> dict[FileIdentity, Ownership]:
        """Every record, the last one for each file. A new dict; empty without a journal."""
        with self._lock:
            new = self._news()
            whole = new[: new.rfind(b"\n") + 1]
            self._records |= read_journal(whole.decode(errors="replace").splitlines())
            self._read_bytes += len(whole)
            return dict(self._records)

    def _news(self) -> bytes:
        try:
            with self.path.open("rb") as journal:
                journal.seek(self._read_bytes)
                return journal.read()
        except FileNotFoundError:
            return b""

    def append(self, records: Iterable[tuple[FileIdentity, Ownership]]) -> None:
        """Adds records, in one write."""
        lines = "".join(to_line(identity, owner) for identity, owner in records)
        if lines:
            with self.path.open("a") as journal:
                journal.write(lines)


def plain_mode(entry: Entry) -> int:
    """The mode that a file gets on an ordinary user's disk: the owner can always read and write it."""
    return entry.mode | (0o700 if entry.kind is Kind.DIRECTORY else 0o600)


def record_of(entry: Entry) -> Ownership | None:
    """What the journal must tell of ``entry``; None when the disk tells everything."""
    device = entry.kind in (Kind.CHARACTER, Kind.BLOCK)
    hidden = entry.kind is not Kind.SYMLINK and plain_mode(entry) != entry.mode
    if not (entry.uid or entry.gid or device or hidden or entry.xattrs):
        return None
    return Ownership(
        uid=entry.uid,
        gid=entry.gid,
        mode=entry.mode if hidden or device else None,
        st_mode=entry.st_mode if device else None,
        rdev=os.makedev(*entry.device) if device else None,
        xattrs=dict(entry.xattrs),
    )


def recorded(tree: Iterable[tuple[str, Entry]], root: Path) -> Iterable[tuple[FileIdentity, Ownership]]:
    """The records that the files below ``root`` need to be those of ``tree``."""
    for path, entry in tree:
        owner = record_of(entry)
        if owner is not None and path and not entry.hardlink:
            yield identity_of(f"{root}/{path}"), owner
