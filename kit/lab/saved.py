"""Reading what an engine saves: one pass over a stream, never a whole layer in memory.

``docker save`` has two layouts, and Podman a third: a tar per layer beside a ``manifest.json`` (Docker until 24,
Podman), or an OCI image layout with blobs named by digest (Docker from 25, containerd store: then compressed).
The names in them come in any order, often the manifest last; so every tar in it is read as a layer and named by
its own diff_id, every JSON document is kept, and what belongs together is put together at the end.

Source: moby, image/tarexport; OCI image-spec, image-layout.md.
"""

import io
import json
import zlib
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Generic, TypeVar, cast

from kit.errors import Invalid
from kit.layer.tarball import members
from kit.layer.tree import Kind
from kit.oci.config import ImageConfig
from kit.oci.descriptor import INDEXES
from kit.oci.digest import CHUNK, DiffID, HashingReader

_LARGEST_DOCUMENT = 4 << 20
"""Bytes of a manifest or config: the limit that registries have for a manifest."""
_DOCUMENTS = 64 << 20
"""Bytes of all documents in one archive."""
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
Seen = TypeVar("Seen")


@dataclass
class Saved(Generic[Seen]):
    """An archive that was read: its JSON documents by path, and what was seen of each layer, by diff_id.

    ``places`` are the paths at which layers lay. Engines derive them from the content.
    """

    documents: dict[str, bytes] = field(default_factory=dict)
    layers: dict[DiffID, Seen] = field(default_factory=dict)
    places: dict[str, DiffID] = field(default_factory=dict)

    def config(self) -> ImageConfig:
        """The config of the one image in the archive.

        Raises:
            Invalid: the archive names none, or one that is not in it.
        """
        listed = self._json("manifest.json")
        if isinstance(listed, list) and listed:
            return self._config_at(str(listed[0].get("Config", "")))
        index = self._json("index.json")
        if isinstance(index, dict) and index.get("manifests"):
            return self._config_of(index["manifests"])
        raise Invalid("the archive has neither manifest.json nor index.json: it holds no image")

    def _config_of(self, descriptors: list[Mapping[str, Any]], depth: int = 3) -> ImageConfig:
        """Follows descriptors down to a config that has its layers in the archive."""
        for descriptor in descriptors if depth else ():
            document = self._json(_blob(str(descriptor.get("digest", ""))))
            if not isinstance(document, dict):
                continue
            if descriptor.get("mediaType") in INDEXES or "manifests" in document:
                return self._config_of(document["manifests"], depth - 1)
            config = self._config_at(_blob(str(document["config"]["digest"])))
            if all(diff_id in self.layers for diff_id in config.diff_ids):
                return config
        raise Invalid("the archive names an image that is not in it")

    def _config_at(self, path: str) -> ImageConfig:
        if path not in self.documents:
            raise Invalid(f"the archive names the config {path!r}, but does not hold it")
        return ImageConfig.parse(self.documents[path])

    def _json(self, path: str) -> Any:
        try:
            return json.loads(self.documents.get(path, b"null"))
        except ValueError as error:
            raise Invalid(f"{path} in the archive is not JSON: {error}") from error


def _blob(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


def read_saved(
    stream: Iterable[bytes],
    look: Callable[[BinaryIO], Seen],
    known: Callable[[str], tuple[DiffID, Seen] | None] = lambda path: None,
) -> Saved[Seen]:
    """Everything in the archive that ``docker save`` streams: ``look`` sees each layer's uncompressed tar.

    ``look`` need not read to the end. A layer that ``known`` recognises by its path in the archive is passed over.

    Raises:
        Invalid: it is damaged, or holds a layer that can't be used; also what ``look`` raises.
    """
    saved = Saved[Seen]()
    room = _DOCUMENTS
    for path, entry, contents in members(_Pieces(stream)):
        if entry.kind is not Kind.FILE or entry.hardlink:
            continue
        if found := known(path):
            saved.layers[found[0]] = found[1]
            continue
        head = contents.read(min(entry.size, 512))
        rest = cast(BinaryIO, _Joined(head, contents))
        if _is_document(head) and entry.size <= min(_LARGEST_DOCUMENT, room):
            saved.documents[path] = _all(rest)
            room -= entry.size
        elif (opened := _layer_stream(head, rest)) is not None:
            diff_id, seen = _read_layer(opened, look)
            saved.layers[diff_id], saved.places[path] = seen, diff_id
    return saved


def read_config(stream: Iterable[bytes]) -> ImageConfig:
    """The config of the one image in the archive; what comes after it is not read.

    Raises:
        Invalid: the archive names none, or one that is not in it.
    """
    saved, room = Saved[None](), _DOCUMENTS
    for path, entry, contents in members(_Pieces(stream)):
        if entry.kind is not Kind.FILE or entry.hardlink or entry.size > min(_LARGEST_DOCUMENT, room):
            continue
        head = contents.read(min(entry.size, 512))
        if _is_document(head):
            saved.documents[path] = _all(cast(BinaryIO, _Joined(head, contents)))
            room -= entry.size
            with suppress(Invalid):
                return saved.config()
    return saved.config()


def _is_document(head: bytes) -> bool:
    """Whether it begins as JSON does, and is no tar whose first file has such a name."""
    return head.lstrip()[:1] in (b"{", b"[") and not _is_tar(head)


def _is_tar(head: bytes) -> bool:
    return head[257:262] == b"ustar" or (len(head) >= 512 and not any(head))


def _layer_stream(head: bytes, rest: BinaryIO) -> "BinaryIO | None":
    """The uncompressed tar in ``rest``; None when it is no tar at all (VERSION, signatures)."""
    if head.startswith(_GZIP):
        return cast(BinaryIO, _Inflated(rest, lambda: zlib.decompressobj(wbits=31)))
    if head.startswith(_ZSTD):
        import zstandard

        return cast(BinaryIO, zstandard.ZstdDecompressor().stream_reader(rest, read_across_frames=True))
    return rest if _is_tar(head) else None


def _read_layer(tar: BinaryIO, look: Callable[[BinaryIO], Seen]) -> tuple[DiffID, Seen]:
    reader = HashingReader(tar)
    seen = look(cast(BinaryIO, reader))
    while reader.read(CHUNK):
        pass
    return DiffID(reader.digest), seen


def _all(stream: BinaryIO) -> bytes:
    return b"".join(iter(lambda: stream.read(CHUNK), b""))


class _Pieces(io.RawIOBase):
    """Pieces of bytes as a file to be read once."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces, self._rest = iter(pieces), memoryview(b"")

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        """Up to ``size`` bytes; fewer only at the end."""
        wanted, parts = size if size >= 0 else 1 << 62, []
        while wanted:
            if not self._rest:
                piece = next(self._pieces, b"")
                if not piece:
                    break
                self._rest = memoryview(piece)
                continue
            part, self._rest = self._rest[:wanted], self._rest[wanted:]
            parts.append(part)
            wanted -= len(part)
        return b"".join(parts)


class _Joined:
    """``head``, then what is left of ``rest``."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head, self._rest = head, rest

    def read(self, size: int = -1, /) -> bytes:
        if not self._head:
            return self._rest.read(size)
        if size < 0:
            data, self._head = self._head, b""
            return data + self._rest.read()
        data, self._head = self._head[:size], self._head[size:]
        return data


class _Inflated:
    """A gzip stream, uncompressed as it is read; several members are one."""

    def __init__(self, source: BinaryIO, fresh: Callable[[], Any]) -> None:
        self._source, self._fresh, self._inflate = source, fresh, fresh()
        self._waiting = b""

    def read(self, size: int = -1, /) -> bytes:
        limit = size if size >= 0 else CHUNK
        parts: list[bytes] = []
        while limit > 0:
            data = self._waiting or self._source.read(1 << 16)
            if not data:
                break
            try:
                part = self._inflate.decompress(data, limit)
            except zlib.error as error:
                raise Invalid(f"a compressed layer is damaged: {error}") from error
            self._waiting = self._inflate.unconsumed_tail
            if self._inflate.eof:
                self._waiting, self._inflate = self._inflate.unused_data, self._fresh()
            parts.append(part)
            limit -= len(part) if size >= 0 else 0
        return b"".join(parts)
