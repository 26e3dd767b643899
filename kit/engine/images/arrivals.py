"""Layers that came for an image that then did not: they go again.

Nothing is deleted that an image or a root file system has.
"""

from collections.abc import Iterable

from kit.engine.store.store import Store
from kit.oci.digest import DiffID


def forget(store: Store, diff_ids: Iterable[DiffID]) -> None:
    """Deletes those of the layers that nothing needs."""
    diff_ids = set(diff_ids)
    needed = {layer for image in store.images.all() for layer in store.images.get(image).diff_ids}
    needed |= set(store.rootfs.layers_in_use())
    store.layers.claim(diff_ids - needed)
    store.layers.delete(diff_ids - needed)
