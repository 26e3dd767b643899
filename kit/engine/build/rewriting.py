"""SOURCE_DATE_EPOCH: the same input gives the same digest, on any day.

No file of a layer that the build made is younger than the epoch, and every line of its own history bears it.
The layers of the parent stay as they are.

Source: reproducible-builds.org, "SOURCE_DATE_EPOCH"; buildkit, docs/build-repro.md, "rewrite-timestamp".
"""

from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from typing import BinaryIO, cast

from kit.engine.build.history import Stack
from kit.engine.store.store import Store
from kit.errors import Invalid
from kit.layer.changeset import Changeset
from kit.oci.digest import DiffID, hex_of

KIND = "build-rewritten"


def parse_epoch(text: str) -> int:
    """Seconds since 1970.

    Raises:
        Invalid: not a whole number.
    """
    if not text.isdecimal() or len(text) > 11:
        raise Invalid(f"invalid SOURCE_DATE_EPOCH: {text}")
    return int(text)


def rewritten(stack: Stack, epoch: int, store: Store) -> Stack:
    """The stack with no time after ``epoch`` in what is its own."""
    inherited = sum(not line.empty_layer for line in stack.history[: stack.parent_lines])
    own = [_layer(diff_id, epoch, store) for diff_id in stack.diff_ids[inherited:]]
    moment = datetime.fromtimestamp(epoch, UTC).isoformat().replace("+00:00", "Z")
    return stack.rewritten((*stack.diff_ids[:inherited], *own), moment)


def _layer(diff_id: DiffID, epoch: int, store: Store) -> DiffID:
    """The layer with its times cut off. It was packed before if the same was asked for before."""
    changeset = store.layers.index(diff_id)
    if all(entry.mtime <= epoch for entry in changeset.entries.values()):
        return diff_id
    key = f"{diff_id} {epoch}"
    known: DiffID | None = store.documents.find(KIND, key)
    if known is not None and store.layers.find(known) is not None:
        return known
    entries = {path: replace(entry, mtime=min(entry.mtime, epoch)) for path, entry in changeset.entries.items()}
    files = store.layers.unpacked(diff_id)

    def contents(path: str) -> BinaryIO:
        entry = changeset.entries[path]
        if not entry.size or entry.digest is None:
            return BytesIO()
        return cast(BinaryIO, open(files / hex_of(entry.digest), "rb"))

    layer = store.layers.put(Changeset(entries, changeset.removed, changeset.opaque), contents)
    store.documents.put(KIND, key, layer.diff_id)
    return layer.diff_id
