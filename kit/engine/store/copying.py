"""``docker cp``: parts of a root file system as tars, out and in.

The container may run meanwhile and is not trusted: every path is opened inside the root, directory by
directory, and what is done there is done relative to an open directory.

Source: moby daemon/archive_unix.go ("containerStatPath", "containerArchivePath", "containerExtractToDir");
pkg/archive ("Unpack").
"""

import os
import posixpath
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from shutil import copyfileobj, rmtree
from tempfile import TemporaryFile
from typing import BinaryIO, NamedTuple, cast

from kit.engine.store.files import temporary_name
from kit.engine.store.identity import identity_of
from kit.engine.store.inside import Inside, PathNotFound
from kit.engine.store.looking import look_at
from kit.engine.store.owners import Owners, record_of
from kit.engine.store.writing import make_special, set_facts
from kit.errors import Invalid
from kit.layer.changeset import parents_of
from kit.layer.headers import Readable
from kit.layer.ownership import FileIdentity, Ownership
from kit.layer.tarball import archive, members
from kit.layer.tree import Entry, Kind
from kit.oci.digest import CHUNK


class PathStat(NamedTuple):
    """What ``docker cp`` wants to know of a path. ``size`` and ``mtime_ns`` as the disk has them.

    ``target``: of a symlink, the absolute path in the container that it leads to.
    """

    name: str
    size: int
    st_mode: int
    mtime_ns: int
    target: str


def _named(path: str) -> tuple[str, str, bool]:
    """The path, the name that it gets in a tar, and whether a last symlink is followed.

    As Docker has it: ``/dir/`` and ``/dir/.`` mean what ``dir`` leads to, the latter by the name ``.``.
    """
    follow = path.endswith(("/", "/.")) or path in ("", ".")
    place = posixpath.normpath("/" + path).lstrip("/")
    name = "." if path.endswith("/.") else posixpath.basename(place)
    return place, name, follow


def _place(inside: Inside, path: str) -> tuple[str, str]:
    place, name, follow = _named(path)
    return (inside.where(place) if follow else place), name


def _entry_at(
    directory: int, name: str, owners: Mapping[FileIdentity, Ownership], real_owners: bool
) -> tuple[Entry | None, os.stat_result]:
    told = os.stat(name, dir_fd=directory, follow_symlinks=False)
    owner = None if real_owners else owners.get(identity_of(name, directory))
    return look_at(directory, name, told, owner, real_owners), told


def stat_of(inside: Inside, path: str, owners: Mapping[FileIdentity, Ownership], real_owners: bool) -> PathStat:
    """The facts of ``path``; its last symlink is not followed unless a slash stands behind it."""
    place, name = _place(inside, path)
    with inside.parent(place) as (directory, last):
        try:
            entry, told = _entry_at(directory, last, owners, real_owners)
        except FileNotFoundError:
            raise PathNotFound(path) from None
    mode = entry.st_mode if entry else told.st_mode
    target = ""
    if stat.S_ISLNK(mode):
        with suppress(PathNotFound):
            target = "/" + inside.where(place)
        target = target or posixpath.normpath(posixpath.join("/", posixpath.dirname(place), entry.target if entry else ""))
    return PathStat(name or "/", told.st_size, mode, told.st_mtime_ns, target)


def tar_of(
    inside: Inside, path: str, owners: Mapping[FileIdentity, Ownership], real_owners: bool
) -> Iterator[bytes]:
    """The archive of ``path``. What disappears meanwhile is left out, what grows is cut."""
    place, name = _place(inside, path)
    with inside.parent(place) as (directory, last):
        try:
            os.stat(last, dir_fd=directory, follow_symlinks=False)
        except FileNotFoundError:
            raise PathNotFound(path) from None
    walk = _Walk(inside, owners, real_owners)
    return archive(walk.entries(place, name), walk.contents)


class _Walk:
    """Entries below a path, each with its file already open when it is told."""

    def __init__(self, inside: Inside, owners: Mapping[FileIdentity, Ownership], real_owners: bool) -> None:
        self._inside, self._owners, self._real_owners = inside, owners, real_owners
        self._links: dict[int, str] = {}
        self._file: BinaryIO | None = None

    def contents(self, _: str) -> BinaryIO:
        assert self._file is not None, "only a file's contents are asked for"
        return self._file

    def entries(self, place: str, name: str) -> Iterator[tuple[str, Entry]]:
        """``place`` under ``name``, then what is below it, in order."""
        todo = [(place, name)]
        while todo:
            place, name = todo.pop()
            try:
                with self._inside.parent(place) as (directory, last):
                    entry, told = _entry_at(directory, last, self._owners, self._real_owners)
                    if entry is None:
                        continue
                    if entry.kind is Kind.DIRECTORY:
                        inner = self._names(directory, last)
                        todo += [(f"{place}/{item}".lstrip("/"), f"{name}/{item}".lstrip("/")) for item in inner]
                    elif entry.kind is Kind.FILE:
                        entry = self._opened(directory, last, entry, told, name)
            except (FileNotFoundError, NotADirectoryError, PathNotFound):
                continue
            yield name, entry
            self._close()

    def _names(self, directory: int, name: str) -> list[str]:
        """Names in a directory, last first: they are taken from the end."""
        found = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
        try:
            return sorted(os.listdir(found), reverse=True)
        finally:
            os.close(found)

    def _opened(self, directory: int, last: str, entry: Entry, told: os.stat_result, name: str) -> Entry:
        if told.st_nlink > 1:
            first = self._links.setdefault(told.st_ino, name)
            if first != name:
                return replace(entry, hardlink=first)
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(last, flags, dir_fd=directory)
        self._file = cast(BinaryIO, open(descriptor, "rb", buffering=0))
        return entry

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def extract(
    inside: Inside,
    path: str,
    tar: Readable,
    owners: Owners,
    *,
    real_owners: bool,
    keep_kind: bool,
    owner: tuple[int, int] | None,
) -> None:
    """Unpacks ``tar`` into the directory ``path``. The whole tar is looked at before anything is written."""
    with TemporaryFile() as spool:
        copyfileobj(tar, spool, CHUNK)
        spool.seek(0)
        for _ in members(spool, follow=False):
            pass
        spool.seek(0)
        with inside.opened(path, os.O_PATH) as descriptor:
            if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
                raise Invalid("extraction point is not a directory")
        _Extraction(inside, inside.where(path), owners, real_owners, keep_kind, owner).run(spool)


@dataclass
class _Extraction:
    """One archive on its way into a root file system, below ``base``."""

    inside: Inside
    base: str
    owners: Owners
    real_owners: bool
    keep_kind: bool
    owner: tuple[int, int] | None
    directories: list[tuple[str, Entry]] = field(default_factory=list)

    def run(self, tar: Readable) -> None:
        for member, entry, contents in members(tar, follow=False):
            if not member:
                continue  # as in dockerd, the archive says nothing of the directory itself
            if self.owner:
                entry = replace(entry, uid=self.owner[0], gid=self.owner[1])
            path = f"{self.base}/{member}".lstrip("/")
            self._make_parents(path)
            with self.inside.parent(path) as (directory, name):
                if self._make_room(directory, name, entry, path) and entry.kind is Kind.DIRECTORY:
                    os.mkdir(name, 0o700, dir_fd=directory)
                if entry.kind is Kind.DIRECTORY:
                    self.directories.append((path, entry))
                else:
                    self._write(directory, name, entry, contents)
        for path, entry in reversed(self.directories):
            with self.inside.opened(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW) as directory:
                set_facts(directory, entry, self.real_owners)
                self._record(directory, ".", record_of(entry) or Ownership())

    def _make_parents(self, path: str) -> None:
        for above in reversed(list(parents_of(path))):
            with suppress(PathNotFound):
                os.close(self.inside.open(above, os.O_PATH))
                continue
            with self.inside.parent(above) as (directory, name):
                os.mkdir(name, 0o755, dir_fd=directory)

    def _make_room(self, directory: int, name: str, entry: Entry, path: str) -> bool:
        """Removes what stands in the way; whether a directory is to be made."""
        try:
            told = os.stat(name, dir_fd=directory, follow_symlinks=False)
        except FileNotFoundError:
            return True
        old, new = stat.S_ISDIR(told.st_mode), entry.kind is Kind.DIRECTORY
        if self.keep_kind and old and not new:
            raise Invalid(f'cannot overwrite directory "/{path}" with non-directory "/{self.base}"')
        if self.keep_kind and new and not old:
            raise Invalid(f'cannot overwrite non-directory "/{path}" with directory "/{self.base}"')
        if old and not new:
            rmtree(name, dir_fd=directory)
        elif new and not old:
            os.unlink(name, dir_fd=directory)
        return not old

    def _write(self, directory: int, name: str, entry: Entry, contents: BinaryIO) -> None:
        """Under another name first: what is at ``name`` is the old thing or the new one, whole."""
        building = temporary_name(Path("")).name
        try:
            if entry.hardlink:
                self._link(directory, building, entry)
            elif entry.kind is Kind.FILE:
                self._fill(directory, building, entry, contents)
            else:
                make_special(building, entry, self.real_owners, directory)
                set_facts(f"/proc/self/fd/{directory}/{building}", entry, self.real_owners)
                self._record(directory, building, record_of(entry))
            os.rename(building, name, src_dir_fd=directory, dst_dir_fd=directory)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(building, dir_fd=directory)

    def _link(self, directory: int, name: str, entry: Entry) -> None:
        target = f"{self.base}/{entry.hardlink}".lstrip("/")
        with self.inside.parent(target) as (folder, file):
            try:
                os.link(file, name, src_dir_fd=folder, dst_dir_fd=directory, follow_symlinks=False)
            except FileNotFoundError:
                raise PathNotFound(target) from None

    def _fill(self, directory: int, name: str, entry: Entry, contents: BinaryIO) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(name, flags, 0o600, dir_fd=directory), "wb", buffering=0) as file:
            copyfileobj(contents, file, CHUNK)
            set_facts(file.fileno(), entry, self.real_owners)
        self._record(directory, name, record_of(entry))

    def _record(self, directory: int, name: str, owner: Ownership | None) -> None:
        if owner is not None and not self.real_owners:
            self.owners.append([(identity_of(name, directory), owner)])
