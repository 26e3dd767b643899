"""``--cache-from``: layers of images that are here, though nothing here has built them.

An image tells in its history which instruction made which layer. Where all that came before is the same, a RUN
of the same words is taken at its word; a COPY is computed and taken if it gives just that layer, times apart.

Source: Docker Engine API, "ImageBuild", parameter "cachefrom"; moby image/cache.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from kit.engine.build.cache import Record
from kit.engine.build.history import Stack
from kit.engine.store.layers import Layers
from kit.layer.changeset import Changeset
from kit.layer.tree import Entry
from kit.oci.config import ImageConfig


@dataclass(frozen=True)
class Earlier:
    """The images that may serve as cache."""

    images: tuple[ImageConfig, ...]
    layers: Layers

    def find_run(self, stack: Stack, created_by: str) -> Record | None:
        """The layer that some image got by the same instruction on the same ground."""
        return next(self._candidates(stack, created_by), None)

    def find_same(self, stack: Stack, created_by: str, changeset: Changeset) -> Record | None:
        """As ``find_run``, if the layer says what ``changeset`` says."""
        for record in self._candidates(stack, created_by):
            known = self.layers.index(record.diff_id)
            if known.removed == changeset.removed and _timeless(known.entries) == _timeless(changeset.entries):
                return record
        return None

    def _candidates(self, stack: Stack, created_by: str) -> Iterator[Record]:
        told = [*(line.created_by for line in stack.history), created_by]
        place = len(stack.diff_ids)
        for image in self.images:
            if image.diff_ids[:place] != stack.diff_ids or len(image.diff_ids) == place:
                continue
            lines = image.history[: len(told)]
            if [line.created_by for line in lines] == told and not lines[-1].empty_layer:
                yield Record(image.diff_ids[place], lines[-1].created)


def _timeless(entries: Mapping[str, Entry]) -> Mapping[str, Entry]:
    return {path: replace(entry, mtime=0.0) for path, entry in entries.items()}
