"""Content-addressed blobs in an OCI image layout: bytes in, digest out.

A blob is named by the digest of its own bytes. So writing the same bytes twice is one blob, a blob never
changes, and a reader can check what it was given. The directory is an image layout that other tools read:
``skopeo inspect oci:DIR:hello:latest``.

A blob whose digest is known before its bytes may come in several tries: what came of it is a *part*, a file
that is no blob yet. Parts are worth nothing until the whole is verified, and are dropped after a day.

Source: OCI image-spec, image-layout.md; annotations.md.
"""

import hashlib
import io
import json
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import BinaryIO, NamedTuple, cast

from kit.engine.store.files import sweep, temporary_name, write_whole
from kit.errors import NotFound
from kit.oci.descriptor import OCI_INDEX, Descriptor
from kit.oci.digest import CHUNK, Digest, DigestMismatch, digest_of, hex_of


class BlobNotFound(NotFound):
    """A blob that is not in the store."""

    def __init__(self, digest: Digest) -> None:
        super().__init__(f"blob {digest} is not in the store")
        self.digest = digest


class Written(NamedTuple):
    """A blob as it was stored: its name and its bytes' count."""

    digest: Digest
    size: int


PART, PARTS_LAST = ".part-", 24 * 3600.0
"""Seconds: a pull that nobody has repeated for a day will not be."""


class BlobWriter:
    """A blob under way. It exists from ``commit`` on; ``size`` bytes of it are here."""

    def __init__(self, folder: Path, part: Path | None = None) -> None:
        """``part``: where its bytes stay, should there be no ``commit``, and where those of an earlier try are."""
        self._folder, self._part = folder, part
        self._temporary = part or temporary_name(folder)
        self._file = self._temporary.open("a+b" if part else "x+b", buffering=0)
        self._hash = hashlib.sha256()
        self._file.seek(0)
        while data := self._file.read(CHUNK):
            self._hash.update(data)
        self.size = self._file.tell()

    def write(self, data: bytes, /) -> int:
        self._hash.update(data)
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]
        self.size += len(data)
        return len(data)

    def commit(self, expected: Digest | None = None) -> Written:
        """Gives the blob its name.

        Raises:
            DigestMismatch: the bytes are not the ``expected`` ones; nothing is stored.
        """
        digest = Digest("sha256:" + self._hash.hexdigest())
        if expected is not None and expected != digest:
            self._part = None
            self.close()
            raise DigestMismatch(expected=expected, got=digest)
        os.fsync(self._file.fileno())
        self._file.close()
        os.replace(self._temporary, self._folder / hex_of(digest))
        return Written(digest, self.size)

    def close(self) -> None:
        """Forgets what was written, unless it was committed or is a part."""
        self._file.close()
        if self._part is None or not self.size:
            self._temporary.unlink(missing_ok=True)


class _Verified(io.RawIOBase):
    """A blob's bytes; the read that meets the end checks them all."""

    def __init__(self, file: BinaryIO, digest: Digest) -> None:
        self._file, self._digest, self._hash = file, digest, hashlib.sha256()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        data = self._file.read(size)
        self._hash.update(data)
        if size < 0 or (size and not data):
            got = Digest("sha256:" + self._hash.hexdigest())
            if got != self._digest:
                raise DigestMismatch(expected=self._digest, got=got)
        return data

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


class Blobs:
    """An image layout directory. Many threads may use it at once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._folder = root / "blobs" / "sha256"
        self._index_lock, self._parts_lock = Lock(), Lock()
        self._open_parts: set[Digest] = set()
        self._folder.mkdir(parents=True, exist_ok=True)
        if not (root / "oci-layout").exists():
            write_whole(root / "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        if not (root / "index.json").exists():
            self.write_index(())

    def sweep(self) -> None:
        """Removes what an earlier engine left unfinished, but for parts of this day."""
        sweep(self._folder)
        sweep(self.root)
        for path in self._folder.glob(PART + "*"):
            if not 0 <= time.time() - path.stat().st_mtime < PARTS_LAST:
                path.unlink()

    def path(self, digest: Digest) -> Path:
        """Where the blob is, or would be."""
        return self._folder / hex_of(digest)

    def has(self, digest: Digest) -> bool:
        return self.path(digest).is_file()

    def size(self, digest: Digest) -> int:
        """Bytes stored.

        Raises:
            BlobNotFound: there is no such blob.
        """
        try:
            return self.path(digest).stat().st_size
        except FileNotFoundError:
            raise BlobNotFound(digest) from None

    def put(self, data: bytes) -> Digest:
        """Stores ``data`` under its digest."""
        digest = digest_of(data)
        if not self.has(digest):
            write_whole(self.path(digest), data)
        return digest

    @contextmanager
    def writer(self) -> Iterator[BlobWriter]:
        """For a blob that comes in pieces. Left without ``commit``, nothing stays."""
        writer = BlobWriter(self._folder)
        try:
            yield writer
        finally:
            writer.close()

    @contextmanager
    def resumed(self, digest: Digest) -> Iterator[BlobWriter]:
        """For a blob whose digest is known: with what an earlier try has left of it. Left without ``commit``,
        what came stays for the next try. Who comes while another one writes it begins anew, and leaves nothing."""
        with self._parts_lock:
            alone = digest not in self._open_parts
            self._open_parts.add(digest)
        if alone:
            self._cut_off(digest)
        try:
            writer = BlobWriter(self._folder, self._part(digest) if alone else None)
            try:
                yield writer
            finally:
                writer.close()
        finally:
            if alone:
                self._open_parts.discard(digest)

    def set_aside(self, digest: Digest) -> None:
        """Makes a part of a blob, so that it need not come again, though nothing here needs the blob."""
        with suppress(FileNotFoundError, FileExistsError):
            os.link(self.path(digest), self._part(digest))

    def drop_part(self, digest: Digest) -> None:
        """Forgets what is there of a blob that is not whole, unless somebody is about to complete it."""
        with self._parts_lock:
            if digest not in self._open_parts:
                self._part(digest).unlink(missing_ok=True)

    def _cut_off(self, digest: Digest) -> None:
        """A part that is still a blob's own file must not be written to."""
        with suppress(FileNotFoundError):
            if self._part(digest).stat().st_nlink > 1:
                self._part(digest).unlink()

    def _part(self, digest: Digest) -> Path:
        return self._folder / f"{PART}{hex_of(digest)}"

    def open(self, digest: Digest) -> BinaryIO:
        """The blob's bytes, to be closed by the caller. Who reads to the end has verified bytes.

        Raises:
            BlobNotFound: there is no such blob.
            DigestMismatch: while reading, when the stored bytes are damaged.
        """
        try:
            file = self.path(digest).open("rb", buffering=0)
        except FileNotFoundError:
            raise BlobNotFound(digest) from None
        return cast(BinaryIO, _Verified(cast(BinaryIO, file), digest))

    def read(self, digest: Digest) -> bytes:
        """All of a (small) blob's bytes, verified."""
        with self.open(digest) as file:
            return file.read()

    def delete(self, digest: Digest) -> None:
        self.path(digest).unlink(missing_ok=True)

    def all(self) -> list[Digest]:
        """Every blob's digest."""
        return sorted(
            Digest("sha256:" + path.name) for path in self._folder.iterdir() if not path.name.startswith(".")
        )

    def write_index(self, manifests: Iterable[Descriptor]) -> None:
        """Replaces ``index.json``: the manifests that other tools find by name."""
        document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [item.to_json() for item in manifests]}
        with self._index_lock:
            write_whole(self.root / "index.json", json.dumps(document, indent=1).encode(), sync=False)
