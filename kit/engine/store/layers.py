"""Layers by diff_id: each kept once, compressed once, indexed once.

However a layer comes in (a tar stream, a changeset, a blob that was pulled), it is named by the digest of its
uncompressed tar, and what comes in a second time is thrown away.

Source: OCI image-spec, layer.md; config.md "Layer DiffID".
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from shutil import copyfileobj, rmtree
from tempfile import SpooledTemporaryFile
from threading import RLock
from typing import Any, BinaryIO, NamedTuple, cast

from kit.engine.store import layer_index
from kit.engine.store.blobs import Blobs, BlobWriter
from kit.engine.store.compression import GzipWriter, unpacked
from kit.engine.store.database import Database
from kit.engine.store.files import sweep, temporary_name, write_whole
from kit.engine.store.recent import Recent
from kit.errors import Invalid, NotFound
from kit.layer.changeset import Changeset, apply
from kit.layer.headers import Readable
from kit.layer.tarball import members, pack, scan
from kit.layer.tree import Entry, Kind
from kit.layer.waste import file_bytes
from kit.oci.descriptor import LAYERS, OCI_LAYER_GZIP, Descriptor
from kit.oci.digest import CHUNK, ChainID, DiffID, Digest, chain_id, hex_of

REMEMBERED = 16
"""Trees and indexes kept in memory: one of debian:13 takes about 3 MB."""

SPOOLED = 4 << 20
"""Bytes of one file kept in memory; a larger one goes to a temporary file."""


class LayerNotFound(NotFound):
    """A layer that is not in the store."""

    def __init__(self, diff_id: DiffID) -> None:
        super().__init__(f"layer {diff_id} is not in the store")
        self.diff_id = diff_id


class FileNotInLayers(NotFound):
    """A path that no file has in the merged tree."""

    def __init__(self, path: str) -> None:
        super().__init__(f"there is no file {path!r} in the image")
        self.path = path


class StoredLayer(NamedTuple):
    """A layer in the store. ``size`` is bytes of files, as Docker counts; ``tar_size`` those of its tar."""

    diff_id: DiffID
    blob: Descriptor
    size: int
    tar_size: int


class _Tee:
    """Passes on what is read from ``source``, and knows the digest of it."""

    def __init__(self, source: Readable, copy: GzipWriter | None = None) -> None:
        self._source, self._copy, self._hash, self.size = source, copy, hashlib.sha256(), 0

    def read(self, size: int = -1, /) -> bytes:
        data = self._source.read(size)
        self._hash.update(data)
        self.size += len(data)
        if self._copy and data:
            self._copy.write(data)
        return data

    def finish(self) -> DiffID:
        """Reads what stands behind the tar's end, too."""
        while self.read(CHUNK):
            pass
        return DiffID(Digest("sha256:" + self._hash.hexdigest()))


class Layers:
    """The layers of a store. Many threads may use it at once."""

    def __init__(self, blobs: Blobs, database: Database, folder: Path) -> None:
        self._blobs, self._database, self._folder = blobs, database, folder
        self._indexes: Recent[DiffID, Changeset] = Recent(REMEMBERED)
        self._trees: Recent[ChainID, dict[str, Entry]] = Recent(REMEMBERED)
        self._lock, self._unpacking = RLock(), RLock()
        self._fresh: set[DiffID] = set()
        folder.mkdir(parents=True, exist_ok=True)

    def sweep(self) -> None:
        """Removes what an earlier engine left unfinished."""
        sweep(self._folder)

    # Coming in

    def add(self, tar: Readable) -> StoredLayer:
        """Stores a layer that comes as a tar, packed in any way or not at all.

        Raises:
            BadTar, UnsafePath, BadCompression: nothing is stored.
        """
        with self._blobs.writer() as writer:
            packer = GzipWriter(writer)
            source = _Tee(unpacked(tar)[0], packer)
            changeset = scan(source)
            diff_id = source.finish()
            return self._keep(diff_id, changeset, source.size, packer, writer)

    def put(self, changeset: Changeset, contents: Callable[[str], BinaryIO]) -> StoredLayer:
        """Packs a changeset and stores it. ``contents`` opens the file at a path; missing digests are found.

        Raises:
            Changed: a file is not what its entry says; nothing is stored.
        """
        with self._blobs.writer() as writer:
            packer = GzipWriter(writer)
            packed = pack(changeset, contents, cast(BinaryIO, packer))
            return self._keep(packed.diff_id, packed.changeset, packed.size, packer, writer)

    def _keep(
        self, diff_id: DiffID, changeset: Changeset, tar_size: int, packer: GzipWriter, writer: BlobWriter
    ) -> StoredLayer:
        known = self.find(diff_id)
        if known is not None:
            return known
        packer.finish()
        digest, size = writer.commit()
        return self._remember(diff_id, changeset, Descriptor(OCI_LAYER_GZIP, digest, size), tar_size)

    def adopt(self, blob: Descriptor) -> StoredLayer:
        """Makes a layer of a blob that is already stored (pulled, or loaded): gzip, zstd or plain.

        If the layer is known by another blob, that one stays and this one is deleted.

        Raises:
            BadTar, UnsafePath, BadCompression, DigestMismatch: the blob can't be a layer; it is deleted.
        """
        known = self.find_blob(blob.digest)
        if known is not None:
            return known
        try:
            with self._blobs.open(blob.digest) as packed:
                plain, media_type = unpacked(packed)
                source = _Tee(plain)
                changeset = scan(source)
                diff_id = source.finish()
        except Invalid:
            self._blobs.delete(blob.digest)
            raise
        media_type = blob.media_type if blob.media_type in LAYERS else media_type
        descriptor = Descriptor(media_type, blob.digest, self._blobs.size(blob.digest))
        return self._remember(diff_id, changeset, descriptor, source.size)

    def _remember(self, diff_id: DiffID, changeset: Changeset, blob: Descriptor, tar_size: int) -> StoredLayer:
        """Index first, row last: what has a row is whole."""
        with self._lock:
            known = self.find(diff_id)
            if known is None:
                write_whole(self._index_path(diff_id), layer_index.dump(diff_id, changeset), sync=False)
                known = StoredLayer(diff_id, blob, file_bytes(changeset.entries), tar_size)
                row = (diff_id, blob.media_type, blob.digest, blob.size, known.size, tar_size)
                self._database.rows("INSERT INTO layers VALUES (?, ?, ?, ?, ?, ?)", *row)
                self._indexes.put(diff_id, changeset)
            elif known.blob.digest != blob.digest:
                self._blobs.delete(blob.digest)
            self._database.rows("INSERT OR REPLACE INTO layer_blobs VALUES (?, ?)", blob.digest, diff_id)
            self._fresh.add(diff_id)
            return known

    # Being there

    def find(self, diff_id: DiffID) -> StoredLayer | None:
        rows = self._database.rows("SELECT * FROM layers WHERE diff_id = ?", diff_id)
        return _stored(rows[0]) if rows else None

    def find_blob(self, digest: Digest) -> StoredLayer | None:
        """The layer that a compressed blob holds, also when the layer is kept as another blob."""
        rows = self._database.rows(
            "SELECT layers.* FROM layers JOIN layer_blobs USING (diff_id) WHERE layer_blobs.digest = ?", digest
        )
        return _stored(rows[0]) if rows else None

    def get(self, diff_id: DiffID) -> StoredLayer:
        """The layer.

        Raises:
            LayerNotFound: it is not here.
        """
        found = self.find(diff_id)
        if found is None:
            raise LayerNotFound(diff_id)
        return found

    def all(self) -> list[StoredLayer]:
        return [_stored(row) for row in self._database.rows("SELECT * FROM layers ORDER BY rowid")]

    def index(self, diff_id: DiffID) -> Changeset:
        """What the layer says, with digests."""
        found = self._indexes.find(diff_id)
        if found is not None:
            return found
        self.get(diff_id)
        path = self._index_path(diff_id)
        changeset = layer_index.load(diff_id, path.read_bytes()) if path.exists() else None
        if changeset is None:
            with self.open(diff_id) as tar:
                changeset = scan(tar)
            write_whole(path, layer_index.dump(diff_id, changeset), sync=False)
        self._indexes.put(diff_id, changeset)
        return changeset

    def tree(self, diff_ids: Sequence[DiffID]) -> dict[str, Entry]:
        """The merged tree of a stack, bottom first. It is shared: don't change it.

        Raises:
            LayerNotFound: one of the layers is not here.
        """
        chain = chain_id(diff_ids)
        if chain is None:
            return {}
        tree = self._trees.find(chain)
        if tree is None:
            tree = apply(self.tree(diff_ids[:-1]), self.index(diff_ids[-1]))
            self._trees.put(chain, tree)
        return tree

    # Going out

    def open(self, diff_id: DiffID) -> BinaryIO:
        """The layer's uncompressed tar, to be closed by the caller; verified when read to the end."""
        return unpacked(self._blobs.open(self.get(diff_id).blob.digest))[0]

    def files(self, diff_ids: Sequence[DiffID], paths: Iterable[str]) -> Iterator[tuple[str, BinaryIO]]:
        """The bytes of several files of the merged tree, in the order of the tars: each layer is read once at most.

        A file that several ``paths`` name, or whose bytes are the same, comes once for each of them. What is
        yielded is to be read before the next is asked for.

        Raises:
            FileNotInLayers: before anything is yielded.
        """
        wanted = self._wanted(diff_ids, paths)
        for diff_id in diff_ids:
            sources = self._sources(diff_id, wanted)
            if sources:
                yield from self._read_sources(diff_id, sources)

    def _wanted(self, diff_ids: Sequence[DiffID], paths: Iterable[str]) -> dict[Digest, list[str]]:
        tree = self.tree(diff_ids)
        wanted: dict[Digest, list[str]] = {}
        for path in paths:
            entry = tree.get(path)
            if entry is None or entry.kind is not Kind.FILE or entry.digest is None:
                raise FileNotInLayers(path)
            wanted.setdefault(entry.digest, []).append(path)
        return wanted

    def _sources(self, diff_id: DiffID, wanted: dict[Digest, list[str]]) -> dict[str, list[str]]:
        """Paths in the layer's tar → the wanted paths that have their bytes; these are taken from ``wanted``."""
        if not wanted:
            return {}
        files = self.index(diff_id).entries.items()
        return {
            path: wanted.pop(entry.digest) for path, entry in files if entry.digest in wanted and not entry.hardlink
        }

    def _read_sources(self, diff_id: DiffID, sources: dict[str, list[str]]) -> Iterator[tuple[str, BinaryIO]]:
        with self.open(diff_id) as tar:
            for path, _, contents in members(tar):
                wanted = sources.pop(path, [])
                if len(wanted) == 1:
                    yield wanted[0], contents
                elif wanted:
                    yield from _repeated(contents, wanted)
                if not sources:
                    return

    def unpacked(self, diff_id: DiffID) -> Path:
        """A directory with the layer's files, named by the hex digits of their digests; empty files are left out.

        Made when first asked for, whole or not at all; it goes with the layer. Nothing in it may be changed.
        """
        folder = self._folder / f"{hex_of(diff_id)}.files"
        with self._unpacking:
            if not folder.exists():
                building = temporary_name(self._folder)
                building.mkdir(0o700)
                try:
                    self._unpack(diff_id, building)
                    building.rename(folder)
                finally:
                    rmtree(building, ignore_errors=True)
        return folder

    def _unpack(self, diff_id: DiffID, folder: Path) -> None:
        entries = self.index(diff_id).entries
        with self.open(diff_id) as tar:
            for path, entry, contents in members(tar):
                known = entries.get(path)
                if known is None or known.digest is None or not entry.size or entry.hardlink:
                    continue
                with open(f"{folder}/{hex_of(known.digest)}", "wb", buffering=0) as file:
                    copyfileobj(contents, file, CHUNK)
            while tar.read(CHUNK):  # so that all bytes are verified before any is used
                pass

    def open_file(self, diff_ids: Sequence[DiffID], path: str) -> BinaryIO:
        """One file of the merged tree, to be closed by the caller. Symlinks are not followed.

        Raises:
            FileNotInLayers: there is no file at ``path``.
        """
        spool = cast(BinaryIO, SpooledTemporaryFile(SPOOLED))  # noqa: SIM115 - it is what we return
        for _, contents in self.files(diff_ids, [path]):
            copyfileobj(contents, spool, CHUNK)
        spool.seek(0)
        return spool

    # Leaving

    def claim(self, diff_ids: Iterable[DiffID]) -> None:
        """An image or a root file system has these layers now: they may be deleted when it goes."""
        with self._lock:
            self._fresh -= set(diff_ids)

    def delete(self, diff_ids: Iterable[DiffID]) -> list[DiffID]:
        """Deletes layers and says which. One that was just stored and that nothing has claimed yet, stays."""
        with self._lock:
            doomed = [self.get(diff_id) for diff_id in diff_ids if diff_id not in self._fresh and self.find(diff_id)]
            with self._database.transaction():
                for layer in doomed:
                    self._database.rows("DELETE FROM layers WHERE diff_id = ?", layer.diff_id)
            for layer in doomed:
                self._blobs.delete(layer.blob.digest)
                self._index_path(layer.diff_id).unlink(missing_ok=True)
                self._discard(self._folder / f"{hex_of(layer.diff_id)}.files")
                self._indexes.forget(layer.diff_id)
            return [layer.diff_id for layer in doomed]

    def _discard(self, folder: Path) -> None:
        """Deletes a directory of unpacked files: out of sight at once."""
        doomed = temporary_name(self._folder)
        with suppress(FileNotFoundError):
            folder.rename(doomed)
        rmtree(doomed, ignore_errors=True)

    def _index_path(self, diff_id: DiffID) -> Path:
        return self._folder / hex_of(diff_id)


def _repeated(contents: BinaryIO, paths: Iterable[str]) -> Iterator[tuple[str, BinaryIO]]:
    """The same bytes for each of ``paths``."""
    with SpooledTemporaryFile(SPOOLED) as spool:
        copyfileobj(contents, spool, CHUNK)
        for path in paths:
            spool.seek(0)
            yield path, cast(BinaryIO, spool)


def _stored(row: tuple[Any, ...]) -> StoredLayer:
    diff_id, media_type, digest, packed, size, tar_size = row
    return StoredLayer(diff_id, Descriptor(media_type, digest, packed), size, tar_size)
