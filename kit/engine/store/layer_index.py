"""A layer's index on disk: what its tar holds, ready to be read in milliseconds.

COPY, history views and graders need paths, modes, sizes and digests, not bytes. The index is made while the
layer is stored. It can be made anew from the layer at any time, so a damaged or older one is no loss.

Format: gzip (whose checksum verifies it) of JSON: a version, the layer's diff_id, the removed and opaque
paths, and one row for each entry, its last default values left out.
"""

import json
import zlib

from isal import igzip

from kit.layer.changeset import Changeset
from kit.layer.tree import Entry, Kind
from kit.oci.digest import DiffID, Digest

VERSION = 1
DEFAULTS: tuple[object, ...] = (0o755, 0, 0, 0, "", 0, "", "", [0, 0], [])
"""mode, uid, gid, mtime, digest, size, target, hardlink, device, xattrs: the rare ones last."""


def dump(diff_id: DiffID, changeset: Changeset) -> bytes:
    """The index as bytes."""
    document = {
        "version": VERSION,
        "diff_id": diff_id,
        "removed": sorted(changeset.removed),
        "opaque": sorted(changeset.opaque),
        "entries": [_row(path, entry) for path, entry in changeset.entries.items()],
    }
    data: bytes = igzip.compress(json.dumps(document, separators=(",", ":")).encode(), 1)
    return data


def _row(path: str, entry: Entry) -> list[object]:
    xattrs = [[name, value.hex()] for name, value in entry.xattrs]
    digest = (entry.digest or "").removeprefix("sha256:")
    row: list[object] = [path, entry.kind.value, entry.mode, entry.uid, entry.gid, entry.mtime, digest]
    row += [entry.size, entry.target, entry.hardlink, list(entry.device), xattrs]
    while len(row) > 2 and row[-1] == DEFAULTS[len(row) - 3]:
        row.pop()
    return row


def load(diff_id: DiffID, data: bytes) -> Changeset | None:
    """The changeset in ``data``; None if it is damaged, of another version or of another layer."""
    try:
        document = json.loads(igzip.decompress(data))  # type: ignore[no-untyped-call]
        if document["version"] != VERSION or document["diff_id"] != diff_id:
            return None
        kinds = {kind.value: kind for kind in Kind}
        entries = {row[0]: _entry(kinds[row[1]], *row[2:]) for row in document["entries"]}
        return Changeset(entries, frozenset(document["removed"]), frozenset(document["opaque"]))
    except (OSError, EOFError, ValueError, KeyError, TypeError, IndexError, zlib.error):
        return None


def _entry(
    kind: Kind,
    mode: int = 0o755,
    uid: int = 0,
    gid: int = 0,
    mtime: float = 0,
    digest: str = "",
    size: int = 0,
    target: str = "",
    hardlink: str = "",
    device: tuple[int, int] = (0, 0),
    xattrs: tuple[tuple[str, str], ...] = (),
) -> Entry:
    name = Digest("sha256:" + digest) if digest else None
    values = tuple((key, bytes.fromhex(value)) for key, value in xattrs)
    return Entry(kind, mode, uid, gid, size, name, target, hardlink, tuple(device), values, mtime)  # type: ignore[arg-type]
