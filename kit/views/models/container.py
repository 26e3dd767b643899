"""A container as it is: an image's layers below, its own layer on top."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kit.views.blocks import Block, Details, Line, Table, View
from kit.views.words import counted, printable

_WHAT = {"A": "added", "C": "changed", "D": "deleted"}
_SHOWN = 20


@dataclass(frozen=True, repr=False)
class ContainerCard(View):
    """``changes``: letter and path of what the container's own layer holds; ``layers``: how many lie below it."""

    name: str
    image: str
    status: str
    started: bool
    command: Sequence[str]
    changes: Sequence[tuple[str, str]]
    layers: int
    volumes: Sequence[str] = ()

    def blocks(self) -> Iterator[Block]:
        status = self.status if self.started else f"{self.status}, never started"
        yield Line(f"Container {self.name}: {status}", strong=True)
        yield Table("Top first", ("What", "Who may write", "Holds"), list(self._stack()))
        if self.changes:
            rows = [(letter, path, _WHAT[letter]) for letter, path in self.changes]
            table = Table(
                "What docker diff tells", ("Letter", "Path", "Meaning"), rows, code=frozenset({1}), limit=_SHOWN
            )
            yield Details("Its own layer", [table], open=True)
        yield Line(f"Starts {printable(' '.join(map(repr, self.command)), 200)}")

    def _stack(self) -> Iterator[tuple[str, str, str]]:
        for path in self.volumes:
            yield f"volume {path}", "the container", "files that are in no layer"
        yield (
            "the container's own layer",
            "the container",
            counted(len(self.changes), "change") if self.changes else "-",
        )
        yield f"the image {self.image}", "nobody", counted(self.layers, "layer")
