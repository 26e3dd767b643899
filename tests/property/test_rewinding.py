"""A root file system that was used, deleted and given out again is the same as a new one, whatever was done to it."""

import io
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trees import content_of, trees

from kit.engine.store.identity import identity_of
from kit.engine.store.rewinding import tells_every_change
from kit.engine.store.rootfs import SMALL, RootFilesystem
from kit.engine.store.store import Store
from kit.layer.changeset import Changeset
from kit.layer.ownership import Ownership, to_line
from kit.layer.tree import Entry, Kind
from kit.oci.digest import digest_of

Tree = dict[str, Entry]
BALLAST = {
    "zzz": Entry(Kind.DIRECTORY),
    **{f"zzz/{number}": Entry(Kind.FILE, size=1, digest=digest_of(b"x"), mtime=9.0) for number in range(SMALL)},
}
"""Enough beside a small tree that to rewind it is worth while."""
NEW = ("new", "a", "zzz/1/2", "zzz/new", "b/new", "a/a", "é")

pytestmark = pytest.mark.parametrize(
    "real_owners", [False, pytest.param(True, marks=pytest.mark.skipif(os.geteuid() != 0, reason="needs root"))]
)


def put(place: Path, data: bytes) -> None:
    """Writes a regular file and nothing else: the trees hold devices of this machine, and links that lead out."""
    if place.is_symlink() or (place.exists() and not place.is_file()):
        raise OSError
    place.write_bytes(data)


def write(place: Path, other: Path, rootfs: RootFilesystem) -> None:
    put(place, b"other")


def write_with_the_old_time(place: Path, other: Path, rootfs: RootFilesystem) -> None:
    told = place.lstat()
    put(place, b"!" * told.st_size)
    os.utime(place, ns=(told.st_atime_ns, told.st_mtime_ns))


def delete(place: Path, other: Path, rootfs: RootFilesystem) -> None:
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink()


def make_directory(place: Path, other: Path, rootfs: RootFilesystem) -> None:
    delete(place, other, rootfs)
    place.mkdir()
    (place / "inner").write_bytes(b"inner")


def make_link(place: Path, other: Path, rootfs: RootFilesystem) -> None:
    place.unlink()
    place.symlink_to(other.name)


def make_hard_link(place: Path, other: Path, rootfs: RootFilesystem) -> None:
    os.link(place, other, follow_symlinks=False)


def make_socket(place: Path, other: Path, rootfs: RootFilesystem) -> None:
    os.mknod(place, stat.S_IFSOCK | 0o600)


def move(place: Path, other: Path, rootfs: RootFilesystem) -> None:
    place.rename(other)


def swap(place: Path, other: Path, rootfs: RootFilesystem) -> None:
    aside = rootfs.path / "aside"
    place.rename(aside)
    other.rename(place)
    aside.rename(other)


def change_mode(place: Path, other: Path, rootfs: RootFilesystem) -> None:
    if not place.is_symlink():
        place.chmod(0o700)


def change_owner(place: Path, other: Path, rootfs: RootFilesystem) -> None:
    if rootfs.real_owners:
        os.chown(place, 7, 8, follow_symlinks=False)
    else:
        with rootfs.owners.open("a") as journal:
            journal.write(to_line(identity_of(str(place)), Ownership(7, 8)))


def set_attribute(place: Path, other: Path, rootfs: RootFilesystem) -> None:
    os.setxattr(place, "user.note", b"mine", follow_symlinks=False)


def set_time(place: Path, other: Path, rootfs: RootFilesystem) -> None:
    os.utime(place, (3, 3), follow_symlinks=False)


Change = Callable[[Path, Path, RootFilesystem], None]
CHANGES: tuple[Change, ...] = (
    write, write_with_the_old_time, delete, make_directory, make_link, make_hard_link, make_socket, move, swap,
    change_mode, change_owner, set_attribute, set_time,
)  # fmt: skip


def everything(rootfs: RootFilesystem) -> dict[str, object]:
    """All that can be asked of each path but which inode it is and when it was made."""
    found: dict[str, object] = {}
    for above, directories, files in os.walk(rootfs.path):
        for path in (Path(above), *(Path(above) / name for name in (*directories, *files))):
            told = path.lstat()
            facts = [told.st_mode, told.st_uid, told.st_gid, told.st_mtime_ns, told.st_rdev]
            facts += [] if path.is_dir() and not path.is_symlink() else [told.st_nlink, told.st_size]
            names = sorted(os.listxattr(path, follow_symlinks=False))
            attributes = [(name, os.getxattr(path, name, follow_symlinks=False)) for name in names]
            regular = stat.S_ISREG(told.st_mode)
            contents = path.read_bytes() if regular else os.readlink(path) if path.is_symlink() else ""
            found[str(path.relative_to(rootfs.path))] = (*facts, attributes, contents)
    return found


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    if not tells_every_change(tmp_path):
        pytest.skip("this file system does not tell every change, so there are no spares on it")
    store = Store(tmp_path / "store")
    yield store
    store.close()


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(tree=trees(), data=st.data())
def test_what_was_used_is_like_new(store: Store, tree: Tree, data: st.DataObject, real_owners: bool) -> None:
    whole = tree | BALLAST
    contents = {path: b"x" if path in BALLAST else content_of(tree, path) for path in whole if whole[path].digest}
    layer = store.layers.put(Changeset(whole), lambda path: io.BytesIO(contents[path])).diff_id
    places = st.sampled_from(sorted({*tree, *NEW, "zzz/1", "zzz/2"}))
    try:
        used = store.rootfs.create("used", [layer], real_owners=real_owners, ignore=())
        inode = used.path.stat().st_ino
        for change in data.draw(st.lists(st.sampled_from(CHANGES), max_size=6)):
            place, other = used.path / data.draw(places), used.path / data.draw(places)
            with suppress(OSError):
                change(place, other, used)
        store.rootfs.delete("used")
        again = store.rootfs.create("again", [layer], real_owners=real_owners, ignore=())
        new = store.rootfs.create("new", [layer], real_owners=real_owners, ignore=())
        assert again.path.stat().st_ino == inode, "the used one came back"
        assert everything(again) == everything(new)
        assert again.scan() == new.scan() == store.layers.tree([layer])
        assert not again.changeset()
    finally:
        for name in ("used", "again", "new"):
            store.rootfs.delete(name)
        store.rootfs.spares.clear()
