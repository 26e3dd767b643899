"""Layers as tars: what real tar programs write is read, and what lies is refused with words."""

import io
import subprocess
import tarfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from kit.layer.changeset import Changeset
from kit.layer.headers import BadTar
from kit.layer.tarball import Changed, Limits, UnsafePath, members, pack, scan
from kit.layer.tree import Entry, Kind
from kit.oci.digest import digest_of

Change = Callable[[tarfile.TarInfo], None]


def info(name: str, type: bytes = tarfile.REGTYPE, **facts: object) -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.type = type
    for key, value in facts.items():
        setattr(found, key, value)
    return found


def tar(*entries: tarfile.TarInfo, format: int = tarfile.PAX_FORMAT, data: bytes = b"") -> io.BytesIO:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format) as archive:
        for entry in entries:
            if entry.type == tarfile.REGTYPE:
                entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    out.seek(0)
    return out


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_dialect_of_tar_is_read(format: int) -> None:
    long = "d" * 90 + "/" + "f" * 90
    found = scan(tar(info(long, uid=1000, mtime=5), info("l", tarfile.SYMTYPE, linkname=long[:99]), format=format))
    assert found.entries[long] == Entry(Kind.FILE, 0o644, 1000, digest=digest_of(b""), mtime=5.0)
    assert found.entries["l"].target == long[:99]


@pytest.mark.parametrize("format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_names_owners_and_times_that_no_plain_header_holds_are_read(format: int) -> None:
    name, target = "é" * 200, "t" * 300
    entries = scan(
        tar(info(name, uid=2**31, mtime=2**33), info("l", tarfile.SYMTYPE, linkname=target), format=format)
    ).entries
    assert (entries[name].uid, entries[name].mtime, entries["l"].target) == (2**31, 2.0**33, target)


@pytest.mark.parametrize("way", ["gnu", *(f"posix --sparse-version={version}" for version in ("0.0", "0.1", "1.0"))])
def test_sparse_files_have_their_holes_filled(way: str, tmp_path: Path) -> None:
    data = bytearray(3 << 20)
    data[1 << 20 : (1 << 20) + 4] = b"here"
    data[-1] = 1
    with open(tmp_path / "sparse", "wb") as file:
        for at in (1 << 20, len(data) - 1):
            file.seek(at)
            file.write(data[at : at + 4])
    (tmp_path / "after").write_bytes(b"after")
    command = ["tar", "-C", tmp_path, "--sparse", *f"--format={way}".split(), "-cf", "-", "sparse", "after"]
    done = subprocess.run(command, capture_output=True, check=True)
    assert len(done.stdout) < len(data)
    entries = scan(io.BytesIO(done.stdout)).entries
    assert [entries[name].digest for name in ("sparse", "after")] == [digest_of(bytes(data)), digest_of(b"after")]


@pytest.mark.parametrize(
    "name", ["../x", "a/../../x", "/../x", "a/b/../../../x", "..", "./../x"], ids=lambda name: name.replace("/", "|")
)
def test_a_path_that_leaves_the_root_is_refused(name: str) -> None:
    with pytest.raises(UnsafePath, match="it leaves the root"):
        scan(tar(info(name)))


def test_a_link_that_leaves_the_root_is_refused() -> None:
    with pytest.raises(UnsafePath, match=r"'x -> \.\./etc/passwd' is refused: it leaves the root"):
        scan(tar(info("x", tarfile.SYMTYPE, linkname="../etc/passwd")))
    with pytest.raises(UnsafePath, match="it leaves the root"):
        scan(tar(info("x", tarfile.LNKTYPE, linkname="../etc/passwd")))


def test_a_symlink_of_the_layer_leads_what_is_below_it_inside_the_root() -> None:
    found = scan(tar(info("lib", tarfile.SYMTYPE, linkname="/usr/lib"), info("lib/x.so")))
    assert found.entries.keys() == {"lib", "usr/lib/x.so"}
    with pytest.raises(UnsafePath, match="circle"):
        scan(tar(info("a", tarfile.SYMTYPE, linkname="b"), info("b", tarfile.SYMTYPE, linkname="a"), info("a/x")))


def test_absolute_and_dotted_names_are_paths_of_the_root() -> None:
    assert scan(tar(info("/etc/x"), info("./a//b/./c"))).entries.keys() == {"etc/x", "a/b/c"}


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([info("a", tarfile.LNKTYPE, linkname="a")], "which is no file"),
        ([info("d", tarfile.DIRTYPE), info("a", tarfile.LNKTYPE, linkname="d")], "which is no file"),
        ([info("a"), info("b", tarfile.LNKTYPE, linkname="a"), info("a")], "twice, once as a hard link"),
        ([info("b", tarfile.LNKTYPE, linkname="a"), info("a")], "before the file itself"),
        ([info("a"), info("a/b")], "as a file and something in it"),
        ([info("a/b"), info("a")], "as a directory and as something else"),
        ([info("a", tarfile.SYMTYPE, linkname="")], "no target"),
        ([info("a", b"M")], "type b'M'"),
        ([info("a", uid=2**32 - 1)], "4294967294 at most"),
        ([info("a", tarfile.CHRTYPE, devmajor=2**13)], "device number"),
        ([info(".wh...")], "must name an entry"),
        ([info("p" * 5000)], "longer than 4096"),
    ],
)
def test_what_contradicts_itself_is_refused(entries: list[tarfile.TarInfo], words: str) -> None:
    with pytest.raises((BadTar, UnsafePath), match=words):
        scan(tar(*entries))


def test_whiteouts_remove_and_their_opaque_kind_starts_a_directory_anew() -> None:
    found = scan(tar(info("d/.wh.a"), info("d/.wh..wh..opq"), info(".wh.b"), info(".wh..wh.aufs")))
    assert found == Changeset({}, frozenset({"d/a", "b"}), frozenset({"d"}))


def test_a_tar_that_is_cut_off_is_refused() -> None:
    whole = tar(info("a"), data=b"x" * 5000).getvalue()
    for size in (100, 512 + 100, 512 + 4000):
        with pytest.raises(BadTar, match="ends"):
            scan(io.BytesIO(whole[:size]))
    with pytest.raises(BadTar, match="no tar"):
        scan(io.BytesIO(b"PK\3\4" * 1000))


def test_a_tar_bomb_is_refused_in_little_memory() -> None:
    sparse = info("a")
    sparse.pax_headers = {"GNU.sparse.size": str(2**50), "GNU.sparse.map": f"{2**50},0", "GNU.sparse.numblocks": "1"}
    with pytest.raises(BadTar, match="sparse and too large"):
        scan(tar(sparse))
    names = info("a")
    names.pax_headers = {"comment": "x" * (2 << 20)}
    with pytest.raises(BadTar, match="too long"):
        scan(tar(names))
    many = tar(*(info(str(number)) for number in range(200)))
    with pytest.raises(BadTar, match="too many entries: the limit is 100"):
        scan(many, Limits(entries=100))


def test_a_large_file_is_scanned_in_little_memory() -> None:
    class Zeros:
        """A tar with one file of ``size`` zeros."""

        def __init__(self, size: int) -> None:
            header = info("big", size=size).tobuf()
            self.parts, self.left = header, size

        def read(self, size: int = -1, /) -> bytes:
            if self.parts:
                data, self.parts = self.parts[:size], self.parts[size:]
                return data
            size = min(size, self.left + 1024)
            self.left -= min(size, self.left)
            return bytes(size)

    tracemalloc.start()
    try:
        found = scan(Zeros(256 << 20))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found.entries["big"].size == 256 << 20
    assert peak < 16 << 20, f"{peak >> 20} MB for a file of 256 MB"


def test_contents_are_read_while_their_member_is_there() -> None:
    found = [(path, contents.read()) for path, _, contents in members(tar(info("a"), info("b"), data=b"data"))]
    assert found == [("a", b"data"), ("b", b"data")]
    assert [path for path, _, _ in members(tar(info("a"), info("b"), data=b"data" * 999))] == ["a", "b"]


def test_a_file_that_changes_while_it_is_packed_is_told() -> None:
    entry = Entry(Kind.FILE, size=4, digest=digest_of(b"data"))
    for now in (b"dat", b"data+", b"date"):
        with pytest.raises(Changed, match="'a' changed while it was read"):
            pack(Changeset({"a": entry}), lambda _, now=now: io.BytesIO(now), io.BytesIO())  # type: ignore[misc]


def test_tar_unpacks_what_is_packed(tmp_path: Path) -> None:
    long = "d" * 120
    entries = {
        long: Entry(Kind.DIRECTORY, 0o700),
        f"{long}/é": Entry(Kind.FILE, 0o640, size=4, mtime=1.0),
        "fifo": Entry(Kind.FIFO, 0o600),
        "link": Entry(Kind.SYMLINK, 0o777, target=f"{long}/é"),
        "hard": Entry(Kind.FILE, 0o640, size=4, hardlink=f"{long}/é", mtime=1.0),
    }
    with open(tmp_path / "layer.tar", "w+b") as out:
        packed = pack(Changeset(entries, frozenset({"gone"}), frozenset({long})), lambda _: io.BytesIO(b"data"), out)
        assert packed.size == out.tell()
        out.seek(0)
        assert digest_of(out.read()) == packed.diff_id
    subprocess.run(["tar", "-C", tmp_path, "-xpf", tmp_path / "layer.tar"], check=True)
    assert (tmp_path / "link").read_bytes() == b"data"
    assert (tmp_path / "hard").stat().st_ino == (tmp_path / long / "é").stat().st_ino
    assert (tmp_path / ".wh.gone").exists() and (tmp_path / long / ".wh..wh..opq").exists()
