"""What a view is made of: lines, tables, listings, and parts that start closed.

A view says its blocks once; ``kit.views.text`` and ``kit.views.page`` render them. So the text and the HTML of a
view always hold the same facts.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

LIMIT = 60
"""Rows of one table: a page of a notebook stays below 30 kB."""


@dataclass(frozen=True)
class Line:
    """One sentence. ``strong`` for the one that tells the result."""

    text: str
    strong: bool = False


@dataclass(frozen=True)
class Listing:
    """Text as it is, line by line: a Dockerfile, a log."""

    text: str


@dataclass(frozen=True)
class Table:
    """Rows under a caption. The cell of column ``head`` names its row; columns in ``right`` hold numbers.

    Rows beyond ``limit`` are counted, not shown; ``more`` are those that nobody made rows of.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    head: int = 0
    right: frozenset[int] = frozenset()
    code: frozenset[int] = frozenset()
    limit: int = LIMIT
    more: int = 0

    @property
    def shown(self) -> Sequence[Sequence[str]]:
        return self.rows[: self.limit]

    @property
    def rest(self) -> str:
        """The sentence about the rows that are not shown; "" when all are."""
        more = max(len(self.rows) - self.limit, 0) + self.more
        return f"… and {more:,} more" if more > 0 else ""


@dataclass(frozen=True)
class Details:
    """Blocks that start closed, behind one line."""

    summary: str
    blocks: Sequence["Block"] = field(default_factory=tuple)
    open: bool = False


Block: TypeAlias = Line | Listing | Table | Details


class View:
    """Something that can be looked at: as text in a terminal, as HTML in a notebook.

    A view is a value: it holds what it shows and fetches nothing.
    """

    title = ""

    def blocks(self) -> Iterator[Block]:
        """What there is to see, in order."""
        raise NotImplementedError

    def text(self) -> str:
        """The view for a terminal."""
        from kit.views.text import as_text

        return as_text(self.title, self.blocks())

    def html(self) -> str:
        """The view for a notebook: plain elements that need neither style nor script."""
        from kit.views.page import as_html

        return as_html(self.title, self.blocks())

    def _repr_html_(self) -> str:
        return self.html()

    def __repr__(self) -> str:
        return self.text()

    __str__ = __repr__
