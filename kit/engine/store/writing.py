"""Entries onto the disk: a tree becomes a directory.

With real owners a file gets everything that its entry says. Without, it is the engine's own user's, readable
and writable to him, and the journal tells the rest; devices are then empty files.

Source: rootfs entries must come out as they went in whatever the umask is: modes are set, not asked for.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterable
from pathlib import Path

from kit.engine.store.owners import plain_mode
from kit.errors import Invalid
from kit.layer.changeset import all_parents
from kit.layer.tree import Entry, Kind, Tree
from kit.oci.digest import Digest

LATEST = 2**63 - 1
"""The last nanosecond that a kernel can be told."""


Source = Callable[[Digest], str]
"""Where the bytes of a digest lie."""
IMPLIED = Entry(Kind.DIRECTORY)
"""A directory that a tree does not list, though it has something in it."""


def write_tree(tree: Tree, root: Path, source: Source, *, real_owners: bool) -> None:
    """Makes ``root`` and everything of ``tree`` in it."""
    os.mkdir(root, 0o700)
    write_paths(tree, (tree.keys() | all_parents(tree)) - {""}, root, source, real_owners=real_owners)
    set_facts(f"{root}/", tree.get("", IMPLIED), real_owners)


def write_paths(tree: Tree, paths: Iterable[str], root: Path, source: Source, *, real_owners: bool) -> None:
    """Makes these paths of ``tree`` below ``root``. None of them may be there; those above and beside them must."""
    entries = {path: tree.get(path, IMPLIED) for path in sorted(paths)}
    directories = [path for path, entry in entries.items() if entry.kind is Kind.DIRECTORY]
    for path in directories:
        os.mkdir(f"{root}/{path}", 0o700)
    for path, entry in entries.items():
        if entry.kind is not Kind.DIRECTORY and not entry.hardlink:
            _write(f"{root}/{path}", entry, source, real_owners)
    for path, entry in entries.items():
        if entry.hardlink:
            os.link(f"{root}/{entry.hardlink}", f"{root}/{path}", follow_symlinks=False)
    for path in reversed(directories):
        set_facts(f"{root}/{path}", entries[path], real_owners)


def _write(path: str, entry: Entry, source: Source, real_owners: bool) -> None:
    if entry.kind is not Kind.FILE:
        make_special(path, entry, real_owners)
        set_facts(path, entry, real_owners)
        return
    target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        if entry.size and entry.digest:
            _copy(source(entry.digest), target, entry.size)
        set_facts(target, entry, real_owners)
    finally:
        os.close(target)


def _copy(source: str, target: int, size: int) -> None:
    """Copies in the kernel; shares the blocks where the file system can."""
    file = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    try:
        while size > 0:
            try:
                done = os.copy_file_range(file, target, size)
            except OSError as error:
                if error.errno not in (errno.EXDEV, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP):
                    raise
                done = os.sendfile(target, file, None, size)
            if not done:
                raise OSError(errno.EIO, "is too short", source)
            size -= done
    finally:
        os.close(file)


def make_special(path: str, entry: Entry, real_owners: bool, directory: int | None = None) -> None:
    """Makes a symlink, a FIFO, or a device (an empty file where owners are not real)."""
    if entry.kind is Kind.SYMLINK:
        os.symlink(entry.target, path, dir_fd=directory)
    elif entry.kind is Kind.FIFO:
        os.mkfifo(path, 0o600, dir_fd=directory)
    elif real_owners:
        os.mknod(path, entry.st_mode & ~0o7777 | 0o600, os.makedev(*entry.device), dir_fd=directory)
    else:
        os.mknod(path, stat.S_IFREG | 0o600, dir_fd=directory)


def set_facts(path: str | int, entry: Entry, real_owners: bool) -> None:
    """Owner, mode, attributes and time, in the order in which none undoes another.

    ``path`` is a path, whose last symlink is not followed, or an open file.
    """
    link = entry.kind is Kind.SYMLINK
    follow = isinstance(path, int)
    if real_owners:
        os.chown(path, entry.uid, entry.gid, follow_symlinks=follow)
        for name, value in entry.xattrs:
            _set_attribute(path, name, value, follow)
    if not link:
        _chmod(path, entry.mode if real_owners else plain_mode(entry))
    when = int(entry.mtime // 1) * 10**9
    when = when if abs(when) <= LATEST else 0  # as in dockerd
    os.utime(path, ns=(when, when), follow_symlinks=follow)


def _set_attribute(path: str | int, name: str, value: bytes, follow: bool) -> None:
    try:
        os.setxattr(path, name, value, follow_symlinks=follow)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        raise Invalid(f"the layer has a {name} that no kernel knows: {value.hex()}") from error


def _chmod(path: str | int, mode: int) -> None:
    """``chmod`` that never follows a symlink, which Linux has no call for before 6.6."""
    if isinstance(path, int):
        os.chmod(path, mode)
        return
    found = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if not stat.S_ISLNK(os.fstat(found).st_mode):
            os.chmod(f"/proc/self/fd/{found}", mode)
    finally:
        os.close(found)
