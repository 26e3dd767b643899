"""Weight: what a stack of layers stores, what of it can be seen, and what is dead.

``rm`` in a later layer hides a file and frees nothing; overwriting stores it twice. So: stored bytes are all
file bytes in all layers, visible bytes those of the merged tree, dead bytes the difference. A file with
several names (hard links) counts once.

Source: OCI image-spec, layer.md: layers are only ever added.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from kit.layer.changeset import Changeset, apply, merge
from kit.layer.tree import Kind, Tree


@dataclass(frozen=True)
class Weight:
    """Bytes of files."""

    stored: int
    visible: int

    @property
    def dead(self) -> int:
        return self.stored - self.visible

    @property
    def efficiency(self) -> float:
        """Visible by stored; 1.0 for an image without bytes."""
        return self.visible / self.stored if self.stored else 1.0


class DeadFile(NamedTuple):
    """A file whose bytes no container sees: written by layer ``written``, hidden by layer ``hidden`` (0 = bottom)."""

    path: str
    size: int
    written: int
    hidden: int


def file_bytes(tree: Tree) -> int:
    """The bytes of all files, each file once."""
    return sum(entry.size for entry in tree.values() if entry.kind is Kind.FILE and not entry.hardlink)


def weigh(changesets: Sequence[Changeset]) -> Weight:
    """The weight of a stack of layers, bottom first."""
    return Weight(sum(file_bytes(changeset.entries) for changeset in changesets), file_bytes(merge(changesets)))


def dead_files(changesets: Sequence[Changeset]) -> list[DeadFile]:
    """Every file that is stored and never seen, by path. Their sizes add up to ``weigh(...).dead``."""
    found: list[DeadFile] = []
    tree: Tree = {}
    author: dict[str, int] = {}
    for layer, changeset in enumerate(changesets):
        after = apply(tree, changeset)
        survivors = _first_names(tree, after, changeset)
        for path, entry in tree.items():
            if entry.kind is Kind.FILE and not entry.hardlink and path not in survivors:
                found.append(DeadFile(path, entry.size, author[path], layer))
        author = {survivors[path]: written for path, written in author.items() if path in survivors}
        author |= {path: layer for path, entry in changeset.entries.items() if entry.kind is Kind.FILE}
        tree = after
    return sorted(found)


def _first_names(before: Tree, after: Tree, changeset: Changeset) -> dict[str, str]:
    """First name of each file of ``before`` that lives on → its first name now."""
    names: dict[str, str] = {}
    for path, entry in before.items():
        if path in after and path not in changeset.entries and entry.kind is Kind.FILE:
            names[entry.hardlink or path] = after[path].hardlink or path
    return names


def writers(changesets: Sequence[Changeset], path: str) -> Iterator[int]:
    """The layers that wrote ``path``, bottom first (0 = bottom)."""
    return (layer for layer, changeset in enumerate(changesets) if path in changeset.entries)
