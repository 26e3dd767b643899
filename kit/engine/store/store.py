"""The store: everything that an engine keeps on disk, in one directory.

    oci-layout index.json blobs/   an OCI image layout: other tools may read it
    layers/                        an index beside each layer, and its files once something needed them
    rootfs/                        root file systems of containers and build stages
    spares/                        those that are kept to be used again
    store.db                       tags, images, layers, documents

One engine owns a store. A killed engine may leave unfinished files under temporary names; the next one
removes them before it starts.
"""

import fcntl
import os
from pathlib import Path

from kit.engine.store.blobs import Blobs
from kit.engine.store.database import Database
from kit.engine.store.images import Images
from kit.engine.store.layers import Layers
from kit.engine.store.rootfs import RootFilesystems
from kit.engine.store.state import Documents
from kit.errors import Conflict


class StoreInUse(Conflict):
    """Another engine owns the store."""

    def __init__(self, root: Path) -> None:
        super().__init__(f"the store {root} is in use by another engine: stop it, or choose another directory")
        self.root = root


class Store:
    """A store, opened: made if it is not there, repaired if its last engine was killed."""

    def __init__(self, root: Path) -> None:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.root = root
        self._lock = _own(root)
        self._database = Database(root / "store.db")
        self.blobs = Blobs(root)
        self.layers = Layers(self.blobs, self._database, root / "layers")
        self.rootfs = RootFilesystems(root / "rootfs", root / "spares", self.layers)
        self.images = Images(
            self.blobs, self.layers, self._database, self.rootfs.layers_in_use, self.rootfs.spares.forget
        )
        self.documents = Documents(self._database)
        for part in (self.blobs, self.layers, self.rootfs):
            part.sweep()
        self.images.refresh_index()

    def close(self) -> None:
        """Lets another engine have the store. Nothing of it may be used afterwards."""
        self.rootfs.spares.clear()
        self._database.close()
        os.close(self._lock)


def _own(root: Path) -> int:
    """A lock that ends with this process, and that its children don't inherit."""
    lock = os.open(root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise StoreInUse(root) from error
    return lock
