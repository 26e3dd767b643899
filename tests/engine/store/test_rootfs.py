"""Root file systems: made from layers, scanned for what changed, committed; with owners on disk and in a journal."""

import io
import os
import stat
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from kit.engine.store.identity import identity_of
from kit.engine.store.rootfs import RootFilesystem, RootfsExists, RootfsNotFound
from kit.engine.store.store import Store
from kit.errors import Invalid
from kit.layer.changeset import Changeset, changes
from kit.layer.ownership import Ownership, to_line
from kit.layer.tree import Entry, Kind
from kit.oci.digest import digest_of

MakeTar = Callable[..., bytes]
CAPABILITY = ("security.capability", b"\1\0\0\2\0\4" + bytes(14))
TREE = {
    "d": Entry(Kind.DIRECTORY, 0o1777, 1000, 1000, mtime=5.0),
    "d/closed": Entry(Kind.FILE, 0, 33, 33, size=4, digest=digest_of(b"data"), mtime=6.0),
    "d/able": Entry(Kind.FILE, 0o4755, size=4, digest=digest_of(b"data"), xattrs=(CAPABILITY,), mtime=7.0),
    "d/link": Entry(Kind.SYMLINK, 0o777, 7, 7, target="closed", mtime=8.0),
    "d/name": Entry(Kind.FILE, 0, 33, 33, size=4, digest=digest_of(b"data"), hardlink="d/closed", mtime=6.0),
    "dev": Entry(Kind.DIRECTORY),
    "fifo": Entry(Kind.FIFO, 0o640),
    "null": Entry(Kind.CHARACTER, 0o666, device=(1, 3)),
}


@pytest.fixture
def rootfs(store: Store, real_owners: bool) -> RootFilesystem:
    layer = store.layers.put(Changeset(TREE), lambda _: io.BytesIO(b"data"))
    return store.rootfs.create("x", [layer.diff_id], real_owners=real_owners)


def told(rootfs: RootFilesystem) -> list[str]:
    return [f"{change.letter} {change.path}" for change in changes(rootfs.base, rootfs.changeset())]


def test_what_the_layers_say_is_on_the_disk(rootfs: RootFilesystem, real_owners: bool) -> None:
    closed = (rootfs.path / "d/closed").stat()
    assert (rootfs.path / "d/closed").read_bytes() == b"data"
    assert closed.st_ino == (rootfs.path / "d/name").stat().st_ino and closed.st_mtime == 6.0
    assert os.readlink(rootfs.path / "d/link") == "closed"
    assert stat.S_IMODE(rootfs.path.stat().st_mode) == 0o755
    if real_owners:
        assert (closed.st_uid, stat.S_IMODE(closed.st_mode)) == (33, 0)
        assert stat.S_ISCHR((rootfs.path / "null").stat().st_mode)
        assert os.getxattr(rootfs.path / "d/able", CAPABILITY[0]) == CAPABILITY[1]
    else:
        assert (closed.st_uid, stat.S_IMODE(closed.st_mode)) == (os.geteuid(), 0o600)
        assert stat.S_ISREG((rootfs.path / "null").stat().st_mode)


def test_a_fresh_one_is_what_it_was_made_from(rootfs: RootFilesystem) -> None:
    assert rootfs.scan() == TREE
    assert told(rootfs) == [] and rootfs.snapshot() is None


def test_changes_are_found_and_packed(store: Store, rootfs: RootFilesystem) -> None:
    (rootfs.path / "d/new").write_bytes(b"new")
    (rootfs.path / "fifo").unlink()
    (rootfs.path / "d/able").write_bytes(b"date")
    os.utime(rootfs.path / "d/able", (7, 7))
    assert told(rootfs) == ["C /d", "C /d/able", "A /d/new", "D /fifo"]
    layer = rootfs.snapshot()
    assert layer is not None and told(rootfs) != []
    merged = store.layers.tree([*rootfs.diff_ids, layer.diff_id])
    assert merged == {path: replace(entry, mtime=entry.mtime // 1) for path, entry in rootfs.scan().items()}
    assert merged["d/able"].digest == digest_of(b"date") and "fifo" not in merged


def test_after_a_commit_only_what_came_later_is_told(store: Store, rootfs: RootFilesystem) -> None:
    (rootfs.path / "one").write_bytes(b"1")
    first = rootfs.commit()
    (rootfs.path / "two").write_bytes(b"2")
    second = rootfs.commit()
    assert first is not None and second is not None
    assert store.layers.index(second.diff_id).entries.keys() == {"two"}
    assert rootfs.diff_ids[1:] == (first.diff_id, second.diff_id)
    assert rootfs.commit() is None


def test_a_changed_byte_is_found_though_size_and_time_are_as_before(rootfs: RootFilesystem) -> None:
    rootfs.scan()
    (rootfs.path / "d/able").write_bytes(b"DATA")
    os.utime(rootfs.path / "d/able", (7, 7))
    assert told(rootfs)[-1] == "C /d/able"


def test_what_the_engine_mounts_over_never_shows(rootfs: RootFilesystem) -> None:
    for place in ("dev/shm", "proc", "sys/fs"):
        (rootfs.path / place).mkdir(parents=True)
    (rootfs.path / "etc").mkdir()
    for place in ("dev/console", "etc/hosts", "etc/resolv.conf", ".dockerenv"):
        (rootfs.path / place).write_bytes(b"")
    assert told(rootfs) == []
    (rootfs.path / "etc/passwd").write_bytes(b"root")
    assert told(rootfs) == ["A /etc", "A /etc/passwd"]


def test_a_socket_is_left_out(rootfs: RootFilesystem) -> None:
    os.mknod(rootfs.path / "socket", stat.S_IFSOCK | 0o600)
    assert told(rootfs) == []


def test_what_an_isolator_recorded_is_what_a_layer_tells(store: Store) -> None:
    rootfs = store.rootfs.create("x", [], real_owners=False)
    for name in ("owned", "device", "plain"):
        (rootfs.path / name).write_bytes(b"")
        (rootfs.path / name).chmod(0o644)
    device = Ownership(0, 5, mode=0o620, st_mode=stat.S_IFCHR | 0o620, rdev=os.makedev(136, 7))
    with open(rootfs.owners, "a") as journal:
        journal.write(to_line(identity_of(str(rootfs.path / "owned")), Ownership(1000, 1000)))
        journal.write(to_line(identity_of(str(rootfs.path / "device")), device))
        journal.write('[1, 2, "cut off by a kill')
    found = rootfs.scan()
    assert (found["owned"].uid, found["owned"].mode) == (1000, 0o644)
    assert (found["device"].kind, found["device"].device, found["device"].gid) == (Kind.CHARACTER, (136, 7), 5)
    assert (found["plain"].uid, found["plain"].gid) == (0, 0), "what has no record is root's, not the engine's user's"


def test_a_record_does_not_outlive_its_file(store: Store) -> None:
    rootfs = store.rootfs.create("x", [], real_owners=False)
    (rootfs.path / "a").write_bytes(b"")
    with open(rootfs.owners, "a") as journal:
        journal.write(to_line(identity_of(str(rootfs.path / "a")), Ownership(1000, 1000)))
    assert rootfs.scan()["a"].uid == 1000
    (rootfs.path / "a").unlink()
    (rootfs.path / "a").write_bytes(b"")
    assert rootfs.scan()["a"].uid == 0


def test_a_name_is_given_once_and_free_after_a_delete(store: Store) -> None:
    store.rootfs.create("x", [], real_owners=False)
    with pytest.raises(RootfsExists, match="there is already a root file system 'x'"):
        store.rootfs.create("x", [], real_owners=False)
    store.rootfs.delete("x")
    store.rootfs.delete("x")
    with pytest.raises(RootfsNotFound):
        store.rootfs.open("x")
    with pytest.raises(Invalid):
        store.rootfs.create("../x", [], real_owners=False)
    assert store.rootfs.names() == []


def test_a_layer_with_an_attribute_that_no_kernel_knows_is_refused(store: Store, make_tar: MakeTar) -> None:
    info = tarfile.TarInfo("a")
    info.pax_headers = {"SCHILY.xattr.security.capability": "nonsense"}
    layer = store.layers.add(io.BytesIO(make_tar({}, info)))
    if os.geteuid() == 0:
        with pytest.raises(Invalid, match=r"security\.capability that no kernel knows"):
            store.rootfs.create("x", [layer.diff_id], real_owners=True)
    assert store.rootfs.names() == [] and list((store.root / "rootfs").iterdir()) == []


def test_the_next_engine_finds_it_again(tmp_path: Path, real_owners: bool) -> None:
    first = Store(tmp_path / "again")
    layer = first.layers.put(Changeset(TREE), lambda _: io.BytesIO(b"data"))
    rootfs = first.rootfs.create("x", [layer.diff_id], real_owners=real_owners)
    (rootfs.path / "new").write_bytes(b"1")
    first.close()
    second = Store(tmp_path / "again")
    again = second.rootfs.open("x")
    assert (again.diff_ids, again.real_owners, told(again)) == (rootfs.diff_ids, real_owners, ["A /new"])
    second.close()
