"""Digests: a name made from content.

``sha256:`` and 64 hex digits. The same kind of string names four different things,
so each gets its own type: the bytes of a blob, the uncompressed layer, the stack of
layers, and the image config.

Source: OCI image-spec, descriptor.md "Digests"; config.md "Layer DiffID", "Layer ChainID", "ImageID".
"""

import hashlib
import re
from collections.abc import Iterable
from typing import BinaryIO, NewType, Protocol

from kit.errors import Invalid

Digest = NewType("Digest", str)
"""Names stored bytes: a blob."""
DiffID = NewType("DiffID", Digest)
"""Names a layer: the digest of its *uncompressed* tar."""
ChainID = NewType("ChainID", Digest)
"""Names a stack of layers: what a root file system is, up to and with its top layer."""
ImageID = NewType("ImageID", Digest)
"""Names an image: the digest of its config."""

_SHAPE = re.compile(r"sha256:[0-9a-f]{64}")
CHUNK = 1 << 20


class InvalidDigest(Invalid):
    """Text that is not a sha256 digest."""

    def __init__(self, text: object) -> None:
        super().__init__(f"{text!r} is not a digest: it needs 'sha256:' and 64 lower-case hex digits")
        self.text = text


class DigestMismatch(Invalid):
    """Bytes that do not hash to the name they came under."""

    def __init__(self, *, expected: str, got: str) -> None:
        super().__init__(f"blob {expected} is damaged: its bytes hash to {got}")
        self.expected, self.got = expected, got


def parse_digest(text: object) -> Digest:
    """``text`` as a Digest. Only sha256, the one algorithm every registry knows."""
    if not isinstance(text, str) or not _SHAPE.fullmatch(text):
        raise InvalidDigest(text)
    return Digest(text)


def digest_of(data: bytes) -> Digest:
    """The digest of ``data``."""
    return Digest("sha256:" + hashlib.sha256(data).hexdigest())


def hex_of(digest: Digest) -> str:
    """The 64 hex digits alone, as a file name in an OCI layout has them."""
    return digest.partition(":")[2]


def chain_id(diff_ids: Iterable[DiffID]) -> ChainID | None:
    """The name of the stack, bottom layer first; None for an empty stack (FROM scratch)."""
    chain: ChainID | None = None
    for diff_id in diff_ids:
        chain = ChainID(diff_id if chain is None else digest_of(f"{chain} {diff_id}".encode()))
    return chain


class _Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


class HashingReader:
    """Reads through to ``source`` and knows the digest and count of all bytes read so far."""

    def __init__(self, source: _Readable) -> None:
        self._source, self._hash, self.size = source, hashlib.sha256(), 0

    def read(self, size: int = -1, /) -> bytes:
        data = self._source.read(size)
        self._hash.update(data)
        self.size += len(data)
        return data

    @property
    def digest(self) -> Digest:
        return Digest("sha256:" + self._hash.hexdigest())


class HashingWriter:
    """Writes through to ``sink`` and knows the digest and count of all bytes written so far."""

    def __init__(self, sink: BinaryIO) -> None:
        self._sink, self._hash, self.size = sink, hashlib.sha256(), 0

    def write(self, data: bytes, /) -> int:
        self._hash.update(data)
        self.size += len(data)
        return self._sink.write(data)

    @property
    def digest(self) -> Digest:
        return Digest("sha256:" + self._hash.hexdigest())
