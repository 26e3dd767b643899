"""Directory trees whose files have owners, wherever these are written down.

As root a file's owner, device and capability are on the disk; an ordinary user's disk can't hold them, and a
journal beside the tree tells. Root file systems are such trees, and so are volumes.
"""

import os
import posixpath
import stat
from collections.abc import Iterator, Set
from pathlib import Path
from typing import BinaryIO, cast

from kit.engine.store.copying import PathStat, copy, extract, members_of, stat_of
from kit.engine.store.inside import Inside
from kit.engine.store.owners import Owners
from kit.errors import Invalid
from kit.layer.headers import Readable
from kit.layer.tarball import Member, archive


class OwnedTree:
    """The tree at ``path``. Without ``real_owners`` the journal ``owners`` is laid over it; it may be missing.

    Paths are the container's: symlinks lead inside the tree, never out of it.
    """

    def __init__(self, path: Path, owners: Path, *, real_owners: bool) -> None:
        self.path, self.owners, self.real_owners = path, owners, real_owners
        self._owners = Owners(owners)
        self._inside = Inside(path)

    def where(self, path: str) -> str:
        """``path`` with every symlink resolved, relative to the root.

        Raises:
            PathNotFound: it is not there.
        """
        return self._inside.where(path)

    def open_file(self, path: str) -> BinaryIO:
        """The regular file at ``path``, to be closed by the caller; symlinks lead inside the root.

        Raises:
            PathNotFound: there is none.
            Invalid: it is no regular file.
        """
        return self._open(path, os.O_RDONLY | os.O_NONBLOCK)

    def _open(self, path: str, flags: int) -> BinaryIO:
        descriptor = self._inside.open(path, flags)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise Invalid(f"{path!r} is not a regular file")
        return cast(BinaryIO, open(descriptor, "rb", buffering=0))

    def stat(self, path: str) -> PathStat:
        """What ``docker cp`` asks first. A last symlink is not followed; ``target`` tells where it leads.

        Raises:
            PathNotFound: it is not there.
        """
        return stat_of(self._inside, path, self._owners.records(), self.real_owners)

    def members(self, path: str, name: str | None = None, *, without: Set[str] = frozenset()) -> Iterator[Member]:
        """``path`` and what is below it, with logical owners: what an archive of it holds.

        ``name`` is the archive's name for it (default: its last part; "." with ``/.`` behind it). ``without``:
        paths relative to the root that are left out, with all that is in them.

        Raises:
            PathNotFound: it is not there (at once, not while they are told).
        """
        name = archive_name(path) if name is None else name
        return members_of(self._inside, path, name, self._owners.records(), self.real_owners, without)

    def archive(self, path: str) -> Iterator[bytes]:
        """A tar of ``members``."""
        return archive(self.members(path))

    def extract(
        self, path: str, tar: Readable, *, keep_kind: bool = False, owner: tuple[int, int] | None = None
    ) -> None:
        """Unpacks a tar into the directory ``path``; nothing, if the tar is bad.

        ``keep_kind``: a directory never replaces something else, nor something else a directory. ``owner``:
        (uid, gid) for everything, in place of what the tar says.

        Raises:
            PathNotFound: there is no ``path``.
            Invalid: it is no directory, or the tar is bad.
        """
        extract(self._inside, path, tar, self._owners, real_owners=self.real_owners, keep_kind=keep_kind, owner=owner)

    def copy_to(self, path: str, target: "OwnedTree") -> None:
        """Makes ``target`` what the directory ``path`` is, with its own owner and mode and all that is in it.

        Raises:
            PathNotFound: there is no ``path``, or it is no directory.
        """
        with self._inside.opened(path, os.O_PATH | os.O_DIRECTORY):
            source = self.members(path + "/", "")
        copy(source, target._inside, target._owners, real_owners=target.real_owners)


def archive_name(path: str) -> str:
    """What an archive calls ``path``: its last part, or ``.``, as Docker has it, for ``/dir/.``."""
    return "." if path.endswith("/.") else posixpath.basename(posixpath.normpath("/" + path))
