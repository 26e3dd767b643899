"""A tree of entries: a file system as a value.

A path is relative to the root, with ``/`` between its parts and no ``/`` at the ends; the root itself is
``""``. Bytes that are not UTF-8 travel as surrogate escapes, as ``os.fsdecode`` makes them.

Source: OCI image-spec, layer.md "File Attributes".
"""

import stat
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from kit.oci.digest import Digest


class Kind(StrEnum):
    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    CHARACTER = "character"
    BLOCK = "block"
    FIFO = "fifo"


_FORMAT = {
    Kind.FILE: stat.S_IFREG,
    Kind.DIRECTORY: stat.S_IFDIR,
    Kind.SYMLINK: stat.S_IFLNK,
    Kind.CHARACTER: stat.S_IFCHR,
    Kind.BLOCK: stat.S_IFBLK,
    Kind.FIFO: stat.S_IFIFO,
}
_KIND = {bits: kind for kind, bits in _FORMAT.items()}


def kind_of_mode(mode: int) -> Kind | None:
    """The kind that ``st_mode`` tells; None for a socket, which no layer can hold."""
    return _KIND.get(stat.S_IFMT(mode))


@dataclass(frozen=True, slots=True)
class Entry:
    """One path: what it is and everything a layer says of it, but for its bytes.

    ``mode`` is permission bits only (``0o7777``); ``size`` bytes of a file, else 0; ``digest`` the sha256
    of a file's bytes; ``target`` where a symlink points; ``hardlink`` the path that this file is another
    name of (then size and digest are that file's); ``device`` (major, minor); ``xattrs`` sorted pairs;
    ``mtime`` whole or fractional seconds since 1970.
    """

    kind: Kind
    mode: int = 0o755
    uid: int = 0
    gid: int = 0
    size: int = 0
    digest: Digest | None = None
    target: str = ""
    hardlink: str = ""
    device: tuple[int, int] = (0, 0)
    xattrs: tuple[tuple[str, bytes], ...] = ()
    mtime: float = 0.0

    @property
    def st_mode(self) -> int:
        """The mode as ``stat`` gives it, with the kind."""
        return _FORMAT[self.kind] | self.mode


Tree = Mapping[str, Entry]
"""Path to entry. Parents of an entry need not be listed: a changeset may name ``a/b`` alone."""
