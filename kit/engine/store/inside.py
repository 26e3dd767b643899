"""Opening paths of a container without leaving its root.

A container's files are hostile: a symlink may point anywhere, and be replaced while we look. ``openat2`` lets
the kernel resolve a whole path as if the directory were ``/``. Where it is missing, each part is opened in
turn, without following symlinks, and symlinks are followed by hand.

Source: openat2(2), RESOLVE_IN_ROOT.
"""

import ctypes
import errno
import os
import stat
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from kit.errors import NotFound

SYS_OPENAT2 = 437
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_IN_ROOT = 0x10
TRIES = 64
"""A rename anywhere on the machine can make the kernel give up (EAGAIN) on a path with ``..``."""
MOST_SYMLINKS = 40
_LIBC = ctypes.CDLL(None, use_errno=True)


class PathNotFound(NotFound):
    """A path that a root file system does not have."""

    def __init__(self, path: str) -> None:
        super().__init__(f"no such file or directory: {path}")
        self.path = path


class Inside:
    """A root directory. Paths may start with a slash or not, and hold ``..`` and symlinks."""

    def __init__(self, root: Path, *, own_walk: bool = False) -> None:
        """``own_walk``: don't ask the kernel."""
        self.root, self._own_walk = root, own_walk

    @contextmanager
    def opened(self, path: str, flags: int = os.O_RDONLY) -> Iterator[int]:
        """A file descriptor of ``path``, closed afterwards."""
        descriptor = self.open(path, flags)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def open(self, path: str, flags: int = os.O_RDONLY) -> int:
        """A new file descriptor; symlinks are followed, the last one too unless ``flags`` has O_NOFOLLOW.

        Raises:
            PathNotFound: it is not there, or its symlinks lead in a circle.
        """
        with self.held() as open_inside:
            return open_inside(path, flags)

    @contextmanager
    def held(self) -> Iterator[Callable[[str, int], int]]:
        """``open`` for whoever opens many: the root is looked up once."""
        root = os.open(self.root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

        def open_inside(path: str, flags: int) -> int:
            try:
                return self._open_below(root, path, flags | os.O_CLOEXEC)
            except OSError as error:
                if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG):
                    raise PathNotFound(path) from error
                raise

        try:
            yield open_inside
        finally:
            os.close(root)

    def _open_below(self, root: int, path: str, flags: int) -> int:
        if not self._own_walk:
            for _ in range(TRIES):
                try:
                    return openat2(root, path.strip("/") or ".", flags)
                except OSError as error:
                    if error.errno in (errno.ENOSYS, errno.EPERM):
                        break
                    if error.errno != errno.EAGAIN:
                        raise
        return _walk(root, path, flags)

    def where(self, path: str) -> str:
        """``path`` with every symlink resolved, relative to the root."""
        with self.opened(path, os.O_PATH) as descriptor:
            real = os.readlink(f"/proc/self/fd/{descriptor}")
        return os.path.relpath(real, os.path.realpath(self.root)).removeprefix(".").strip("/")

    @contextmanager
    def parent(self, path: str) -> Iterator[tuple[int, str]]:
        """The open directory that ``path`` is in, and its last name: what the ``*at`` calls want.

        The name is "." for the root. Symlinks above the last name are resolved, the last one is not.
        """
        above, _, name = path.rstrip("/").rpartition("/")
        if name in ("", ".", ".."):
            above, name = path, "."
        with self.opened(above or "/", os.O_PATH | os.O_DIRECTORY) as directory:
            yield directory, name


def openat2(directory: int, path: str, flags: int) -> int:
    """Opens ``path`` as if ``directory`` were the root."""
    how = struct.pack("=QQQ", flags, 0, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)
    descriptor: int = _LIBC.syscall(SYS_OPENAT2, directory, os.fsencode(path), how, len(how))
    if descriptor < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), path)
    return descriptor


def _walk(root: int, path: str, flags: int) -> int:
    """As ``openat2``, one part at a time."""
    todo = [part for part in reversed(path.split("/")) if part not in ("", ".")]
    stack = [os.dup(root)]
    links = 0
    try:
        while todo:
            part = todo.pop()
            if part == "..":
                if len(stack) > 1:
                    os.close(stack.pop())
                continue
            if not todo and flags & os.O_NOFOLLOW:
                return os.open(part, flags, dir_fd=stack[-1])
            found = os.open(part, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=stack[-1])
            if not stat.S_ISLNK(os.fstat(found).st_mode):
                stack.append(found)
                continue
            target = os.readlink("", dir_fd=found)
            os.close(found)
            links += 1
            if links > MOST_SYMLINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            if target.startswith("/"):
                while len(stack) > 1:
                    os.close(stack.pop())
            todo += [part for part in reversed(target.split("/")) if part not in ("", ".")]
        if flags & os.O_PATH:
            if flags & os.O_DIRECTORY and not stat.S_ISDIR(os.fstat(stack[-1]).st_mode):
                raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
            return stack.pop()
        return os.open(f"/proc/self/fd/{stack[-1]}", flags & ~os.O_NOFOLLOW)
    finally:
        for descriptor in stack:
            os.close(descriptor)
