"""What is known of layers and images that were looked into once, kept on disk by digest.

A digest never changes its meaning, so what is kept never gets old; it may be deleted at any time.
"""

import hashlib
import json
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kit.errors import Invalid
from kit.lab.files import write_whole
from kit.layer.changeset import Changeset
from kit.layer.tree import Entry, Kind
from kit.oci.config import ImageConfig
from kit.oci.digest import DiffID, Digest, hex_of, parse_digest

_VERSION = 1
"""Changes when the rows do: what an older Layerlab wrote is then read anew from the engine."""
_HEX = re.compile(r"[0-9a-f]{64}")
"""A path without a digest in it says nothing of what lies there."""


class Indexes:
    """Indexes of layers by diff_id, and configs of images by the ID that an engine gives them."""

    def __init__(self, root: Path) -> None:
        self._layers, self._configs = root / f"layers{_VERSION}", root / f"configs{_VERSION}"
        self._places = root / f"places{_VERSION}"

    def find_layer(self, diff_id: DiffID) -> Changeset | None:
        try:
            rows = json.loads(zlib.decompress((self._layers / hex_of(diff_id)).read_bytes()))
            return _changeset(rows)
        except (OSError, ValueError, zlib.error, TypeError, KeyError):
            return None

    def put_layer(self, diff_id: DiffID, changeset: Changeset) -> None:
        write_whole(self._layers / hex_of(diff_id), zlib.compress(json.dumps(_rows(changeset)).encode(), 1))

    def find_place(self, path: str) -> DiffID | None:
        """The layer that lies at ``path`` in what engines save: they name a layer there by its content."""
        try:
            return DiffID(parse_digest((self._places / _name_of(path)).read_text()))
        except (OSError, ValueError, Invalid):
            return None

    def put_place(self, path: str, diff_id: DiffID) -> None:
        if _HEX.search(path):
            write_whole(self._places / _name_of(path), diff_id.encode())

    def find_config(self, engine_id: Digest) -> ImageConfig | None:
        try:
            return ImageConfig.parse((self._configs / hex_of(engine_id)).read_bytes())
        except (OSError, Invalid):
            return None

    def put_config(self, engine_id: Digest, config: ImageConfig) -> None:
        write_whole(self._configs / hex_of(engine_id), config.raw)


def _name_of(path: str) -> str:
    return hashlib.sha256(path.encode()).hexdigest()


def _rows(changeset: Changeset) -> dict[str, Any]:
    return {
        "entries": [[path, *_row(entry)] for path, entry in changeset.entries.items()],
        "removed": sorted(changeset.removed),
        "opaque": sorted(changeset.opaque),
    }


def _row(entry: Entry) -> list[Any]:
    xattrs = [[name, value.hex()] for name, value in entry.xattrs]
    return [
        *(entry.kind.value, entry.mode, entry.uid, entry.gid, entry.size, entry.digest, entry.target),
        *(entry.hardlink, entry.device, xattrs, entry.mtime),
    ]


def _changeset(rows: Mapping[str, Any]) -> Changeset:
    kinds = {kind.value: kind for kind in Kind}
    entries = {row[0]: _entry(kinds[row[1]], *row[2:]) for row in rows["entries"]}
    return Changeset(entries, frozenset(rows["removed"]), frozenset(rows["opaque"]))


def _entry(
    kind: Kind,
    mode: int,
    uid: int,
    gid: int,
    size: int,
    digest: Digest | None,
    target: str,
    hardlink: str,
    device: list[int],
    xattrs: list[list[str]],
    mtime: float,
) -> Entry:
    pairs = tuple((name, bytes.fromhex(value)) for name, value in xattrs) if xattrs else ()
    numbers = (device[0], device[1]) if device else (0, 0)
    return Entry(kind, mode, uid, gid, size, digest, target, hardlink, numbers, pairs, mtime)
