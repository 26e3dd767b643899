"""Root file systems: directories that containers and RUN steps write in, made from layers.

A root file system remembers the layers it was made from. What its processes changed is found by looking
(``scan``), told as a changeset, and packed into a layer (``commit``, ``snapshot``).

It is made under a temporary name and renamed when it is whole, so a killed engine leaves none half-made. One that
is deleted may be made anew faster than it could be copied: see ``spares``.
"""

import json
import os
import re
import time
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from threading import Lock, RLock
from typing import BinaryIO

from kit.engine.store.files import remove_tree, sweep, temporary_name, write_whole
from kit.engine.store.layers import Layers, StoredLayer
from kit.engine.store.owned import OwnedTree
from kit.engine.store.rewinding import imprint, tells_every_change, write_owners
from kit.engine.store.scanning import CLOCK_TICK, Scanner, Stamps
from kit.engine.store.spares import Origin, Spares
from kit.engine.store.writing import Source, write_tree
from kit.errors import Conflict, Invalid, NotFound
from kit.layer.changeset import Changeset, diff
from kit.layer.headers import Readable
from kit.layer.tree import Entry
from kit.oci.digest import DiffID, Digest, hex_of

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
SMALL = 100
"""Paths. A smaller tree is made anew before another is found to be as it was."""
MOUNT_POINTS = frozenset((".dockerenv", "dev", "proc", "sys", "etc/hosts", "etc/hostname", "etc/resolv.conf"))
"""What an engine mounts over in every container: no layer ever tells of it, as in dockerd."""


class RootfsNotFound(NotFound):
    """No root file system of this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no root file system {name!r}")
        self.name = name


class RootfsExists(Conflict):
    """The name is taken."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is already a root file system {name!r}: delete it, or use another name")
        self.name = name


class RootFilesystem(OwnedTree):
    """One directory tree. Its methods may be called from many threads; scans wait for each other."""

    def __init__(self, folder: Path, layers: Layers, stamps: Stamps | None = None) -> None:
        """``stamps``: of one that is as new, those of all that is in it. Its bytes are then known without reading."""
        about = json.loads((folder / "about.json").read_bytes())
        super().__init__(folder / "root", folder / "owners", real_owners=about["real_owners"])
        self.name = folder.name
        self.diff_ids: tuple[DiffID, ...] = tuple(about["diff_ids"])
        self._folder, self._layers, self._lock = folder, layers, RLock()
        self._scanner = Scanner(self._inside, self.real_owners, frozenset(about["ignored"]), stamps or {})
        self.origin = Origin(self.diff_ids, self.real_owners)
        self.stamps_when_new = stamps
        """None: nobody knows, or it may still be written to when it is deleted."""

    @property
    def base(self) -> dict[str, Entry]:
        """The tree that it was made from, or that was last committed. It is shared: don't change it."""
        return self._layers.tree(self.diff_ids)

    def scan(self) -> dict[str, Entry]:
        """The tree as it is now, with logical owners."""
        with self._lock:
            return self._scanner.scan(self.base, self._owners.records())

    def changeset(self) -> Changeset:
        """What is now different from ``base``. Digests of new files are None: ``docker diff`` needs none."""
        with self._lock:
            return diff(self.base, self._scanner.scan(self.base, self._owners.records(), lazy=True))

    def snapshot(self) -> StoredLayer | None:
        """What is now different from ``base`` as a layer, or None. ``base`` stays.

        Raises:
            Changed: a process wrote meanwhile; nothing is stored.
        """
        with self._lock:
            changeset = self.changeset()
            return self._layers.put(changeset, self._open_entry) if changeset else None

    def commit(self) -> StoredLayer | None:
        """As ``snapshot``, and what is now is the new ``base``: the next commit tells what came after.

        Raises:
            Changed: a process wrote meanwhile; nothing is stored.
        """
        with self._lock:
            layer = self.snapshot()
            if layer is not None:
                self.diff_ids = (*self.diff_ids, layer.diff_id)
                write_about(self._folder, self.diff_ids, self.real_owners, self._scanner.ignored)
                self._layers.claim([layer.diff_id])
            return layer

    def lay(self, diff_id: DiffID) -> None:
        """Puts a stored layer on top, on the disk and in ``base``. It must add and replace only.

        Raises:
            Invalid: the layer removes something.
        """
        layer = self._layers.index(diff_id)
        if layer.removed or layer.opaque:
            raise Invalid(f"layer {diff_id} removes files: make the root file system anew")
        with self._lock:
            if layer:
                with self._layers.open(diff_id) as tar:
                    super().extract("/", tar)
            self.diff_ids = (*self.diff_ids, diff_id)
            write_about(self._folder, self.diff_ids, self.real_owners, self._scanner.ignored)
            self._layers.claim([diff_id])

    def extract(
        self, path: str, tar: Readable, *, keep_kind: bool = False, owner: tuple[int, int] | None = None
    ) -> None:
        self.stamps_when_new = None
        super().extract(path, tar, keep_kind=keep_kind, owner=owner)

    def _open_entry(self, path: str) -> BinaryIO:
        return self._open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)


def write_about(folder: Path, diff_ids: Iterable[DiffID], real_owners: bool, ignored: Iterable[str]) -> None:
    about = {"diff_ids": list(diff_ids), "real_owners": real_owners, "ignored": sorted(ignored)}
    write_whole(folder / "about.json", json.dumps(about).encode(), sync=False)


class RootFilesystems:
    """All root file systems of a store, by name."""

    def __init__(self, root: Path, spares: Path, layers: Layers) -> None:
        """``spares``: a directory of its own on the same file system."""
        self._root, self._layers, self._lock, self._making = root, layers, RLock(), Lock()
        self._known: dict[str, RootFilesystem] = {}
        self.spares = Spares(spares, layers, self._source)
        root.mkdir(parents=True, exist_ok=True)

    def sweep(self) -> None:
        """Removes what an earlier engine left half-made or half-deleted."""
        sweep(self._root)
        self.spares.sweep()

    def names(self) -> list[str]:
        return sorted(path.name for path in self._root.iterdir() if not path.name.startswith("."))

    def create(
        self, name: str, diff_ids: Sequence[DiffID], *, real_owners: bool, ignore: Iterable[str] = MOUNT_POINTS
    ) -> RootFilesystem:
        """A new root file system with the merged tree of the layers, bottom first.

        ``real_owners``: as root, files get their owners, devices and capabilities on disk; otherwise these
        are in the journal ``owners``. ``ignore``: paths that never show in a changeset.

        Raises:
            RootfsExists: the name is taken.
            LayerNotFound: a layer is not in the store.
            Invalid: the name can't be a file's.
        """
        if not NAME.fullmatch(name):
            raise Invalid(f"{name!r} can't name a root file system")
        folder = self._root / name
        if folder.exists():
            raise RootfsExists(name)
        building, stamps = self._made(Origin(tuple(diff_ids), real_owners))
        try:
            write_about(building, diff_ids, real_owners, (path.strip("/") for path in ignore))
            with self._lock:
                if folder.exists():
                    raise RootfsExists(name)
                building.rename(folder)
                self._known[name] = RootFilesystem(folder, self._layers, stamps)
                return self._known[name]
        finally:
            if building.exists():
                remove_tree(building)

    def _made(self, origin: Origin) -> tuple[Path, Stamps | None]:
        """A directory under a temporary name, and its stamps: a spare, or a new one.

        New ones are made one by one: many at once take no less time, and meanwhile a spare may come.
        """
        spare = self.spares.take(origin)
        if spare is None:
            with self._making:
                spare = self.spares.take(origin)
                if spare is None:
                    return self._new(origin)
        building = temporary_name(self._root)
        spare.folder.rename(building)
        _wait_for_the_clock(spare.stamps)
        return building, spare.stamps

    def _new(self, origin: Origin) -> tuple[Path, Stamps | None]:
        building = temporary_name(self._root)
        building.mkdir(0o700)
        try:
            tree, real_owners = self._layers.tree(origin.diff_ids), origin.real_owners
            write_tree(tree, building / "root", self._source(origin.diff_ids), real_owners=real_owners)
            write_owners(building / "owners", tree, building / "root", real_owners=real_owners)
            if len(tree) < SMALL or not self._every_change_shows:
                return building, None
            stamps = imprint(building / "root", tree, real_owners=real_owners)
            _wait_for_the_clock(stamps)
            return building, stamps
        except BaseException:
            remove_tree(building)
            raise

    @cached_property
    def _every_change_shows(self) -> bool:
        return tells_every_change(self._root)

    def _source(self, diff_ids: Sequence[DiffID]) -> Source:
        places: dict[Digest, str] = {}
        for diff_id in diff_ids:
            folder = self._layers.unpacked(diff_id)
            for entry in self._layers.index(diff_id).entries.values():
                if entry.digest and entry.size:
                    places[entry.digest] = f"{folder}/{hex_of(entry.digest)}"
        return places.__getitem__

    def open(self, name: str) -> RootFilesystem:
        """The root file system of this name; always the same object.

        Raises:
            RootfsNotFound: there is none.
        """
        with self._lock:
            if name not in self._known:
                folder = self._root / name
                if not NAME.fullmatch(name) or not folder.exists():
                    raise RootfsNotFound(name)
                self._known[name] = RootFilesystem(folder, self._layers)
            return self._known[name]

    def delete(self, name: str) -> None:
        """Deletes it, or keeps it as a spare; nothing, if it is not there. No process may run in it any more."""
        with self._lock:
            rootfs = self._known.pop(name, None)
            doomed = temporary_name(self._root)
            try:
                (self._root / name).rename(doomed)
            except FileNotFoundError:
                return
        if rootfs is not None and rootfs.stamps_when_new is not None:
            self.spares.keep(rootfs.origin, doomed, rootfs.stamps_when_new)
        else:
            remove_tree(doomed)

    def layers_in_use(self) -> set[DiffID]:
        """The layers that some root file system was made from."""
        return {diff_id for name in self.names() for diff_id in self.open(name).diff_ids}


def _wait_for_the_clock(stamps: Stamps) -> None:
    """Until a change is sure to bear another time than the last of these: hardly ever more than nothing."""
    newest = max((stamp.changed for stamp in stamps.values()), default=0)
    missing = newest + CLOCK_TICK - time.time_ns()
    if missing > 0:
        time.sleep(min(missing, CLOCK_TICK) / 1e9)
