"""A stage's root file system: made when the first RUN asks for it, worked on in place, gone with the build.

COPY and its like never touch it. Their layers are laid on top when the next RUN needs them, so a stage whose
last RUN is followed by ten COPYs writes none of them to the disk twice.
"""

import secrets
from collections.abc import Sequence

from kit.engine.store.rootfs import RootFilesystem
from kit.engine.store.store import Store
from kit.oci.digest import DiffID

PREFIX = "build-"


class Workspace:
    """The root file system of one stage, or none yet."""

    def __init__(self, store: Store, *, real_owners: bool) -> None:
        self._store, self._real_owners = store, real_owners
        self._rootfs: RootFilesystem | None = None

    def ready(self, diff_ids: Sequence[DiffID], ground: int = 0) -> RootFilesystem:
        """The root file system with these layers, and nothing else changed in it.

        ``ground``: so many of them, from the bottom, will be the same the next time (not what COPY made: that
        changes with every build). A new one begins there, because there may be a spare of it.
        """
        rootfs = self._rootfs
        if rootfs is None or not self._can_lay(rootfs.diff_ids, diff_ids):
            self.close()
            first = diff_ids[:ground] if ground and self._can_lay(diff_ids[:ground], diff_ids) else diff_ids
            name = PREFIX + secrets.token_hex(8)
            rootfs = self._rootfs = self._store.rootfs.create(name, first, real_owners=self._real_owners)
        for diff_id in diff_ids[len(rootfs.diff_ids) :]:
            rootfs.lay(diff_id)
        return rootfs

    def _can_lay(self, below: Sequence[DiffID], diff_ids: Sequence[DiffID]) -> bool:
        """Whether what is missing of ``diff_ids`` can be laid on a root file system of the layers ``below``."""
        count = len(below)
        return tuple(below) == tuple(diff_ids[:count]) and not any(map(self._removes, diff_ids[count:]))

    def _removes(self, diff_id: DiffID) -> bool:
        layer = self._store.layers.index(diff_id)
        return bool(layer.removed or layer.opaque)

    @property
    def rootfs(self) -> RootFilesystem | None:
        return self._rootfs

    def close(self) -> None:
        """Gives it up: what is not committed is lost."""
        if self._rootfs is not None:
            self._store.rootfs.delete(self._rootfs.name)
        self._rootfs = None


def sweep(store: Store) -> None:
    """Deletes what builds of an earlier engine left behind."""
    for name in store.rootfs.names():
        if name.startswith(PREFIX):
            store.rootfs.delete(name)
