"""Layers: however one comes in, it is kept once; what can't be one is not kept at all."""

import bz2
import gzip
import io
import lzma
import tarfile
import tracemalloc
from collections.abc import Callable

import pytest
import zstandard

from kit.engine.store.compression import BadCompression
from kit.engine.store.layers import FileNotInLayers, LayerNotFound
from kit.engine.store.store import Store
from kit.errors import Invalid
from kit.layer.changeset import Changeset
from kit.layer.tarball import Changed, UnsafePath
from kit.layer.tree import Entry, Kind
from kit.oci.descriptor import OCI_LAYER_GZIP, OCI_LAYER_ZSTD, Descriptor
from kit.oci.digest import DiffID, digest_of

MakeTar = Callable[..., bytes]
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "gzip in two": lambda data: gzip.compress(data[:100]) + gzip.compress(data[100:]),
    "zstd": zstandard.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
}


def adopted(store: Store, blob: bytes, media_type: str = OCI_LAYER_GZIP) -> DiffID:
    return store.layers.adopt(Descriptor(media_type, store.blobs.put(blob), len(blob))).diff_id


@pytest.mark.parametrize("packer", PACKERS)
def test_a_layer_is_named_by_its_plain_tar_however_it_is_packed(store: Store, make_tar: MakeTar, packer: str) -> None:
    tar = make_tar({"a": b"data", "b": b"more"})
    layer = store.layers.add(io.BytesIO(PACKERS[packer](tar)))
    assert layer.diff_id == digest_of(tar)
    assert (layer.size, layer.tar_size) == (8, len(tar))
    assert store.layers.open(layer.diff_id).read() == tar
    assert store.layers.index(layer.diff_id).entries.keys() == {"a", "b"}


def test_the_same_layer_twice_is_one_layer_and_one_blob(store: Store, make_tar: MakeTar) -> None:
    tar = make_tar({"a": b"data"})
    first = store.layers.add(io.BytesIO(tar))
    assert store.layers.add(io.BytesIO(zstandard.compress(tar))) == first
    assert adopted(store, zstandard.compress(tar), OCI_LAYER_ZSTD) == first.diff_id
    assert store.blobs.all() == [first.blob.digest]
    assert store.layers.find_blob(digest_of(zstandard.compress(tar))) == first


def test_a_pulled_blob_stays_as_it_was_packed(store: Store, make_tar: MakeTar) -> None:
    packed = zstandard.compress(make_tar({"a": b"data"}))
    layer = store.layers.get(adopted(store, packed, OCI_LAYER_ZSTD))
    assert layer.blob == Descriptor(OCI_LAYER_ZSTD, digest_of(packed), len(packed))


def bad_layers(make_tar: MakeTar) -> dict[str, tuple[bytes, type[Invalid]]]:
    link = tarfile.TarInfo("x")
    link.type, link.linkname = tarfile.SYMTYPE, "../../etc/passwd"
    whole = gzip.compress(make_tar({"a": b"data" * 1000}))
    return {
        "path": (make_tar({"../x": b""}), UnsafePath),
        "link": (make_tar({}, link), UnsafePath),
        "cut": (whole[:-20], BadCompression),
        "text": (b"hello" * 1000, Invalid),
    }


@pytest.mark.parametrize("which", ["path", "link", "cut", "text"])
def test_what_can_not_be_a_layer_leaves_nothing(store: Store, make_tar: MakeTar, which: str) -> None:
    data, error = bad_layers(make_tar)[which]
    with pytest.raises(error):
        store.layers.add(io.BytesIO(data))
    with pytest.raises(error):
        adopted(store, data)
    assert (store.layers.all(), store.blobs.all(), list((store.root / "layers").iterdir())) == ([], [], [])


def test_a_changeset_is_packed_with_the_digests_that_it_lacked(store: Store) -> None:
    entries = {"d": Entry(Kind.DIRECTORY), "d/a": Entry(Kind.FILE, size=4)}
    layer = store.layers.put(Changeset(entries, frozenset({"b"})), lambda _: io.BytesIO(b"data"))
    assert store.layers.index(layer.diff_id).entries["d/a"].digest == digest_of(b"data")
    assert store.layers.index(layer.diff_id).removed == {"b"}
    with pytest.raises(Changed):
        store.layers.put(Changeset(entries), lambda _: io.BytesIO(b"dat"))
    assert len(store.blobs.all()) == 1


def test_an_index_that_is_damaged_or_gone_is_made_anew(store: Store, make_tar: MakeTar) -> None:
    layer = store.layers.add(io.BytesIO(make_tar({"a": b"data"})))
    index, path = store.layers.index(layer.diff_id), store.root / "layers" / layer.diff_id.partition(":")[2]
    for spoil in (lambda: path.write_bytes(path.read_bytes()[:-9]), lambda: path.write_bytes(b"{}"), path.unlink):
        spoil()
        store.layers._indexes.forget(layer.diff_id)
        assert store.layers.index(layer.diff_id) == index
        assert path.stat().st_size > 9


def test_files_of_a_stack_come_from_the_layer_that_is_seen(store: Store, make_tar: MakeTar) -> None:
    hard = tarfile.TarInfo("c")
    hard.type, hard.linkname = tarfile.LNKTYPE, "b"
    stack = [
        store.layers.add(io.BytesIO(make_tar({"a": b"old", "b": b"same", "dup": b"same"}, hard))).diff_id,
        store.layers.add(io.BytesIO(make_tar({"a": b"new"}))).diff_id,
    ]
    found = {path: file.read() for path, file in store.layers.files(stack, ["a", "b", "c", "dup"])}
    assert found == {"a": b"new", "b": b"same", "c": b"same", "dup": b"same"}
    assert store.layers.open_file(stack[:1], "a").read() == b"old"
    with pytest.raises(FileNotInLayers, match="there is no file 'x' in the image"):
        list(store.layers.files(stack, ["a", "x"]))


def test_a_layer_that_is_not_there_is_told_by_name(store: Store) -> None:
    diff_id = DiffID(digest_of(b"none"))
    for ask in (store.layers.get, store.layers.open, store.layers.index):
        with pytest.raises(LayerNotFound, match=f"layer {diff_id} is not in the store"):
            ask(diff_id)


def test_a_layer_that_nobody_has_claimed_yet_is_not_deleted(store: Store, make_tar: MakeTar) -> None:
    layer = store.layers.add(io.BytesIO(make_tar({"a": b"data"})))
    assert store.layers.delete([layer.diff_id]) == []
    store.layers.claim([layer.diff_id])
    store.layers.unpacked(layer.diff_id)
    assert store.layers.delete([layer.diff_id]) == [layer.diff_id]
    assert (store.layers.all(), store.blobs.all(), list((store.root / "layers").iterdir())) == ([], [], [])


def test_a_large_layer_is_stored_in_little_memory(store: Store) -> None:
    class Zeros(io.RawIOBase):
        """A tar with one file of 128 MB."""

        def __init__(self) -> None:
            info = tarfile.TarInfo("big")
            info.size = 128 << 20
            self.head, self.left = info.tobuf(), info.size + 1024

        def read(self, size: int = -1, /) -> bytes:
            if self.head:
                data, self.head = self.head[:size], self.head[size:]
                return data
            size = min(size, self.left)
            self.left -= size
            return bytes(size)

    tracemalloc.start()
    try:
        layer = store.layers.add(Zeros())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert layer.size == 128 << 20
    assert peak < 24 << 20, f"{peak >> 20} MB for a layer of 128 MB"
