"""Rewinding: a used root file system made again what it was when it was new.

Of five thousand files a command changes five. Writing a root file system anew takes as long as copying it; to
look at every file and make good the five takes a tenth of that. No program can set a file's change time, so what
has the inode and the change time that it had when it was new, has not been touched. What was touched is not
repaired but deleted and written anew; only directories stay, and get their facts again.

No process may run in it any more. Afterwards everything is looked at once more, and must be as the layers say.

Source: inode(7); ioctl_iflags(2). That a file's time moves when its mapped memory is written to is the file system's
own doing (page_mkwrite), and tmpfs does not do it.
"""

import fcntl
import mmap
import os
import stat
import struct
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryFile

from kit.engine.store.files import remove_tree
from kit.engine.store.identity import identity_of
from kit.engine.store.inside import Inside
from kit.engine.store.owners import Owners, record_of, recorded
from kit.engine.store.scanning import CLOCK_TICK, Look, Scanner, Stamp, Stamps
from kit.engine.store.writing import IMPLIED, Source, set_facts, write_paths
from kit.layer.changeset import parent_of
from kit.layer.tree import Entry, Kind, Tree

MOST_WRITTEN = 1 / 4
"""The share of the paths that is written anew at most: to copy everything costs less than to find out."""
FS_IOC_GETFLAGS = 0x8008_6601
USERS_FLAGS = 0x6083_80FF
"""Those of chattr(1)'s flags that are the user's; the others tell how the file system stores a directory."""


def tells_every_change(folder: Path) -> bool:
    """Whether every change moves a file's change time in the file system of ``folder``. Takes a tick of its clock."""
    with TemporaryFile(dir=folder) as file:
        file.write(b"before")
        file.flush()
        with mmap.mmap(file.fileno(), 0) as memory:
            before = os.fstat(file.fileno()).st_ctime_ns
            time.sleep(CLOCK_TICK / 1e9)
            memory[0] = 0
            return os.fstat(file.fileno()).st_ctime_ns != before


def imprint(root: Path, tree: Tree, *, real_owners: bool) -> Stamps:
    """The stamps of a root file system that was just made from ``tree``: nothing of it is read."""
    look = _Imprint(Scanner(Inside(root), real_owners, frozenset()), tree, {}, frozenset(), lazy=True)
    look.walk("")
    return look.stamps


class _Imprint(Look):
    """A look that believes the tree."""

    def _stamp(self, path: str, directory: int, name: str, told: os.stat_result) -> Stamp:
        entry = self.base.get(path, IMPLIED)
        owner = None if self.scanner.real_owners else record_of(entry)
        birth = identity_of(name, directory).birth if owner is not None else 0
        entry = replace(entry, hardlink="") if entry.hardlink else entry
        return Stamp(told.st_ino, told.st_ctime_ns, birth, owner, entry)


def rewind(folder: Path, stamps: Stamps, tree: Tree, source: Source, *, real_owners: bool) -> Stamps | None:
    """Makes ``root`` and ``owners`` in ``folder`` what ``tree`` says again; the stamps that it then has.

    ``stamps`` are those from when it was new. None: it is not worth while, or did not succeed; it is spoilt.

    Raises:
        OSError: it is spoilt.
    """
    root, journal = folder / "root", folder / "owners"
    look = Scanner(Inside(root), real_owners, frozenset(), stamps).look(tree, {}, lazy=True)
    wrong = {path for path in stamps.keys() | look.stamps.keys() if _touched(stamps.get(path), look.stamps.get(path))}
    kept = {path for path in wrong if _is_directory(stamps.get(path)) and _is_directory(look.stamps.get(path))}
    anew = {path for path in wrong - kept if path in stamps}
    if len(anew) > len(stamps) * MOST_WRITTEN:
        return None
    _remove(root, (wrong - kept - (stamps.keys() - look.stamps.keys())) | look.strange)
    write_paths(tree, anew, root, source, real_owners=real_owners)
    around = {parent_of(path) for path in wrong | look.strange} - anew
    for path in sorted(kept | {path for path in around if path in stamps} | {""}, reverse=True):
        _reset(folder, path, tree.get(path, IMPLIED), real_owners)
    write_owners(journal, tree, root, real_owners=real_owners)
    if not wrong and not look.strange:
        return stamps
    untouched = {path: stamp for path, stamp in stamps.items() if path not in wrong}
    again = Scanner(Inside(root), real_owners, frozenset(), untouched).look(tree, Owners(journal).records())
    return again.stamps if again.tree() == tree and not again.strange else None


def write_owners(journal: Path, tree: Tree, root: Path, *, real_owners: bool) -> None:
    """A new journal in place of the old one, with what the disk below ``root`` can't tell of ``tree``."""
    journal.unlink(missing_ok=True)  # whoever has the old one open writes into nothing
    journal.touch(0o600)
    if not real_owners:
        Owners(journal).append(recorded(tree.items(), root))


def _touched(before: Stamp | None, now: Stamp | None) -> bool:
    return before is None or now is None or (before.inode, before.changed) != (now.inode, now.changed)


def _is_directory(stamp: Stamp | None) -> bool:
    return stamp is not None and stamp.entry.kind is Kind.DIRECTORY


def _remove(root: Path, paths: Iterable[str]) -> None:
    """Deletes the paths, which are all there, and what is in them."""
    gone: set[str] = set()
    for path in sorted(paths):
        if parent_of(path) not in gone:
            place = root / path
            if stat.S_ISDIR(place.lstat().st_mode):
                remove_tree(place)
            else:
                place.unlink()
        gone.add(path)


def _reset(folder: Path, path: str, entry: Entry, real_owners: bool) -> None:
    """A directory's facts as ``entry`` has them, and no others."""
    directory = os.open(folder / "root" / path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if _flags(directory):
            raise OSError(f"/{path} has flags that no layer knows")
        for name in os.listxattr(directory):
            if not name.startswith("security.") or name == "security.capability":  # the others are the kernel's own
                os.removexattr(directory, name)
        set_facts(directory, entry, real_owners)
    finally:
        os.close(directory)


def _flags(directory: int) -> int:
    """What chattr(1) set; 0 where the file system has no such thing."""
    try:
        told = fcntl.ioctl(directory, FS_IOC_GETFLAGS, bytes(8))
    except OSError:
        return 0
    return int(struct.unpack("=Q", told)[0]) & USERS_FLAGS
