"""Layers that came for an image that then did not: they go again, unless an image or a root file system has them."""

from collections.abc import Sequence

from kit.engine.store.store import Store
from kit.oci.digest import DiffID


def forget(store: Store, diff_ids: Sequence[DiffID]) -> None:
    """Deletes those of the layers that nothing needs."""
    store.layers.claim(diff_ids)
    store.images.release(diff_ids)
