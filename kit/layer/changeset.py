"""Changesets: what one layer says about the tree below it.

A layer never edits: it lists what it adds or replaces, what it removes (a whiteout), and which directories
it starts anew (opaque). Stacked bottom first, changesets give the tree that a container sees.

Source: OCI image-spec, layer.md "Representing Changes", "Applying Changesets"; overlayfs.rst for what the
spec leaves open (a replaced name of a hard link leaves the other names as they were).
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import NamedTuple

from kit.errors import Invalid
from kit.layer.tree import Entry, Kind, Tree


class DanglingLink(Invalid):
    """A hard link to a file that is neither in the layer nor below it."""

    def __init__(self, path: str, target: str) -> None:
        super().__init__(f"{path!r} is a hard link to {target!r}, which does not exist")
        self.path, self.target = path, target


@dataclass(frozen=True)
class Changeset:
    """What a layer says. Paths as in ``kit.layer.tree``.

    ``removed`` and ``opaque`` speak of the layers below only: a path may be removed and an entry, too.
    A hard link whose file lies in a layer below has its ``target`` path in ``hardlink`` and no digest.
    """

    entries: Mapping[str, Entry] = field(default_factory=dict)
    removed: frozenset[str] = frozenset()
    opaque: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.entries or self.removed or self.opaque)


class Letter(StrEnum):
    """``docker diff``'s letters."""

    ADDED = "A"
    CHANGED = "C"
    DELETED = "D"


class Change(NamedTuple):
    """One line of ``docker diff``. The path starts with a slash."""

    letter: Letter
    path: str


def parent_of(path: str) -> str:
    """The directory that ``path`` is in; the root's own parent is the root."""
    return path.rpartition("/")[0]


def parents_of(path: str) -> Iterator[str]:
    """The directories above ``path``, nearest first, without the root."""
    while path := parent_of(path):
        yield path


def all_parents(paths: Iterable[str]) -> set[str]:
    """Every directory above one of ``paths``, without the root, listed in a tree or not."""
    found: set[str] = set()
    for path in paths:
        parent = path.rpartition("/")[0]
        while parent and parent not in found:
            found.add(parent)
            parent = parent.rpartition("/")[0]
    return found


def link_groups(tree: Tree) -> dict[str, frozenset[str]]:
    """Each path that shares its file with another path → all paths of that file."""
    groups: dict[str, set[str]] = {}
    for path, entry in tree.items():
        if entry.hardlink:
            groups.setdefault(entry.hardlink, {entry.hardlink}).add(path)
    return {path: frozenset(group) for group in groups.values() for path in group if path in tree}


def first_named(entries: Mapping[str, Entry]) -> dict[str, Entry]:
    """``entries`` with every hard link pointing to the first of its names, in the order of the paths."""
    result = dict(entries)
    for group in set(link_groups(entries).values()):
        names = sorted(name for name in group if name in entries)
        first = names[0]
        if len(names) == len(group):
            result[first] = replace(result[first], hardlink="")
            result.update({name: replace(result[name], hardlink=first) for name in names[1:]})
    return result


def diff(before: Tree, after: Tree) -> Changeset:
    """What turns ``before`` into ``after``: ``apply(before, diff(before, after)) == after``.

    The directories above a change are entries, too, when ``after`` lists them, as in the layers that Docker
    makes. Nothing is opaque. A file counts as changed when any fact of its entry differs; a digest of None
    differs from every digest.
    """
    old_groups, new_groups = link_groups(before), link_groups(after)

    changed = {
        path
        for path, entry in after.items()
        if (old := before.get(path)) is not entry and not (old and _same_but_for_links(old, entry))
    }
    for path in old_groups.keys() | new_groups.keys():
        if path in after and path not in changed:
            old_names = {name for name in old_groups.get(path, {path}) if name in after and name not in changed}
            if old_names != new_groups.get(path, {path}):
                changed |= new_groups.get(path, {path})
    gone = before.keys() - after.keys()
    directories = all_parents(after) if gone else set()
    removed = frozenset(path for path in gone if not _hidden(path, gone, after))
    for path in removed & directories:
        changed |= {inner for inner in after if inner.startswith(path + "/")}
    touched = all_parents(changed | removed) | changed
    return Changeset({path: after[path] for path in sorted(touched) if path in after}, removed)


def _same_but_for_links(old: Entry, new: Entry) -> bool:
    return old == new or (
        (old.hardlink or new.hardlink) != "" and replace(old, hardlink="") == replace(new, hardlink="")
    )


def _hidden(path: str, gone: set[str], after: Tree) -> bool:
    """Whether a removal higher up, or what stands there now, already takes ``path`` away."""
    return any(
        parent in gone or (parent in after and after[parent].kind is not Kind.DIRECTORY)
        for parent in parents_of(path)
    )


def apply(tree: Tree, changeset: Changeset) -> dict[str, Entry]:
    """The tree with the layer on top of it.

    Raises:
        DanglingLink: the layer links to a file that is not there.
    """
    entries = changeset.entries
    result = _uncovered(tree, changeset)
    for parent in all_parents(entries):
        if parent in result and parent not in entries and result[parent].kind is not Kind.DIRECTORY:
            del result[parent]
    if any(entry.hardlink for entry in result.values()):
        _repair_links(tree, result, entries)
    outside = {path: entry for path, entry in entries.items() if entry.hardlink and entry.hardlink not in entries}
    result.update(entries)
    for path, entry in outside.items():
        result[path] = _linked(path, entry, result)
    return result


def _uncovered(tree: Tree, changeset: Changeset) -> dict[str, Entry]:
    """What the layer's removals, opaque directories and files leave of the tree below."""
    if not tree:
        return {}
    result, in_order = dict(tree), sorted(tree)
    for path in changeset.removed:
        result.pop(path, None)
    replaced = (path for path, entry in changeset.entries.items() if entry.kind is not Kind.DIRECTORY)
    for path in {*changeset.removed, *changeset.opaque, *replaced}:
        for inner in _below(path, in_order):
            result.pop(inner, None)
    return result


def _below(path: str, in_order: Sequence[str]) -> Iterator[str]:
    """Those of the sorted paths that are in the directory ``path``, at any depth: they stand side by side."""
    within = f"{path}/" if path else ""
    for number in range(bisect_left(in_order, within), len(in_order)):
        if not in_order[number].startswith(within):
            return
        if in_order[number]:
            yield in_order[number]


def _repair_links(tree: Tree, result: dict[str, Entry], entries: Mapping[str, Entry]) -> None:
    """Where a file's first name is gone or replaced, its next name becomes the first."""
    orphans: dict[str, list[str]] = {}
    for path, entry in result.items():
        target = entry.hardlink
        if target and path not in entries and (target not in result or target in entries):
            orphans.setdefault(target, []).append(path)
    for names in orphans.values():
        first, *others = sorted(names)
        result[first] = replace(tree[first], hardlink="")
        result.update({name: replace(tree[name], hardlink=first) for name in others})


def _linked(path: str, entry: Entry, tree: Tree) -> Entry:
    """A link to a file of a layer below, with that file's facts."""
    file = tree.get(entry.hardlink)
    if file is None or file.kind is Kind.DIRECTORY or entry.hardlink == path:
        raise DanglingLink(path, entry.hardlink)
    return replace(file, hardlink=file.hardlink or entry.hardlink)


def merge(changesets: Iterable[Changeset]) -> dict[str, Entry]:
    """The tree of a stack of layers, bottom first."""
    tree: dict[str, Entry] = {}
    for changeset in changesets:
        tree = apply(tree, changeset)
    return tree


def changes(before: Tree, changeset: Changeset) -> list[Change]:
    """``docker diff``: added, changed and deleted paths, parents before what is in them.

    The directories above a change are changed, too. As in Docker, a directory of which only the time is new
    is no change of its own, and of a removed directory only the directory is told.
    """
    after = apply(before, changeset)
    letters: dict[str, Letter] = {}
    gone = before.keys() - after.keys()
    letters |= {path: Letter.DELETED for path in gone if not any(parent in gone for parent in parents_of(path))}
    for path in changeset.entries:
        if path and path not in before:
            letters[path] = Letter.ADDED
        elif path and not _only_times(before[path], after[path]):
            letters[path] = Letter.CHANGED
    for parent in all_parents(letters):
        letters.setdefault(parent, Letter.CHANGED)
    return [Change(letters[path], "/" + path) for path in sorted(letters, key=lambda path: path.split("/"))]


def _only_times(old: Entry, new: Entry) -> bool:
    both_directories = old.kind is new.kind is Kind.DIRECTORY
    return replace(old, mtime=0.0) == replace(new, mtime=0.0) if both_directories else old == new
