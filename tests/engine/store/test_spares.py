"""Spares: a deleted root file system is kept, made good and given out again; and never one that is not as new."""

import io
import mmap
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from kit.engine.store.rewinding import tells_every_change
from kit.engine.store.rootfs import SMALL, RootFilesystem
from kit.engine.store.spares import MOST
from kit.engine.store.store import Store
from kit.layer.changeset import Changeset
from kit.layer.tree import Entry, Kind
from kit.oci.digest import DiffID, digest_of

MakeTar = Callable[..., bytes]
MEMORY = Path("/dev/shm")


@pytest.fixture
def store(store: Store, tmp_path: Path) -> Store:
    if not tells_every_change(tmp_path):
        pytest.skip("this file system does not tell every change, so there are no spares on it")
    return store


def stack(store: Store, data: bytes = b"x") -> list[DiffID]:
    """Enough files that a spare is worth while."""
    file = Entry(Kind.FILE, size=len(data), digest=digest_of(data), mtime=5.0)
    tree = {"d": Entry(Kind.DIRECTORY, 0o755, 3, 4, mtime=6.0)} | {f"d/{number}": file for number in range(SMALL)}
    return [store.layers.put(Changeset(tree), lambda _: io.BytesIO(data)).diff_id]


def used(store: Store, name: str, diff_ids: list[DiffID], real_owners: bool = False) -> int:
    """The inode of one that was made, written to and deleted."""
    rootfs = store.rootfs.create(name, diff_ids, real_owners=real_owners)
    (rootfs.path / "d/5").write_bytes(b"mine")
    (rootfs.path / "secret").write_bytes(b"mine")
    inode = rootfs.path.stat().st_ino
    store.rootfs.delete(name)
    return inode


def inode(rootfs: RootFilesystem) -> int:
    return rootfs.path.stat().st_ino


def spares(store: Store) -> list[Path]:
    return list((store.root / "spares").iterdir())


def test_what_was_deleted_is_given_out_again_as_new(store: Store, real_owners: bool) -> None:
    diff_ids = stack(store)
    first = used(store, "first", diff_ids, real_owners)
    assert store.rootfs.names() == [] and len(spares(store)) == 1
    second = store.rootfs.create("second", diff_ids, real_owners=real_owners)
    assert inode(second) == first and spares(store) == []
    assert (second.path / "d/5").read_bytes() == b"x" and not (second.path / "secret").exists()
    assert second.scan() == store.layers.tree(diff_ids) and second.snapshot() is None


def test_what_is_never_in_a_layer_is_no_leftover_either(store: Store) -> None:
    diff_ids = stack(store)
    rootfs = store.rootfs.create("x", diff_ids, real_owners=False)
    first = inode(rootfs)
    for name in ("etc", "dev", "proc"):
        (rootfs.path / name).mkdir()
    (rootfs.path / "etc/hosts").write_bytes(b"127.0.0.1 secret")
    (rootfs.path / "dev/secret").write_bytes(b"secret")
    os.mknod(rootfs.path / "d/socket", 0o140600)
    rootfs.path.chmod(0o700)
    os.setxattr(rootfs.path, "user.secret", b"secret")
    store.rootfs.delete("x")
    again = store.rootfs.create("y", diff_ids, real_owners=False)
    assert inode(again) == first and os.listdir(again.path) == ["d"]
    assert not (again.path / "d/socket").exists()
    assert again.path.stat().st_mode == 0o40755 and os.listxattr(again.path) == []


def test_a_file_that_is_linked_to_from_elsewhere_is_written_anew(store: Store, tmp_path: Path) -> None:
    diff_ids = stack(store)
    rootfs = store.rootfs.create("x", diff_ids, real_owners=False)
    os.link(rootfs.path / "d/7", tmp_path / "mine")
    store.rootfs.delete("x")
    again = store.rootfs.create("y", diff_ids, real_owners=False)
    (tmp_path / "mine").write_bytes(b"poison")
    assert (again.path / "d/7").read_bytes() == b"x" and (again.path / "d/7").stat().st_nlink == 1


def test_commits_and_layers_that_were_laid_are_taken_back(store: Store, make_tar: MakeTar) -> None:
    diff_ids = stack(store)
    laid = store.layers.add(io.BytesIO(make_tar({"d/3": b"laid", "laid": b"1"})))
    rootfs = store.rootfs.create("x", diff_ids, real_owners=False)
    first = inode(rootfs)
    rootfs.lay(laid.diff_id)
    (rootfs.path / "committed").write_bytes(b"2")
    assert rootfs.commit() is not None
    store.rootfs.delete("x")
    again = store.rootfs.create("y", diff_ids, real_owners=False)
    assert inode(again) == first and again.diff_ids == tuple(diff_ids)
    assert again.scan() == store.layers.tree(diff_ids)


def test_one_that_is_changed_beyond_use_is_deleted(store: Store) -> None:
    diff_ids = stack(store)
    rootfs = store.rootfs.create("x", diff_ids, real_owners=False)
    shutil.rmtree(rootfs.path / "d")
    store.rootfs.delete("x")
    assert spares(store) == []


def test_one_that_docker_cp_may_still_be_writing_to_is_deleted(store: Store, make_tar: MakeTar) -> None:
    rootfs = store.rootfs.create("x", stack(store), real_owners=False)
    rootfs.extract("/", io.BytesIO(make_tar({"new": b"1"})))
    store.rootfs.delete("x")
    assert spares(store) == []


def test_a_byte_that_was_changed_on_the_shelf_s_source_spoils_it(store: Store) -> None:
    diff_ids = stack(store)
    rootfs = store.rootfs.create("x", diff_ids, real_owners=False)
    (rootfs.path / "d/1").unlink()
    for file in store.layers.unpacked(diff_ids[0]).iterdir():
        file.write_bytes(b"?")
    store.rootfs.delete("x")
    assert spares(store) == [], "what was written anew is read once more"


def test_few_are_kept_and_one_of_each_kind(store: Store) -> None:
    stacks = [stack(store, bytes([number])) for number in range(MOST + 1)]
    for number, diff_ids in enumerate(stacks):
        store.rootfs.create(f"a{number}", diff_ids, real_owners=False)
        store.rootfs.create(f"b{number}", diff_ids, real_owners=False)
    for name in store.rootfs.names():
        store.rootfs.delete(name)
    assert len(spares(store)) == MOST
    inodes = {path.joinpath("root").stat().st_ino for path in spares(store)}
    assert inode(store.rootfs.create("x", stacks[0], real_owners=False)) not in inodes, "the oldest went first"
    assert inode(store.rootfs.create("y", stacks[-1], real_owners=False)) in inodes


def test_a_small_one_is_not_kept(store: Store, make_tar: MakeTar) -> None:
    layer = store.layers.add(io.BytesIO(make_tar({"a": b"1"})))
    used_one = store.rootfs.create("x", [layer.diff_id], real_owners=False)
    store.rootfs.delete(used_one.name)
    assert spares(store) == []


def test_with_its_layers_goes_the_spare(store: Store) -> None:
    diff_ids = stack(store)
    store.images.hold("holder", diff_ids)
    used(store, "x", diff_ids)
    assert len(spares(store)) == 1
    store.images.let_go("holder")
    assert spares(store) == []


@pytest.mark.parametrize("place", [Path(tempfile.gettempdir()), MEMORY], ids=["disk", "memory"])
def test_what_is_written_through_mapped_memory_is_found(place: Path) -> None:
    if not os.access(place, os.W_OK):
        place = Path(tempfile.gettempdir())
    with tempfile.TemporaryDirectory(dir=place) as folder:
        store = Store(Path(folder) / "store")
        diff_ids = stack(store)
        rootfs = store.rootfs.create("x", diff_ids, real_owners=False)
        with (rootfs.path / "d/5").open("r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
            memory[0] = ord("y")
        assert rootfs.changeset().entries.keys() == {"d", "d/5"}
        store.rootfs.delete("x")
        again = store.rootfs.create("y", diff_ids, real_owners=False)
        assert (again.path / "d/5").read_bytes() == b"x"
        store.close()


def test_the_next_engine_knows_none(store: Store, tmp_path: Path) -> None:
    first = Store(tmp_path / "again")
    used(first, "x", stack(first))
    (kept,) = spares(first)
    shutil.copytree(kept, tmp_path / "aside")
    first.close()
    assert spares(first) == [], "an engine that ends leaves none"
    (tmp_path / "aside").rename(tmp_path / "again/spares/.new-of-a-killed-engine")
    second = Store(tmp_path / "again")
    assert spares(second) == []
    second.close()
