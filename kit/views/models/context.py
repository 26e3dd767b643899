"""A build context: every file of a directory, and whether the builder gets it."""

from collections.abc import Iterator
from dataclasses import dataclass

from kit.views.blocks import Block, Line, Table, View
from kit.views.words import counted, printable, size_words


@dataclass(frozen=True)
class ContextRow:
    path: str
    size: int
    sent: bool


@dataclass(frozen=True, repr=False)
class ContextCard(View):
    """The files of the directory called ``name``, in path order."""

    name: str
    rows: tuple[ContextRow, ...]

    @property
    def sent(self) -> list[str]:
        """What COPY can see."""
        return [row.path for row in self.rows if row.sent]

    @property
    def ignored(self) -> list[str]:
        return [row.path for row in self.rows if not row.sent]

    @property
    def size(self) -> int:
        """Bytes of the files that are sent."""
        return sum(row.size for row in self.rows if row.sent)

    def blocks(self) -> Iterator[Block]:
        yield Line(
            f"Build context {self.name}: {counted(len(self.sent), 'file')} sent, {size_words(self.size)}; "
            f"{len(self.ignored)} ignored",
            strong=True,
        )
        rows = [
            (printable(row.path, 90), size_words(row.size), "sent" if row.sent else "ignored") for row in self.rows
        ]
        yield Table("Every file below the dot", ("File", "Size", "To the builder"), rows, right=frozenset({1}))
