"""Where in an image a text occurs: in which file of which layer, or in which words of the configuration."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kit.views.blocks import Block, Line, Table, View
from kit.views.words import counted, printable

_LONGEST = 90


@dataclass(frozen=True)
class Place:
    """``kind`` "file": ``words`` are the path in ``layer`` (0 is the bottom). "history": words of a line of it. Else
    ``kind`` is the key of the configuration that holds the words."""

    kind: str
    words: str
    layer: int | None = None


@dataclass(frozen=True, repr=False)
class Places(View):
    """Every place that holds the text ``sought``."""

    sought: str
    reference: str
    found: Sequence[Place]

    def __iter__(self) -> Iterator[Place]:
        return iter(self.found)

    def __len__(self) -> int:
        return len(self.found)

    def blocks(self) -> Iterator[Block]:
        shown = printable(self.sought, 40)
        if not self.found:
            yield Line(f"✓ {shown!r} is nowhere in {self.reference}: not in a layer, not in the configuration.")
            return
        yield Line(f"{shown!r} is in {counted(len(self.found), 'place')} of {self.reference}", strong=True)
        rows = [(_where(one), printable(_path(one), _LONGEST)) for one in self.found]
        yield Table("What anybody can read who has the image", ("Where", "What"), rows, code=frozenset({1}))


def _where(one: Place) -> str:
    if one.layer is not None:
        return f"layer {one.layer}"
    return "history" if one.kind == "history" else f"configuration, {one.kind}"


def _path(one: Place) -> str:
    return f"/{one.words}" if one.kind == "file" else one.words
