"""Spares: root file systems that nobody needs any more, kept because somebody will soon.

Who builds again, or runs a second container of an image, wants what was deleted a moment ago. So a few are
rewound instead, and given out again in place of a copy. They are known to the engine that made them and to no
other: the next one sweeps them away.
"""

import secrets
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from kit.engine.store.files import remove_tree
from kit.engine.store.layers import Layers
from kit.engine.store.rewinding import rewind
from kit.engine.store.scanning import Stamps
from kit.engine.store.writing import Source
from kit.errors import KitError
from kit.oci.digest import DiffID

MOST = 2
LEAST_FREE = 1 << 30
"""Bytes that must be free on the disk: a spare is never worth a build that fails."""


class Origin(NamedTuple):
    """What a root file system was made from: layers, bottom first, and whether files got their real owners."""

    diff_ids: tuple[DiffID, ...]
    real_owners: bool


class Spare(NamedTuple):
    """A directory with ``root`` and ``owners`` as good as new, and the stamps of all that is in it."""

    folder: Path
    stamps: Stamps


class Spares:
    """At most two, and one of each origin. Many threads may use them at once."""

    def __init__(self, folder: Path, layers: Layers, source: Callable[[Sequence[DiffID]], Source]) -> None:
        """``source`` tells for a stack of layers where the bytes of their files lie."""
        self._folder, self._layers, self._source, self._lock = folder, layers, source, Lock()
        self._shelf: dict[Origin, Spare] = {}
        self._coming: set[Origin] = set()
        folder.mkdir(parents=True, exist_ok=True)

    def sweep(self) -> None:
        """Removes those of an earlier engine."""
        for folder in self._folder.iterdir():
            remove_tree(folder)

    def keep(self, origin: Origin, folder: Path, stamps: Stamps) -> None:
        """Takes what is in ``folder``, where no process runs any more; rewinds and keeps it, or deletes it.

        ``stamps`` are those from when it was new.
        """
        with self._lock:
            wanted = origin not in self._shelf.keys() | self._coming and self._room()
            if wanted:
                self._coming.add(origin)
        if not wanted:
            remove_tree(folder)
            return
        place = self._folder / secrets.token_hex(8)
        try:
            folder.rename(place)
            good = self._rewound(origin, place, stamps)
        finally:
            with self._lock:
                self._coming.remove(origin)
        if good is None:
            remove_tree(place)
        else:
            self._put(origin, Spare(place, good))

    def _room(self) -> bool:
        return shutil.disk_usage(self._folder).free > LEAST_FREE

    def _rewound(self, origin: Origin, folder: Path, stamps: Stamps) -> Stamps | None:
        try:
            tree, source = self._layers.tree(origin.diff_ids), self._source(origin.diff_ids)
            return rewind(folder, stamps, tree, source, real_owners=origin.real_owners)
        except (OSError, KitError):
            return None

    def _put(self, origin: Origin, spare: Spare) -> None:
        with self._lock:
            self._shelf[origin] = spare
            old = [self._shelf.pop(origin) for origin in list(self._shelf)[:-MOST]]
        for spare in old:
            remove_tree(spare.folder)

    def take(self, origin: Origin) -> Spare | None:
        """The one of this origin: from now on it is the caller's."""
        with self._lock:
            return self._shelf.pop(origin, None)

    def forget(self, diff_ids: Iterable[DiffID]) -> None:
        """Deletes those that were made from any of these layers, which are gone."""
        gone = set(diff_ids)
        self._drop(lambda origin: not gone.isdisjoint(origin.diff_ids))

    def clear(self) -> None:
        """Deletes all."""
        self._drop(lambda _: True)

    def _drop(self, doomed: Callable[[Origin], bool]) -> None:
        with self._lock:
            spares = [self._shelf.pop(origin) for origin in list(self._shelf) if doomed(origin)]
        for spare in spares:
            remove_tree(spare.folder)
