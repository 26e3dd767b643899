"""A changeset in the making: a tree that is written to, and what was written.

COPY and WORKDIR work on this, not on a disk: looking up, following symlinks and putting entries are a few
dictionary accesses, whatever the size of the image.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import BinaryIO

from kit.engine.build.files import find_real, with_parents
from kit.errors import Invalid
from kit.layer.changeset import Changeset, parent_of, parents_of
from kit.layer.tree import Entry, Kind, Tree

Contents = Callable[[], BinaryIO]


class Draft:
    """``base`` and what is put over it. Paths as in ``kit.layer.tree``.

    ``contents`` has, for each file that was put, how to open its bytes.
    """

    def __init__(self, base: Tree) -> None:
        self.base = with_parents(base)
        self.contents: dict[str, Contents] = {}
        self._made: dict[str, Entry] = {}
        self._gone: set[str] = set()

    def find(self, path: str) -> Entry | None:
        """The entry at ``path``; its own symlink, and those above it, are not followed."""
        if not path:
            return self.base.get("") or Entry(Kind.DIRECTORY)
        if path in self._made:
            return self._made[path]
        if path in self._gone or any(parent in self._gone for parent in parents_of(path)):
            return None
        return self.base.get(path)

    def real(self, path: str, *, follow_last: bool = True) -> str:
        """``path`` with symlinks followed inside the root, whether it exists or not."""
        return find_real(self.find, path, follow_last=follow_last)

    def is_directory(self, path: str) -> bool:
        entry = self.find(path)
        return entry is not None and entry.kind is Kind.DIRECTORY

    def make_directories(self, path: str, like: Entry) -> None:
        """Makes ``path``, and those above it, with the facts of ``like``, where they are missing.

        Raises:
            Invalid: something else stands there.
        """
        for place in [*reversed(list(parents_of(path))), path]:
            entry = self.find(place)
            if entry is None:
                self._made[place] = like
            elif entry.kind is not Kind.DIRECTORY:
                raise Invalid(f"mkdir /{place}: not a directory")

    def put_directory(self, path: str, entry: Entry) -> None:
        """A directory at ``path``; one that is there takes the new facts and keeps what is in it.

        Raises:
            Invalid: something else stands there.
        """
        old = self.find(path)
        if old is not None and old.kind is not Kind.DIRECTORY:
            raise Invalid(f"cannot copy to non-directory: /{path}")
        if path:
            self._made[path] = entry

    def put(self, path: str, entry: Entry, contents: Contents | None = None) -> None:
        """Anything but a directory at ``path``, in place of what is there.

        Raises:
            Invalid: a directory stands there.
        """
        if self.is_directory(path):
            raise Invalid(f"cannot replace to directory /{path} with file")
        above = parent_of(path)
        if not self.is_directory(above):
            raise Invalid(f"cannot copy to non-directory: /{above}")
        self._made[path] = entry
        if contents is not None:
            self.contents[path] = contents

    def remove(self, path: str) -> None:
        """Takes away ``path`` and all that is in it."""
        for place in [place for place in self._made if place == path or place.startswith(path + "/")]:
            del self._made[place]
            self.contents.pop(place, None)
        self._gone.add(path)

    def changeset(self) -> Changeset:
        """What was written, with the directories above it, as layers have it."""
        entries = dict(self._made)
        for path in self._made:
            for parent in parents_of(path):
                if parent in entries:
                    continue
                entries[parent] = self.base[parent]
        removed = frozenset(path for path in self._gone if path in self.base)
        return Changeset(dict(sorted(_plain_links(entries).items())), removed)


def _plain_links(entries: dict[str, Entry]) -> dict[str, Entry]:
    """A hard link whose first name was replaced afterwards becomes a file of its own."""
    for path, entry in entries.items():
        file = entries.get(entry.hardlink) if entry.hardlink else None
        if entry.hardlink and (file is None or file.digest != entry.digest or file.hardlink):
            entries[path] = replace(entry, hardlink="")
    return entries
