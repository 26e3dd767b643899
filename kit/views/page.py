"""Blocks as HTML for a notebook.

Plain elements only: section, h4, table with caption and scope, details, code. No script, no style sheet, no colour
behind text. So the page survives a viewer that removes every style (GitHub), a sanitised notebook, a dark theme
and a kernel that is gone; and a screen reader hears the row and column of every cell.
"""

from collections.abc import Iterable
from html import escape

from kit.views.blocks import Block, Details, Line, Listing, Table
from kit.views.words import printable

_LEFT, _RIGHT = "text-align:left", "text-align:right;white-space:nowrap"
_LONGEST = 200
"""Characters of one cell: a path that is longer is cut in its middle."""


def as_html(title: str, blocks: Iterable[Block]) -> str:
    head = f"<h4>{_plain(title)}</h4>" if title else ""
    return f"<section>{head}{''.join(map(_block, blocks))}</section>"


def _plain(text: str, limit: int = 0) -> str:
    return escape(printable(text, limit))


def _block(block: Block) -> str:
    match block:
        case Line(text, strong):
            body = "<br>".join(map(_plain, text.splitlines()))
            return f"<p><b>{body}</b></p>" if strong else f"<p>{body}</p>"
        case Listing(text):
            body = "\n".join(map(_plain, text.splitlines()))
            return f"<pre>{body}</pre>"
        case Table():
            return _table(block)
        case Details(summary, inner, is_open):
            body = "".join(map(_block, inner))
            return f"<details{' open' if is_open else ''}><summary>{_plain(summary)}</summary>{body}</details>"


def _table(table: Table) -> str:
    if not table.rows:
        return f"<p>{_plain(table.caption)}</p>"
    columns = "".join(
        f'<th scope="col" style="{_style(table, place)}">{_plain(name)}</th>'
        for place, name in enumerate(table.columns)
    )
    rows = "".join(
        f"<tr>{''.join(_cell(table, place, cell) for place, cell in enumerate(row))}</tr>" for row in table.shown
    )
    rest = f"<p>{_plain(table.rest)}</p>" if table.rest else ""
    return (
        f'<div style="overflow-x:auto"><table><caption style="{_LEFT}">{_plain(table.caption)}</caption>'
        f"<thead><tr>{columns}</tr></thead><tbody>{rows}</tbody></table></div>{rest}"
    )


def _cell(table: Table, place: int, cell: str) -> str:
    text = "<br>".join(_plain(line, _LONGEST) for line in cell.splitlines())
    if place in table.code and text:
        text = f"<code>{text}</code>"
    style = _style(table, place)
    if place == table.head:
        return f'<th scope="row" style="{style};font-weight:normal">{text}</th>'
    return f'<td style="{style}">{text}</td>'


def _style(table: Table, place: int) -> str:
    return _RIGHT if place in table.right else _LEFT
