"""The disk back to entries: what a root file system holds now.

A file that is still the same inode with the same change time and size still has the same bytes, so its
digest is remembered and only what changed is read.

Source: inode(7): the change time moves with every change to a file's bytes or facts, and no program can set it.
"""

import os
import stat
import time
from collections.abc import Mapping, Set
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from kit.engine.store.identity import identity_of
from kit.engine.store.inside import Inside, PathNotFound
from kit.engine.store.looking import digest_at, look_at
from kit.layer.changeset import all_parents, parent_of
from kit.layer.ownership import FileIdentity, Ownership
from kit.layer.tree import Entry, Kind, Tree

CLOCK_TICK = 20_000_000
"""Nanoseconds in which two changes may bear the same time: the kernel's coarse clock ticks every 1–10 ms."""


class Stamp(NamedTuple):
    """What a path was when it was looked at. ``entry`` names no hard link; ``birth`` is 0 where nobody asked."""

    inode: int
    changed: int
    birth: int
    owner: Ownership | None
    entry: Entry


Stamps = dict[str, Stamp]
Records = Mapping[FileIdentity, Ownership]


@dataclass
class Scanner:
    """Looks at one root file system, again and again.

    ``ignored`` paths, with everything below, are always as in ``base``.
    """

    inside: Inside
    real_owners: bool
    ignored: Set[str]
    stamps: Stamps = field(default_factory=dict)

    def scan(self, base: Tree, owners: Records, *, lazy: bool = False) -> dict[str, Entry]:
        """The logical tree. ``lazy``: the digest is None of a file that differs from ``base`` in any other fact.

        The root itself is as in ``base``: no layer says anything of it.
        """
        looked = time.time_ns()
        look = self.look(base, owners, lazy=lazy)
        trusted = looked - CLOCK_TICK
        self.stamps = {path: stamp for path, stamp in look.stamps.items() if stamp.changed < trusted}
        return look.tree()

    def look(self, base: Tree, owners: Records, *, lazy: bool = False) -> "Look":
        """One look at everything, of which nothing is remembered."""
        look = Look(self, base, owners, {identity.inode for identity in owners}, lazy)
        look.walk("")
        return look


@dataclass
class Look:
    """One scan. ``strange`` are the paths of what no layer can hold."""

    scanner: Scanner
    base: Tree
    owners: Records
    owned_inodes: Set[int]
    lazy: bool
    stamps: Stamps = field(default_factory=dict)
    names: dict[int, list[str]] = field(default_factory=dict)
    placeholders: set[str] = field(default_factory=set)
    strange: set[str] = field(default_factory=set)

    def walk(self, path: str) -> None:
        """Everything below ``path``."""
        deeper = [path]
        with self.scanner.inside.held() as open_inside:
            while deeper:
                folder = deeper.pop()
                try:
                    directory = open_inside(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
                except (PathNotFound, NotADirectoryError):
                    continue  # a running container may delete while we look
                try:
                    deeper += self._list(directory, folder)
                finally:
                    os.close(directory)

    def _list(self, directory: int, folder: str) -> list[str]:
        """Looks at what is in one directory, and returns the directories among it."""
        directories = []
        known, stamps, owned, ignored = self.scanner.stamps, self.stamps, self.owned_inodes, self.scanner.ignored
        with os.scandir(directory) as found:
            for item in found:
                path = f"{folder}/{item.name}" if folder else item.name
                if path in ignored:
                    self.placeholders.add(path)
                    continue
                try:
                    told = item.stat(follow_symlinks=False)
                    stamp = known.get(path)
                    if (
                        stamp is None  # Most files are as they were: they must cost little.
                        or stamp.inode != told.st_ino
                        or stamp.changed != told.st_ctime_ns
                        or told.st_ino in owned
                        or stamp.owner is not None
                        or (stamp.entry.digest is None and stamp.entry.kind is Kind.FILE)
                    ):
                        stamp = self._stamp(path, directory, item.name, told)
                except (FileNotFoundError, NotADirectoryError):
                    continue
                if stamp is None:
                    self.strange.add(path)
                    continue
                stamps[path] = stamp
                if stat.S_ISDIR(told.st_mode):
                    directories.append(path)
                elif told.st_nlink > 1:
                    self.names.setdefault(told.st_ino, []).append(path)
        return directories

    def _stamp(self, path: str, directory: int, name: str, told: os.stat_result) -> Stamp | None:
        old = self.scanner.stamps.get(path)
        if old is not None and (old.inode, old.changed) != (told.st_ino, told.st_ctime_ns):
            old = None
        birth = old.birth if old is not None else 0
        owner = None
        if told.st_ino in self.owned_inodes:
            birth = birth or identity_of(name, directory).birth
            owner = self.owners.get(FileIdentity(told.st_ino, birth))
        if old is not None and old.owner == owner and (old.entry.digest or old.entry.kind is not Kind.FILE):
            return old
        entry = look_at(directory, name, told, owner, self.scanner.real_owners)
        if entry is None:
            return None
        if entry.kind is Kind.FILE:
            digest = old.entry.digest if old is not None else None
            if digest is None and (not self.lazy or self._must_know(path, entry)):
                digest = digest_at(directory, name)
            entry = replace(entry, digest=digest)
        return Stamp(told.st_ino, told.st_ctime_ns, birth, owner, entry)

    def _must_know(self, path: str, entry: Entry) -> bool:
        """Whether the bytes decide: every other fact is as in the base."""
        old = self.base.get(path)
        return old is not None and replace(old, digest=None, hardlink="") == entry

    def tree(self) -> dict[str, Entry]:
        """What was seen, by path; what is ignored, as ``base`` has it."""
        tree = self._linked()
        _as_in_base(tree, self.base, self.scanner.ignored, self.placeholders)
        return {path: tree[path] for path in sorted(tree)}

    def _linked(self) -> dict[str, Entry]:
        """The entries, with the hard links among them: the first name is the file."""
        tree = {path: stamp.entry for path, stamp in self.stamps.items()}
        for names in self.names.values():
            first, *others = sorted(names)
            digest = next((tree[name].digest for name in names if tree[name].digest), None)
            tree[first] = replace(tree[first], digest=digest)
            tree.update({name: replace(tree[first], hardlink=first) for name in others})
        return tree


def _as_in_base(tree: dict[str, Entry], base: Tree, ignored: Set[str], placeholders: Set[str]) -> None:
    """The root, and what is ignored, as ``base`` has it; and no trace of mount points that were made."""
    in_ignored = tuple(f"{path}/" for path in ignored)
    below = {path for path in base if path in ignored or path.startswith(in_ignored)}
    tree.update({path: base[path] for path in below})
    if "" in base:
        tree[""] = base[""]
    for path in all_parents(base) - base.keys():  # made by us: no layer lists them
        if path in tree and replace(tree[path], mtime=0.0) == Entry(Kind.DIRECTORY):
            del tree[path]
    made = placeholders - base.keys()
    for path in sorted(all_parents(made), key=len, reverse=True):
        if path not in base and not any(parent_of(other) == path for other in tree):
            tree.pop(path, None)
    for path in made:
        above = parent_of(path)
        if above in tree and above in base and above:
            tree[above] = replace(tree[above], mtime=base[above].mtime)
