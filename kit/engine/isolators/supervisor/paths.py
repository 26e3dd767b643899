"""From a path as a program writes it to a file: the only way to a file of the container.

Nearly always the kernel resolves the whole path below the root file system (``openat2`` with RESOLVE_IN_ROOT);
where the result lies is then looked at, since a symlink may lead to where something is mounted. A path that
begins at or led to a mount is resolved here, one component at a time.

Source: path_resolution(7); openat2(2).
"""

import errno
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from kit.engine.isolators.supervisor import kernel
from kit.engine.isolators.supervisor.places import O_PATH, Directory, Place, WithoutMagic, own
from kit.engine.isolators.supervisor.tasks import Task

_MOST_LINKS = 40
_MAY_HAVE_LED_ELSEWHERE = (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.ELOOP, errno.EXDEV)


class Found:
    """A file, held by an O_PATH descriptor: close it, or use ``with``."""

    __slots__ = ("descriptor", "inner", "place")

    def __init__(self, descriptor: int, place: Place, inner: bytes) -> None:
        self.descriptor, self.place, self.inner = descriptor, place, inner

    def __enter__(self) -> "Found":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)

    @property
    def path(self) -> bytes:
        """Where it is in the container."""
        return join(self.place.target, self.inner)

    @property
    def host(self) -> bytes:
        """Where it is on the machine."""
        return os.readlink(own(self.descriptor))

    def status(self) -> kernel.Status:
        return kernel.status(self.descriptor)

    def must_be_writable(self) -> None:
        if self.place.read_only:
            raise OSError(errno.EROFS, "")


class Elsewhere(WithoutMagic):
    """No place: where pipes, sockets and what the engine handed over are."""

    target, read_only, can_make = b"", False, False

    def find(self, task: Task, inner: bytes) -> int:
        raise OSError(errno.ENOENT, "")

    def link(self, task: Task, inner: bytes) -> bytes | None:
        return None

    def open(self, task: Task, inner: bytes, descriptor: int, flags: int) -> int:
        raise OSError(errno.EACCES, "")


ELSEWHERE = Elsewhere()


class Parent(NamedTuple):
    """A directory and a name in it, which may not exist."""

    directory: Found
    name: bytes
    is_mount: bool
    ends_with_slash: bool = False

    def at(self) -> bytes:
        """The path by which the supervisor reaches the name: no symlink is followed on the way to it."""
        return own(self.directory.descriptor) + b"/" + self.name


class Paths:
    """The tree of one container."""

    def __init__(self, root: Directory, others: Sequence[Place]) -> None:
        self.root = root
        self._others = sorted(others, key=lambda place: len(place.target), reverse=True)
        targets = b"|".join(re.escape(place.target) for place in self._others) or b"(?!)"
        self._starts_elsewhere = re.compile(rb"/*(?:%s)(?:/|$)" % targets.replace(b"/", b"/+(?:\\./+)*")).match
        self._leads_elsewhere = re.compile(rb"%s(?:%s)(?:/|$)" % (re.escape(root.source), targets)).match
        directories = [place for place in (*self._others, root) if getattr(place, "source", None)]
        directories.sort(key=lambda place: len(place.source), reverse=True)  # type: ignore[attr-defined]
        self._sources = [(place.source, place.source + b"/", place) for place in directories]  # type: ignore[attr-defined]

    # --- from the machine's paths to the container's

    def placed(self, host: bytes) -> tuple[Place, bytes] | None:
        """The place that holds a path of the machine, and the path in it."""
        for source, below, place in self._sources:
            if host == source:
                return place, b""
            if host.startswith(below):
                return place, host[len(below) :]
        return None

    def shown(self, host: bytes) -> bytes | None:
        """A path of the machine as the container sees it; None if it doesn't."""
        found = self.placed(host)
        return None if found is None else join(found[0].target, found[1])

    def base(self, task: Task, directory: int) -> bytes:
        """The path of a directory that the task has open, or is in."""
        try:
            host = os.readlink(descriptor_link(task, directory))
        except OSError as problem:
            raise OSError(errno.EBADF, "") from problem
        shown = self.shown(host)
        if shown is None:
            if not (host + b"/").startswith((b"/proc/", b"/sys/")):
                raise OSError(errno.ENOENT, "")
            shown = host  # A directory of the machine's own: it has the same name in the container.
        root = task.process.root
        if root and (shown == root or shown.startswith(root + b"/")):
            return shown[len(root) :] or b"/"
        return shown

    def absolute(self, task: Task, directory: int, path: bytes) -> bytes:
        """``path`` from the root of the task, not resolved."""
        if path[:1] == b"/":
            return path
        if not path:
            raise OSError(errno.ENOENT, "")
        return join(self.base(task, directory), path)

    def already_open(self, descriptor: int) -> Found:
        """What somebody has open, as if it had been found: it keeps ``descriptor``."""
        host = os.readlink(own(descriptor))
        place, inner = self.placed(host) or (ELSEWHERE, b"")
        return Found(descriptor, place, inner)

    # --- finding

    def find(self, task: Task, path: bytes, *, follow: bool = True) -> Found:
        """The file at an absolute path of the task."""
        if not task.process.root and not self._starts_elsewhere(path):
            flags = O_PATH if follow else O_PATH | os.O_NOFOLLOW
            try:
                descriptor = kernel.open_at(self.root.descriptor, path, flags, kernel.IN_ROOT | kernel.NO_MAGIC_LINKS)
            except OSError as problem:
                if problem.errno not in _MAY_HAVE_LED_ELSEWHERE or self._is_certain(path, problem):
                    raise
            else:
                host = os.readlink(own(descriptor))
                if not self._leads_elsewhere(host):
                    return Found(descriptor, self.root, host[len(self.root.source) + 1 :])
                os.close(descriptor)
        place, inner = self._walk(task, path, follow)
        if follow and place.is_magic(inner):
            return self.already_open(place.hold(task, inner))
        if path.endswith(b"/") and inner:
            return self._directory(place.find(task, inner), place, inner)
        return Found(place.find(task, inner), place, inner)

    def _directory(self, descriptor: int, place: Place, inner: bytes) -> Found:
        if not kernel.status(descriptor).mode & 0o40000:
            os.close(descriptor)
            raise OSError(errno.ENOTDIR, "")
        return Found(descriptor, place, inner)

    def _is_certain(self, path: bytes, problem: OSError) -> bool:
        """Whether a plain name is missing in a directory of the root: by far the most frequent failure."""
        if problem.errno != errno.ENOENT:
            return False
        above, _, name = path.rstrip(b"/").rpartition(b"/")
        if name in (b"", b".", b".."):
            return False
        how = kernel.IN_ROOT | kernel.NO_MAGIC_LINKS
        try:
            directory = kernel.open_at(self.root.descriptor, above or b"/", O_PATH, how)
        except OSError:
            return False
        try:
            if self._leads_elsewhere(os.readlink(own(directory)) + b"/" + name):
                return False
            os.close(kernel.open_at(directory, name, O_PATH | os.O_NOFOLLOW, kernel.BENEATH))
            return False  # A symlink that leads to nothing in the root.
        except OSError as second:
            return second.errno == errno.ENOENT
        finally:
            os.close(directory)

    def parent(self, task: Task, path: bytes) -> Parent:
        """The directory that ``path`` is in, and its last name.

        Raises:
            OSError: EBUSY for the root, EINVAL for "." and ENOTEMPTY for "..", as ``rmdir`` and ``rename`` say.
        """
        bare = path.rstrip(b"/")
        above, _, name = bare.rpartition(b"/")
        if name in (b"", b".", b".."):
            code = {b"": errno.EBUSY, b".": errno.EINVAL, b"..": errno.ENOTEMPTY}[name]
            raise OSError(code, "")
        directory = self.find(task, above or b"/")
        whole = join(directory.path, name)
        is_mount = any(place.target == whole for place in self._others)
        return Parent(directory, name, is_mount, bare != path)

    def resolve(self, task: Task, path: bytes, *, follow: bool = True) -> bytes:
        """``path`` without symlinks, as seen from the container's root. Its end need not exist."""
        place, inner = self._walk(task, path, follow)
        return join(place.target, inner)

    def place_of(self, path: bytes) -> tuple[Place, bytes]:
        """The place that a resolved path is in, and the path in it."""
        for place in self._others:
            target = place.target
            if path == target:
                return place, b""
            if path.startswith(target) and path[len(target)] == 0x2F:
                return place, path[len(target) + 1 :]
        return self.root, path.lstrip(b"/")

    def _walk(self, task: Task, path: bytes, follow: bool) -> tuple[Place, bytes]:
        """The place and inner path of ``path``, one component at a time."""
        top = _parts(task.process.root)
        done, todo, links = list(top), _parts(path)[::-1], 0
        while todo:
            name = todo.pop()
            if name == b"..":
                if len(done) > len(top):
                    done.pop()
                continue
            place, inner = self.place_of(b"/" + b"/".join([*done, name]))
            link = None
            if todo or (follow and not place.is_magic(inner)) or path.endswith(b"/"):
                with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
                    link = place.link(task, inner)
            if link is None:
                done.append(name)
                continue
            links += 1
            if links > _MOST_LINKS:
                raise OSError(errno.ELOOP, "")
            if link[:1] == b"/":
                done = list(top)
            todo += _parts(link)[::-1]
        return self.place_of(b"/" + b"/".join(done))


def is_named(found: Found) -> bool:
    """Whether a found file is where its name says: not removed, not a pipe, not something that the engine lent.

    Only then may its path on the machine be given to the kernel, which would follow a symlink that took its place.
    """
    try:
        there = kernel.status(kernel.AT_CWD, found.host, kernel.AT_NO_FOLLOW)
    except OSError:
        return False
    here = found.status()
    same = (there.inode, there.holder_major, there.holder_minor) == (here.inode, here.holder_major, here.holder_minor)
    return same and found.place is not ELSEWHERE


def descriptor_link(task: Task, number: int) -> bytes:
    """Where the kernel shows what a task has open as ``number`` (AT_FDCWD: its working directory)."""
    if number == kernel.AT_CWD:
        return b"/proc/%d/cwd" % task.id
    return b"/proc/%d/fd/%d" % (task.id, number)


def join(directory: bytes, name: bytes) -> bytes:
    """``directory`` may be "/" or end without a slash; ``name`` may be empty."""
    if not name:
        return directory
    return (b"" if directory == b"/" else directory) + b"/" + name


def _parts(path: bytes) -> list[bytes]:
    return [part for part in path.split(b"/") if part not in (b"", b".")]
