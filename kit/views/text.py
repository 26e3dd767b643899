"""Blocks as text for a terminal."""

from collections.abc import Iterable

from kit.views.blocks import Block, Details, Line, Listing, Table
from kit.views.words import printable

_GAP = "  "
_INDENT = "  "
_WIDEST = 72
"""Characters of one cell: a whole digest, which people copy."""


def as_text(title: str, blocks: Iterable[Block]) -> str:
    lines = [printable(title)] if title else []
    for block in blocks:
        lines += _lines(block)
    return "\n".join(line.rstrip() for line in lines)


def _lines(block: Block) -> list[str]:
    match block:
        case Line(text):
            return [printable(line) for line in text.splitlines()]
        case Listing(text):
            return [_INDENT + printable(line) for line in text.splitlines()]
        case Table():
            return _table(block)
        case Details(summary, inner):
            return [f"- {printable(summary)}", *(_INDENT + line for part in inner for line in _lines(part))]


def _table(table: Table) -> list[str]:
    if not table.rows:
        return [printable(table.caption)]
    rows = [
        [printable(" ".join(cell.splitlines()), _WIDEST) for cell in row] for row in (table.columns, *table.shown)
    ]
    widths = [max(len(row[place]) for row in rows) for place in range(len(table.columns))]
    lines = [printable(table.caption)]
    for row in rows:
        cells = (
            cell.rjust(width) if place in table.right else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        lines.append(_INDENT + _GAP.join(cells))
    return [*lines, *([_INDENT + table.rest] if table.rest else [])]
