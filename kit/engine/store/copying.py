"""``docker cp``: parts of a root file system as tars, out and in.

The container may run meanwhile and is not trusted: every path is opened inside the root, directory by
directory, and what is done there is done relative to an open directory.

Source: moby daemon/archive_unix.go ("containerStatPath", "containerArchivePath", "containerExtractToDir");
pkg/archive ("Unpack").
"""

import os
import posixpath
import stat
from collections.abc import Iterable, Iterator, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass, field, replace
from io import BytesIO
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
from kit.layer.tarball import Member, members
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


def _place(inside: Inside, path: str) -> str:
    """Where ``path`` is. As Docker has it, a last symlink is followed when ``/`` or ``/.`` stands behind it."""
    place = posixpath.normpath("/" + path).lstrip("/")
    if path.endswith("/."):
        with inside.opened(place, os.O_PATH | os.O_DIRECTORY):
            return inside.where(place)
    return inside.where(place) if path.endswith("/") or path in ("", ".") else place


def _entry_at(
    directory: int, name: str, owners: Mapping[FileIdentity, Ownership], real_owners: bool
) -> tuple[Entry | None, os.stat_result]:
    told = os.stat(name, dir_fd=directory, follow_symlinks=False)
    owner = None if real_owners else owners.get(identity_of(name, directory))
    return look_at(directory, name, told, owner, real_owners), told


def stat_of(inside: Inside, path: str, owners: Mapping[FileIdentity, Ownership], real_owners: bool) -> PathStat:
    """The facts of ``path``; its last symlink is not followed unless a slash stands behind it."""
    place = _place(inside, path)
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
        target = target or posixpath.normpath(
            posixpath.join("/", posixpath.dirname(place), entry.target if entry else "")
        )
    return PathStat(posixpath.basename(place) or "/", told.st_size, mode, told.st_mtime_ns, target)


def members_of(
    inside: Inside,
    path: str,
    name: str,
    owners: Mapping[FileIdentity, Ownership],
    real_owners: bool,
    without: Set[str] = frozenset(),
) -> Iterator[Member]:
    """``path`` by the name ``name``, and what is below it. ``without``: places that are left out with all in them.

    What disappears meanwhile is left out.

    Raises:
        PathNotFound: at once, not while they are told.
    """
    place = _place(inside, path)
    with inside.parent(place) as (directory, last):
        try:
            os.stat(last, dir_fd=directory, follow_symlinks=False)
        except FileNotFoundError:
            raise PathNotFound(path) from None
    return _Walk(inside, owners, real_owners, without).members(place, name)


class _Walk:
    """Entries below a path, each with its file already open when it is told."""

    def __init__(
        self, inside: Inside, owners: Mapping[FileIdentity, Ownership], real_owners: bool, without: Set[str]
    ) -> None:
        self._inside, self._owners, self._real_owners, self._without = inside, owners, real_owners, without
        self._links: dict[int, str] = {}

    def members(self, place: str, name: str) -> Iterator[Member]:
        """``place`` under ``name``, then what is below it, in order."""
        todo = [(place, name)]
        while todo:
            place, name = todo.pop()
            if place in self._without:
                continue
            contents = cast(BinaryIO, BytesIO())
            try:
                with self._inside.parent(place) as (directory, last):
                    entry, told = _entry_at(directory, last, self._owners, self._real_owners)
                    if entry is None:
                        continue
                    if entry.kind is Kind.DIRECTORY:
                        inner = self._names(directory, last)
                        todo += [(f"{place}/{item}".lstrip("/"), f"{name}/{item}".lstrip("/")) for item in inner]
                    elif entry.kind is Kind.FILE:
                        entry = self._linked(entry, told, name)
                        contents = self._opened(directory, last)
            except (FileNotFoundError, NotADirectoryError, PathNotFound):
                continue
            with contents:
                yield Member(name, entry, contents)

    def _names(self, directory: int, name: str) -> list[str]:
        """Names in a directory, last first: they are taken from the end."""
        found = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
        try:
            return sorted(os.listdir(found), reverse=True)
        finally:
            os.close(found)

    def _linked(self, entry: Entry, told: os.stat_result, name: str) -> Entry:
        """A file that was already told by another name is a hard link to that name."""
        first = self._links.setdefault(told.st_ino, name) if told.st_nlink > 1 else name
        return entry if first == name else replace(entry, hardlink=first)

    def _opened(self, directory: int, last: str) -> BinaryIO:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        return cast(BinaryIO, open(os.open(last, flags, dir_fd=directory), "rb", buffering=0))


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
        extraction = _Extraction(inside, inside.where(path), owners, real_owners, keep_kind, owner)
        # As in dockerd, the archive says nothing of the directory itself.
        extraction.run(member for member in members(spool, follow=False) if member.path)


def copy(source: Iterable[Member], target: Inside, owners: Owners, *, real_owners: bool) -> None:
    """Makes the root of ``target`` the directory that ``source`` tells of by the name "", with all that is in it."""
    _Extraction(target, "", owners, real_owners, keep_kind=True, owner=None).run(source)


@dataclass
class _Extraction:
    """Entries on their way into a root file system, below ``base``."""

    inside: Inside
    base: str
    owners: Owners
    real_owners: bool
    keep_kind: bool
    owner: tuple[int, int] | None
    directories: list[tuple[str, Entry]] = field(default_factory=list)

    def run(self, found: Iterable[Member]) -> None:
        for member, entry, contents in found:
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
                try:
                    os.mkdir(name, 0o755, dir_fd=directory)
                except FileExistsError:
                    raise Invalid(f'"/{above}" is a symlink that leads nowhere') from None

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
