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

    def ready(self, diff_ids: Sequence[DiffID]) -> RootFilesystem:
        """The root file system with these layers, and nothing else changed in it."""
        rootfs = self._rootfs
        if rootfs is not None and rootfs.diff_ids == tuple(diff_ids[: len(rootfs.diff_ids)]):
            missing = diff_ids[len(rootfs.diff_ids) :]
            if not any(self._removes(diff_id) for diff_id in missing):
                for diff_id in missing:
                    rootfs.lay(diff_id)
                return rootfs
        self.close()
        name = PREFIX + secrets.token_hex(8)
        self._rootfs = self._store.rootfs.create(name, diff_ids, real_owners=self._real_owners)
        return self._rootfs

    def _removes(self, diff_id: DiffID) -> bool:
        layer = self._store.layers.index(diff_id)
        return bool(layer.removed or layer.opaque)

    @property
    def rootfs(self) -> RootFilesystem | None:
        return self._rootfs

    def close(self) -> None:
        """Deletes it: what is not committed is lost."""
        if self._rootfs is not None:
            self._store.rootfs.delete(self._rootfs.name)
        self._rootfs = None


def sweep(store: Store) -> None:
    """Deletes what builds of an earlier engine left behind."""
    for name in store.rootfs.names():
        if name.startswith(PREFIX):
            store.rootfs.delete(name)
