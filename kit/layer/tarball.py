"""Layers as tars: a changeset to bytes, and bytes to a changeset.

What comes in was written by anybody. A path or link that leaves the root is refused, numbers that lie are
refused, and nothing is ever held in memory that the tar can make large.

Source: OCI image-spec, layer.md; moby pkg/archive ("UnpackLayer", "createTarFile") for what the spec leaves open.
"""

import hashlib
import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import BinaryIO, NamedTuple, cast

from kit.errors import Invalid
from kit.layer.changeset import Changeset, all_parents, first_named, parent_of, parents_of
from kit.layer.headers import BLOCK, REGULAR, BadTar, Header, Readable, padding, read_header, write_header
from kit.layer.tree import Entry, Kind
from kit.oci.digest import CHUNK, DiffID, Digest

WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"
AUFS = ".wh..wh."
"""Names that only AUFS gave a meaning to."""
KEPT_XATTRS = ("security.capability",)
"""The one extended attribute that dockerd's layers keep."""
TYPES = {
    b"2": Kind.SYMLINK,
    b"3": Kind.CHARACTER,
    b"4": Kind.BLOCK,
    b"5": Kind.DIRECTORY,
    b"6": Kind.FIFO,
} | {kind: Kind.FILE for kind in REGULAR}
LETTERS = {kind: letter for letter, kind in TYPES.items() if letter not in REGULAR} | {Kind.FILE: b"0"}


class UnsafePath(Invalid):
    """An entry would land, or point, outside the root."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"{path!r} is refused: {why}")
        self.path = path


class Changed(Invalid):
    """A file's bytes are not those that its entry tells."""

    def __init__(self, path: str) -> None:
        super().__init__(f"{path!r} changed while it was read: try again when nothing writes to it")
        self.path = path


@dataclass(frozen=True)
class Limits:
    """What a tar may claim. Each bound is far above real images and far below a machine's memory.

    ``holes``: bytes of zeros that sparse files may stand for; the spec says that layers should have none.
    """

    entries: int = 2_000_000
    path: int = 4096
    names: int = 512 << 20
    holes: int = 4 << 30


class Member(NamedTuple):
    """One entry of an archive. ``contents`` can be read until the next member is asked for."""

    path: str
    entry: Entry
    contents: BinaryIO


class PackedLayer(NamedTuple):
    """A layer as it was written. ``size`` is bytes of tar; ``changeset`` is what ``scan`` would say of them."""

    diff_id: DiffID
    size: int
    changeset: Changeset


class _Contents(io.BufferedIOBase):
    """The bytes of one member, zeros in its holes."""

    def __init__(self, source: Readable, header: Header) -> None:
        self._source, self._path = source, header.name
        pieces = [(0, header.size)] if header.holes is None else header.holes
        self._plan: list[tuple[bool, int]] = []
        end = 0
        for offset, length in pieces:
            self._plan += [(False, offset - end), (True, length)]
            end = offset + length
        self._plan = [(stored, size) for stored, size in [*self._plan, (False, header.size - end)] if size]
        self._plan.reverse()
        self._stored = header.stored

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            return b"".join(iter(lambda: self.read(CHUNK), b""))
        if not self._plan or not size:
            return b""
        stored, left = self._plan.pop()
        size = min(size, left)
        data = self._take(size) if stored else bytes(size)
        if left > len(data):
            self._plan.append((stored, left - len(data)))
        return data

    def read1(self, size: int = -1, /) -> bytes:
        return self.read(CHUNK if size < 0 else size)

    def _take(self, size: int) -> bytes:
        data = self._source.read(size)
        if not data:
            raise BadTar(f"the tar ends in the middle of {self._path!r}")
        self._stored -= len(data)
        return data

    def skip(self, padded: int) -> None:
        """Passes over what is left, and the padding behind it."""
        left = self._stored + padded
        self._plan, self._stored = [], 0
        while left:
            data = self._source.read(min(left, CHUNK))
            if not data:
                raise BadTar(f"the tar ends in the middle of {self._path!r}")
            left -= len(data)


@dataclass
class _Seen:
    """What the archive has told so far: enough to follow its symlinks and to find contradictions."""

    limits: Limits
    follow: bool
    entries: dict[str, Entry] = field(default_factory=dict)
    parents: set[str] = field(default_factory=set)
    linked: set[str] = field(default_factory=set)
    symlinks: int = 0
    names: int = 0
    holes: int = 0

    def add(self, path: str, entry: Entry) -> None:
        old = self.entries.get(path)
        if old is not None and (path in self.linked or old.hardlink):
            raise BadTar(f"the tar has {path!r} twice, once as a hard link")
        if entry.kind is not Kind.DIRECTORY and path in self.parents:
            raise BadTar(f"the tar has {path!r} as a directory and as something else")
        self.symlinks += (entry.kind is Kind.SYMLINK) - (old is not None and old.kind is Kind.SYMLINK)
        self.names += len(path) + len(entry.target) + sum(len(name) + len(value) for name, value in entry.xattrs)
        if len(self.entries) >= self.limits.entries or self.names > self.limits.names:
            raise BadTar(f"the tar has too many entries: the limit is {self.limits.entries}")
        self.entries[path] = entry
        if parent_of(path) not in self.parents:
            self.parents.update(all_parents([path]))
        if entry.hardlink:
            self.linked.add(entry.hardlink)

    def place(self, path: str) -> str:
        """Where ``path`` lies when symlinks of the archive stand above it."""
        if not self.symlinks or not self.follow:
            return path
        for _ in range(40):  # as many symlinks as Linux follows
            moved = self._through_symlink(path)
            if moved is None:
                return path
            path = moved
        raise UnsafePath(path, "its symlinks lead in a circle")

    def _through_symlink(self, path: str) -> str | None:
        for parent in reversed(list(parents_of(path))):
            entry = self.entries.get(parent)
            if entry is not None and entry.kind is Kind.SYMLINK:
                base = "" if entry.target.startswith("/") else parent_of(parent)
                return clean(f"{base}/{entry.target}/{path[len(parent) :]}", shown=path)
        return None


def clean(name: str, shown: str | None = None) -> str:
    """``name`` as a path of a tree: relative to the root, without ``.`` and ``..``.

    Raises:
        UnsafePath: it leaves the root; the error shows ``shown``, if given.
    """
    if "/../" not in f"/{name}/" and "/./" not in f"/{name}/" and "//" not in name:
        return name.strip("/")
    parts: list[str] = []
    for part in name.split("/"):
        if part == "..":
            if not parts:
                raise UnsafePath(shown or name, "it leaves the root")
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def members(tar: Readable, limits: Limits = Limits(), *, follow: bool = True) -> Iterator[Member]:
    """The entries of an archive, in its order; whiteouts as the plain files that they are.

    Symlinks of the archive are followed for the paths below them, unless ``follow`` is false: who unpacks onto
    a disk that has symlinks of its own must follow all of them there, inside the root. A hard link has the facts
    of the file it names when that file came before; otherwise its digest is None. Times are whole seconds.

    Raises:
        BadTar, UnsafePath: at the entry that is wrong; the entries before it have been given.
    """
    seen = _Seen(limits, follow)
    while (header := read_header(tar)) is not None:
        path = _path(header, seen)
        entry = _entry(path, header, seen)
        seen.add(path, entry)
        if entry.kind is not Kind.FILE or entry.hardlink:
            header.size, header.stored, header.holes = 0, 0, None
        contents = _Contents(tar, header)
        yield Member(path, entry, cast(BinaryIO, contents))
        contents.skip(padding(header.stored))


def _path(header: Header, seen: _Seen) -> str:
    if len(header.name) > seen.limits.path:
        raise UnsafePath(header.name[:40] + "…", f"it is longer than {seen.limits.path}")
    path = seen.place(clean(header.name))
    for parent in parents_of(path):
        above = seen.entries.get(parent)
        if above is not None:
            if above.kind is not Kind.DIRECTORY and (seen.follow or above.kind is not Kind.SYMLINK):
                raise BadTar(f"the tar has {parent!r} as a {above.kind} and something in it")
            break
    if not path and header.type != b"5":
        raise UnsafePath(header.name, "only a directory can be the root")
    return path


def _entry(path: str, header: Header, seen: _Seen) -> Entry:
    if header.type == b"1":
        return _hardlink(path, header, seen)
    kind = TYPES.get(header.type)
    if kind is None:
        raise BadTar(f"{path!r} has the tar type {header.type!r}, which no layer can hold")
    if kind is Kind.SYMLINK:
        _check_symlink(path, header, seen.limits)
    if header.holes is not None:
        seen.holes += header.size - header.stored
        if seen.holes > seen.limits.holes:
            raise BadTar(f"{path!r} is sparse and too large: {header.size} bytes")
    return Entry(
        kind=kind,
        mode=0o777 if kind is Kind.SYMLINK else header.mode & 0o7777,
        uid=header.uid,
        gid=header.gid,
        size=header.size if kind is Kind.FILE else 0,
        target=header.target if kind is Kind.SYMLINK else "",
        device=header.device,
        xattrs=tuple(pair for pair in header.xattrs if pair[0] in KEPT_XATTRS),
        mtime=float(header.mtime),
    )


def _check_symlink(path: str, header: Header, limits: Limits) -> None:
    """Refused as in dockerd: a symlink that climbs over the root. One that starts with / is the container's own."""
    if not header.target or len(header.target) > limits.path:
        raise BadTar(f"the symlink {path!r} has no target, or one that is too long")
    if not header.target.startswith("/"):
        clean(f"{parent_of(path)}/{header.target}", shown=f"{path} -> {header.target}")


def _hardlink(path: str, header: Header, seen: _Seen) -> Entry:
    target = seen.place(clean(header.target, shown=f"{path} -> {header.target}"))
    file = seen.entries.get(target)
    if not target or target == path or (file is not None and file.kind is Kind.DIRECTORY):
        raise BadTar(f"{path!r} is a hard link to {header.target!r}, which is no file")
    if file is None:
        return Entry(Kind.FILE, header.mode & 0o7777, hardlink=target)
    return replace(file, hardlink=file.hardlink or target)


def scan(tar: Readable, limits: Limits = Limits()) -> Changeset:
    """The changeset that a layer's tar holds, with the digest of every file. Reads to the tar's last member.

    Raises:
        BadTar, UnsafePath: the tar can't be used.
    """
    entries: dict[str, Entry] = {}
    removed: set[str] = set()
    opaque: set[str] = set()
    below: set[str] = set()
    for path, entry, contents in members(tar, limits):
        parent, _, name = path.rpartition("/")
        if name == OPAQUE:
            opaque.add(parent)
        elif name.startswith(WHITEOUT):
            if not name.startswith(AUFS):
                removed.add(_whiteout(parent, name))
        elif entry.hardlink:
            entries[path] = _with_file(entry, entries, below)
        elif entry.kind is Kind.FILE:
            entries[path] = replace(entry, digest=_digest(contents))
        else:
            entries[path] = entry
    if late := below & entries.keys():
        raise BadTar(f"the tar has hard links to {min(late)!r} before the file itself")
    return Changeset(entries, frozenset(removed), frozenset(opaque))


def _whiteout(parent: str, name: str) -> str:
    hidden = name.removeprefix(WHITEOUT)
    if hidden in ("", ".", ".."):
        raise UnsafePath(f"{parent}/{name}", "a whiteout must name an entry")
    return f"{parent}/{hidden}" if parent else hidden


def _with_file(link: Entry, entries: dict[str, Entry], below: set[str]) -> Entry:
    """The link with its file's digest; a file that is not in this tar must be in a layer below."""
    file = entries.get(link.hardlink)
    if file is None:
        below.add(link.hardlink)
        return link
    return replace(file, hardlink=link.hardlink)


def _digest(contents: BinaryIO) -> Digest:
    found = hashlib.sha256()
    while data := contents.read(CHUNK):
        found.update(data)
    return Digest("sha256:" + found.hexdigest())


def pack(changeset: Changeset, contents: Callable[[str], BinaryIO], out: BinaryIO) -> PackedLayer:
    """Writes the changeset as an uncompressed layer tar.

    Entries are in path order, so equal changesets give equal bytes. ``contents`` opens the file at a path;
    it is closed here. A digest of None is found while packing and stands in the result. ``out`` is left open.

    Raises:
        Changed: a file is not what its entry says; what was written is of no use.
    """
    whole_seconds = {path: replace(entry, mtime=entry.mtime // 1) for path, entry in changeset.entries.items()}
    entries = first_named(whole_seconds)
    whole = hashlib.sha256()
    size = 0
    for block in _layer_blocks(replace(changeset, entries=entries), entries, contents):
        whole.update(block)
        out.write(block)
        size += len(block)
    for path, entry in entries.items():
        if entry.hardlink and entry.hardlink in entries:
            entries[path] = replace(entry, digest=entries[entry.hardlink].digest)
    packed = Changeset(dict(sorted(entries.items())), changeset.removed, changeset.opaque)
    return PackedLayer(DiffID(Digest("sha256:" + whole.hexdigest())), size, packed)


def _layer_blocks(
    changeset: Changeset, entries: dict[str, Entry], contents: Callable[[str], BinaryIO]
) -> Iterator[bytes]:
    """The layer's bytes. Digests that were missing in ``entries`` are filled in on the way."""
    marks = {f"{path}/{OPAQUE}".lstrip("/") for path in changeset.opaque}
    marks |= {"/".join([*path.split("/")[:-1], WHITEOUT + path.split("/")[-1]]) for path in changeset.removed}
    for path in sorted([*entries, *marks]):
        if path in marks:
            yield from write_header(Header(path, b"0", mode=0o600))
            continue
        yield from header_blocks(path, entries[path])
        if entries[path].kind is Kind.FILE and not entries[path].hardlink:
            found = hashlib.sha256()
            for data in _file_blocks(path, entries[path].size, contents):
                found.update(data)
                yield data
            yield bytes(padding(entries[path].size))
            digest = Digest("sha256:" + found.hexdigest())
            if entries[path].digest not in (None, digest):
                raise Changed(path)
            entries[path] = replace(entries[path], digest=digest)
    yield bytes(2 * BLOCK)


def header_blocks(path: str, entry: Entry) -> Iterator[bytes]:
    """The tar header of one entry. A directory's name ends in a slash, the root's is ``./``."""
    name = path + "/" if entry.kind is Kind.DIRECTORY else path
    header = Header(
        name="./" if name == "/" else name,
        type=b"1" if entry.hardlink else LETTERS[entry.kind],
        mode=entry.mode,
        uid=entry.uid,
        gid=entry.gid,
        size=entry.size if entry.kind is Kind.FILE and not entry.hardlink else 0,
        mtime=int(entry.mtime // 1),
        target=entry.hardlink or entry.target,
        device=entry.device,
        xattrs=entry.xattrs,
    )
    return write_header(header)


def _file_blocks(path: str, size: int, contents: Callable[[str], BinaryIO]) -> Iterator[bytes]:
    if not size:
        return
    with contents(path) as file:
        left = size
        while left:
            data = file.read(min(left, CHUNK))
            if not data:
                raise Changed(path)
            left -= len(data)
            yield data
        if file.read(1):
            raise Changed(path)


def archive(found: Iterable[Member]) -> Iterator[bytes]:
    """A plain archive (no whiteouts) of what is ``found``, in that order, piece by piece.

    A file that shrinks while it is read ends in zeros, and one that grows is cut, as ``docker export`` of a
    running container must.
    """
    for path, entry, contents in found:
        yield from header_blocks(path, entry)
        if entry.kind is Kind.FILE and not entry.hardlink and entry.size:
            left = entry.size
            while left and (data := contents.read(min(left, CHUNK))):
                left -= len(data)
                yield data
            while left:
                yield bytes(min(left, CHUNK))
                left -= min(left, CHUNK)
            yield bytes(padding(entry.size))
    yield bytes(2 * BLOCK)
