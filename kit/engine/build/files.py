"""Where COPY may take from: a tree of entries, and the bytes behind it.

The build context, a stage, an image, a heredoc and a download all come down to the same two things.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Protocol

from kit.engine.build.pool import Pool
from kit.engine.store.layers import Layers
from kit.layer.changeset import all_parents
from kit.layer.tree import Entry, Kind, Tree
from kit.oci.digest import DiffID

MOST_LINKS = 255

Opener = Callable[[str], BinaryIO]
"""Opens the file at a path of the tree; the caller closes it."""


class Files(Protocol):
    """Files to copy from. ``tree`` has digests, and every directory above an entry."""

    @property
    def tree(self) -> Tree: ...

    def opener(self, paths: Collection[str]) -> Opener:
        """Gets ready the bytes of ``paths``, all regular files, and opens them as often as asked."""


class PooledFiles:
    """A tree whose bytes are in a pool."""

    def __init__(self, tree: Tree, pool: Pool) -> None:
        self.tree, self.pool = with_parents(tree), pool

    def opener(self, paths: Collection[str]) -> Opener:
        return lambda path: self.pool.open(self.tree[path].digest)


class LayeredFiles:
    """The merged tree of a stack of layers: a stage or an image. Nothing is unpacked before it is wanted."""

    def __init__(self, diff_ids: Sequence[DiffID], layers: Layers, folder: Path) -> None:
        """``folder`` takes the bytes that are read, under no name."""
        self.diff_ids, self._layers, self._folder = tuple(diff_ids), layers, folder
        self.tree = with_parents(layers.tree(diff_ids))

    def opener(self, paths: Collection[str]) -> Opener:
        pool = Pool(self._folder)
        for _, contents in self._layers.files(self.diff_ids, sorted(set(paths))):
            pool.add(contents)
        return lambda path: pool.open(self.tree[path].digest)


def with_parents(tree: Tree) -> Tree:
    """``tree`` with every directory above an entry; a layer need not list them, a copy needs them."""
    missing = all_parents(tree) - tree.keys()
    return {**tree, **{path: Entry(Kind.DIRECTORY) for path in missing}} if missing else tree


def below(tree: Tree, directory: str) -> Iterator[tuple[str, Entry]]:
    """What is in ``directory`` at any depth, by its path from there, in the order of the paths."""
    start = f"{directory}/" if directory else ""
    for path in sorted(path for path in tree if path.startswith(start) and path != ""):
        yield path[len(start) :], tree[path]


def find_real(find: Callable[[str], Entry | None], path: str, *, follow_last: bool = True) -> str:
    """``path`` with its symlinks followed inside the root, whether it exists or not.

    A circle of symlinks ends at some path in it.
    Source: containerd/continuity, fs "RootPath".
    """
    todo = [part for part in reversed(path.split("/")) if part not in ("", ".")]
    done: list[str] = []
    links = 0
    while todo:
        part = todo.pop()
        if part == "..":
            del done[-1:]
            continue
        entry = find("/".join([*done, part]))
        followed = entry is not None and entry.kind is Kind.SYMLINK and (todo or follow_last) and links < MOST_LINKS
        if entry is None or not followed:
            done.append(part)
            continue
        links += 1
        if entry.target.startswith("/"):
            done.clear()
        todo += [part for part in reversed(entry.target.split("/")) if part not in ("", ".")]
    return "/".join(done)
