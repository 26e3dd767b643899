"""An image as the archive that every engine loads.

Source: moby, image/tarexport (the layout of ``docker save``, which ``docker load`` reads).
"""

import hashlib
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

from kit.oci.config import ImageConfig
from kit.oci.digest import DiffID, parse_digest

_CHUNK = 1 << 20


def pack(name: str, config: ImageConfig, *layers: Path) -> Iterator[bytes]:
    """The archive in pieces: manifest, config, then the layers' tars, which are read as they are sent.

    ``layers`` bottom first, in the order of the config's diff_ids.
    """
    paths = [f"layer{number}.tar" for number in range(len(layers))]
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": paths}]
    for path, content in (("manifest.json", json.dumps(manifest).encode()), ("config.json", config.raw)):
        yield _header(path, len(content)) + content + _padding(len(content))
    for path, layer in zip(paths, layers, strict=True):
        size = layer.stat().st_size
        yield _header(path, size)
        with layer.open("rb") as file:
            while piece := file.read(_CHUNK):
                yield piece
        yield _padding(size)
    yield bytes(2 * tarfile.BLOCKSIZE)


def diff_id(layer: Path) -> DiffID:
    with layer.open("rb") as file:
        return DiffID(parse_digest("sha256:" + hashlib.file_digest(file, "sha256").hexdigest()))


def _header(path: str, size: int) -> bytes:
    entry = tarfile.TarInfo(path)
    entry.size = size
    return entry.tobuf(tarfile.USTAR_FORMAT)


def _padding(size: int) -> bytes:
    return bytes(-size % tarfile.BLOCKSIZE)
