"""``docker cp`` on the store's side: archives out of a root file system and into it, hostile ones among them."""

import io
import os
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from kit.engine.store.inside import PathNotFound
from kit.engine.store.owned import OwnedTree
from kit.errors import Invalid
from kit.layer.tarball import UnsafePath

MakeTar = Callable[..., bytes]


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    return outside


@pytest.fixture
def tree(tmp_path: Path, real_owners: bool) -> OwnedTree:
    root = tmp_path / "root"
    (root / "d/e").mkdir(parents=True)
    (root / "d/file").write_text("data")
    (root / "link").symlink_to("/d")
    (root / "nowhere").symlink_to("/none")
    return OwnedTree(root, tmp_path / "owners", real_owners=real_owners)


def unpacked(tree: OwnedTree, path: str) -> dict[str, str]:
    data = io.BytesIO(b"".join(tree.archive(path)))
    with tarfile.open(fileobj=data) as tar:
        return {info.name: (tar.extractfile(info) or io.BytesIO()).read().decode() for info in tar}


def info(name: str, type: bytes, linkname: str = "", **facts: int) -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.type, found.linkname = type, linkname
    for key, value in facts.items():
        setattr(found, key, value)
    return found


def test_the_names_in_an_archive_are_docker_s(tree: OwnedTree) -> None:
    assert unpacked(tree, "/d") == {"d": "", "d/e": "", "d/file": "data"}
    assert unpacked(tree, "/d/.") == {".": "", "./e": "", "./file": "data"}
    assert unpacked(tree, "d/file") == {"file": "data"}
    assert unpacked(tree, "/link/") == {"link": "", "link/e": "", "link/file": "data"}
    assert unpacked(tree, "/link/file") == {"file": "data"}


def test_a_last_symlink_is_itself_and_tells_where_it_leads(tree: OwnedTree) -> None:
    assert stat.S_ISLNK(tree.stat("/link").st_mode) and tree.stat("/link").target == "/d"
    assert stat.S_ISDIR(tree.stat("/link/").st_mode) and tree.stat("/link/").target == ""
    assert tree.stat("/nowhere").target == "/none"


def test_what_is_not_there_is_told_at_once(tree: OwnedTree) -> None:
    for ask in (tree.stat, tree.archive):
        with pytest.raises(PathNotFound):
            ask("/d/none")
    with pytest.raises(PathNotFound):
        tree.extract("/none", io.BytesIO(b""))


def test_an_archive_out_and_in_again_keeps_owners_and_modes(
    tree: OwnedTree, make_tar: MakeTar, tmp_path: Path, real_owners: bool
) -> None:
    entries = [
        info("own", tarfile.DIRTYPE, mode=0o750, uid=5),
        info("own/f", tarfile.REGTYPE, mode=0o4711, uid=1000, gid=7),
        info("own/hard", tarfile.LNKTYPE, "own/f"),
        info("own/null", tarfile.CHRTYPE, mode=0o666, devmajor=1, devminor=3),
        info("own/sym", tarfile.SYMTYPE, "f", uid=9),
    ]
    tree.extract("/d", io.BytesIO(make_tar({}, *entries)))
    (tmp_path / "other").mkdir()
    other = OwnedTree(tmp_path / "other", tmp_path / "owners2", real_owners=real_owners)
    data = b"".join(tree.archive("/d/own"))
    other.extract("/", io.BytesIO(data))
    with tarfile.open(fileobj=io.BytesIO(b"".join(other.archive("/own")))) as tar:
        found = {item.name: (item.type, item.mode, item.uid, item.gid, item.linkname) for item in tar}
    assert found == {
        "own": (tarfile.DIRTYPE, 0o750, 5, 0, ""),
        "own/f": (tarfile.REGTYPE, 0o4711, 1000, 7, ""),
        "own/hard": (tarfile.LNKTYPE, 0o4711, 1000, 7, "own/f"),
        "own/null": (tarfile.CHRTYPE, 0o666, 0, 0, ""),
        "own/sym": (tarfile.SYMTYPE, 0o777, 9, 0, "f"),
    }


def test_an_owner_may_be_given_to_everything(tree: OwnedTree, make_tar: MakeTar) -> None:
    tree.extract("/d", io.BytesIO(make_tar({"new": b"x"})), owner=(1000, 1001))
    with tarfile.open(fileobj=io.BytesIO(b"".join(tree.archive("/d/new")))) as tar:
        assert [(item.uid, item.gid) for item in tar] == [(1000, 1001)]


@pytest.mark.parametrize(
    "entry",
    [
        info("../escaped", tarfile.REGTYPE),
        info("a/../../escaped", tarfile.REGTYPE),
        info("l", tarfile.SYMTYPE, "../../escaped"),
        info("l", tarfile.LNKTYPE, "../escaped"),
    ],
    ids=["path", "dots", "symlink", "hard link"],
)
def test_an_archive_that_leaves_its_directory_writes_nothing(
    tree: OwnedTree, make_tar: MakeTar, entry: tarfile.TarInfo, tmp_path: Path
) -> None:
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UnsafePath, match="is refused: it leaves the root"):
        tree.extract("/d", io.BytesIO(make_tar({"first": b"x"}, entry)))
    assert sorted(tmp_path.rglob("*")) == before


def test_symlinks_on_the_disk_lead_an_archive_inside_the_root_only(
    tree: OwnedTree, make_tar: MakeTar, outside: Path
) -> None:
    (tree.path / "out").symlink_to(outside)
    (tree.path / "up").symlink_to("../outside")
    for trap in ("out", "up"):
        with pytest.raises((PathNotFound, Invalid)):
            tree.extract("/", io.BytesIO(make_tar({f"{trap}/secret": b"taken"})))
        with pytest.raises(PathNotFound):
            tree.extract(f"/{trap}", io.BytesIO(make_tar({"secret": b"taken"})))
        with pytest.raises(PathNotFound):
            tree.archive(f"/{trap}/secret")
    tree.extract("/", io.BytesIO(make_tar({"link/new": b"x"})))
    assert (tree.path / "d/new").read_bytes() == b"x"
    assert (outside / "secret").read_text() == "secret" and os.listdir(outside) == ["secret"]


def test_a_symlink_in_the_archive_does_not_lead_what_follows_it_outside(
    tree: OwnedTree, make_tar: MakeTar, outside: Path
) -> None:
    hostile = make_tar({}, info("x", tarfile.SYMTYPE, str(outside)), info("x/secret", tarfile.REGTYPE))
    with pytest.raises((PathNotFound, Invalid)):
        tree.extract("/d", io.BytesIO(hostile))
    assert (outside / "secret").read_text() == "secret"


def test_a_hard_link_never_reaches_a_file_outside(tree: OwnedTree, make_tar: MakeTar, outside: Path) -> None:
    (tree.path / "d/out").symlink_to(outside)
    with pytest.raises(PathNotFound):
        tree.extract("/d", io.BytesIO(make_tar({}, info("mine", tarfile.LNKTYPE, "out/secret"))))
    assert (outside / "secret").stat().st_nlink == 1


def test_a_directory_and_a_file_replace_each_other_unless_told_not_to(tree: OwnedTree, make_tar: MakeTar) -> None:
    with pytest.raises(Invalid, match='cannot overwrite directory "/d/e" with non-directory "/d"'):
        tree.extract("/d", io.BytesIO(make_tar({"e": b"x"})), keep_kind=True)
    with pytest.raises(Invalid, match='cannot overwrite non-directory "/d/file" with directory "/d"'):
        tree.extract("/d", io.BytesIO(make_tar({}, info("file", tarfile.DIRTYPE))), keep_kind=True)
    tree.extract("/d", io.BytesIO(make_tar({"e": b"x"}, info("file", tarfile.DIRTYPE))))
    assert (tree.path / "d/e").read_bytes() == b"x" and (tree.path / "d/file").is_dir()


def test_an_extraction_point_must_be_a_directory(tree: OwnedTree, make_tar: MakeTar) -> None:
    with pytest.raises(Invalid, match="extraction point is not a directory"):
        tree.extract("/d/file", io.BytesIO(make_tar({"x": b""})))


def test_a_broken_archive_writes_nothing(tree: OwnedTree, make_tar: MakeTar) -> None:
    whole = make_tar({"a": b"x" * 5000, "b": b"y" * 5000})
    with pytest.raises(Invalid, match="ends"):
        tree.extract("/d", io.BytesIO(whole[:8000]))
    assert sorted(os.listdir(tree.path / "d")) == ["e", "file"]
