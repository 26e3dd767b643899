"""The parent images of the course: being made, or there."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kit.views.blocks import Block, Line, Table, View
from kit.views.words import short

_WORDS = {"there": "was there", "made": "made here", "pulled": "pulled"}


@dataclass(frozen=True, repr=False)
class ParentsCard(View):
    """``rows`` are name, image ID and origin; ``doing`` what is going on, "" at the end."""

    rows: Sequence[tuple[str, str, str]] = ()
    doing: str = ""

    def blocks(self) -> Iterator[Block]:
        if self.doing:
            yield Line(f"Making parent images … {self.doing}", strong=True)
        if self.rows:
            rows = [(name, short(image_id), _WORDS.get(origin, origin)) for name, image_id, origin in self.rows]
            yield Table("Parent images in the engine", ("Name", "Image ID", "Origin"), rows, code=frozenset({1}))
