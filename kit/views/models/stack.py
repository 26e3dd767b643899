"""The layers of an image as a stack: what each one adds, changes, removes, and what of it nobody can see."""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from kit.layer.changeset import Changeset, apply
from kit.layer.tree import Entry, Kind, Tree
from kit.layer.waste import DeadFile, Weight, dead_files, file_bytes
from kit.oci.config import History, ImageConfig
from kit.oci.digest import DiffID
from kit.views.blocks import Block, Details, Line, Table, View
from kit.views.words import bar, counted, percent, printable, size_words

TOP_FILES = 8
"""Changes that a layer shows; the largest come first."""
TOP_DEAD = 5


@dataclass(frozen=True)
class Change:
    """One path of a layer. ``sign`` is "+ added", "~ changed" or "− removed"."""

    sign: str
    path: str
    size: int = 0
    what: str = ""


@dataclass(frozen=True)
class LayerRow:
    """One layer, ``index`` 0 at the bottom: how many paths it changes in which way, and the largest of them.

    A layer may hold a hundred thousand paths, of which a page shows a few; the others are counted.
    """

    index: int
    diff_id: DiffID
    size: int
    command: str
    counts: Mapping[str, int]
    largest: tuple[Change, ...]

    @classmethod
    def of(cls, index: int, diff_id: DiffID, command: str, changeset: Changeset, below: Tree) -> "LayerRow":
        counts = dict.fromkeys((ADDED, CHANGED, REMOVED), 0)

        def counted_changes() -> Iterator[Change]:
            for change in _changes(below, changeset):
                counts[change.sign] += 1
                yield change

        largest = heapq.nsmallest(TOP_FILES, counted_changes(), key=lambda change: (-change.size, change.path))
        return cls(index, diff_id, file_bytes(changeset.entries), command, counts, tuple(largest))

    @property
    def count(self) -> int:
        return sum(self.counts.values())


ADDED, CHANGED, REMOVED = "+ added", "~ changed", "− removed"


@dataclass(frozen=True, repr=False)
class Stack(View):
    """An image's layers, bottom first, and the history lines that made none."""

    reference: str
    layers: tuple[LayerRow, ...]
    history: tuple[History, ...]
    weight: Weight
    dead: tuple[DeadFile, ...]
    starts: str = ""

    @classmethod
    def of(cls, reference: str, config: ImageConfig, changesets: Sequence[Changeset]) -> "Stack":
        commands = [line.created_by for line in config.history if not line.empty_layer]
        commands += [""] * (len(changesets) - len(commands))
        rows, tree = list[LayerRow](), dict[str, Entry]()
        for place, (diff_id, changeset, command) in enumerate(
            zip(config.diff_ids, changesets, commands, strict=True)
        ):
            rows.append(LayerRow.of(place, diff_id, command, changeset, tree))
            tree = apply(tree, changeset)
        weight = Weight(sum(row.size for row in rows), file_bytes(tree))
        dead = [file for file in dead_files(changesets) if file.size] if weight.dead else []
        starts = " ".join(map(repr, config.run.argv))
        return cls(reference, tuple(rows), config.history, weight, tuple(dead), starts)

    def blocks(self) -> Iterator[Block]:
        weight = self.weight
        yield Line(f"Layers of {self.reference}", strong=True)
        entries = f" from {counted(len(self.history), 'history entry', 'history entries')}" if self.history else ""
        yield Line(
            f"{counted(len(self.layers), 'layer')}{entries} · {size_words(weight.stored)} stored · "
            f"{size_words(weight.visible)} visible · {size_words(weight.dead)} dead weight · "
            f"efficiency {percent(weight.visible, weight.stored)} (visible by stored)"
        )
        yield self._table()
        for layer in self.layers:
            yield Details(
                f"Layer {layer.index}: {_sum(layer)}", list(_layer_blocks(layer)), open=len(self.layers) == 1
            )
        if self.dead:
            yield self._dead()
        yield Line(
            f"Starts {self.starts}" if self.starts else "Says nothing of what to start (no CMD, no ENTRYPOINT)"
        )

    def _table(self) -> Table:
        most = max((layer.size for layer in self.layers), default=0)
        waiting = iter(self.layers)
        rows = list[tuple[str, ...]]()
        for line in self.history or [History(created_by=layer.command) for layer in self.layers]:
            layer = None if line.empty_layer else next(waiting, None)
            if layer is None:
                rows.append(("·", _command(line.created_by), "no layer", "", "", "", ""))
            else:
                counts = [str(layer.counts[sign]) for sign in (ADDED, CHANGED, REMOVED)]
                rows.append(
                    (
                        str(layer.index),
                        _command(line.created_by),
                        size_words(layer.size),
                        bar(layer.size, most),
                        *counts,
                    )
                )
        columns = ("#", "Made by", "Size", "", ADDED, CHANGED, REMOVED)
        return Table("Bottom layer first", columns, rows, right=frozenset({2, 4, 5, 6}), code=frozenset({1}))

    def _dead(self) -> Details:
        largest = heapq.nsmallest(TOP_DEAD, self.dead, key=lambda file: (-file.size, file.path))
        rows = [(file.path, size_words(file.size), str(file.written), str(file.hidden)) for file in largest]
        table = Table(
            "The largest first",
            ("Path", "Size", "Stored in layer", "Hidden by layer"),
            rows,
            right=frozenset({1, 2, 3}),
            code=frozenset({0}),
            more=len(self.dead) - len(largest),
        )
        return Details(f"Dead weight: {size_words(self.weight.dead)} that you ship and nobody can see", [table])


def _changes(tree: Tree, changeset: Changeset) -> Iterator[Change]:
    for path, entry in changeset.entries.items():
        if not path or (entry.kind is Kind.DIRECTORY and _same_directory(tree.get(path), entry)):
            continue
        size = entry.size if entry.kind is Kind.FILE and not entry.hardlink else 0
        yield Change(CHANGED if path in tree else ADDED, path, size, _what(entry))
    for path in changeset.removed:
        yield Change(REMOVED, path, 0, "hidden, still shipped")
    for path in changeset.opaque:
        yield Change(REMOVED, f"{path}/*", 0, "all that was in it is hidden, still shipped")


def _same_directory(old: Entry | None, new: Entry) -> bool:
    """A directory that a layer lists because something in it changed is no change of its own."""
    return old is not None and (old.kind, old.mode, old.uid, old.gid) == (new.kind, new.mode, new.uid, new.gid)


def _what(entry: Entry) -> str:
    if entry.hardlink:
        return f"another name of {entry.hardlink}"
    if entry.kind is Kind.SYMLINK:
        return f"→ {entry.target}"
    owner = "" if (entry.uid, entry.gid) == (0, 0) else f" {entry.uid}:{entry.gid}"
    return f"{entry.kind} {entry.mode:04o}{owner}"


def _sum(layer: LayerRow) -> str:
    return f"{counted(layer.count, 'change')}, {size_words(layer.size)}"


def _layer_blocks(layer: LayerRow) -> Iterator[Block]:
    rows = [
        (change.sign, f"/{change.path}", size_words(change.size) if change.size else "", change.what)
        for change in layer.largest
    ]
    yield Table(
        f"diff_id {layer.diff_id}",
        ("Change", "Path", "Size", "What it is"),
        rows,
        head=1,
        right=frozenset({2}),
        code=frozenset({1}),
        more=layer.count - len(layer.largest),
    )


def _command(created_by: str) -> str:
    """A history line as the Dockerfile had it, as far as the builder left it."""
    text = created_by.strip()
    for noise in ("/bin/sh -c #(nop) ", "/bin/sh -c #(nop)"):
        text = text.removeprefix(noise)
    for shell in ("/bin/sh -c ", "RUN /bin/sh -c "):
        if text.startswith(shell):
            text = "RUN " + text.removeprefix(shell)
    return printable(" ".join(text.removesuffix("# buildkit").split()), 70) or "(not told)"
