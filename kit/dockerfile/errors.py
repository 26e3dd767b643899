"""The one error of this room: what is wrong with a Dockerfile, and where.

Printed as BuildKit prints it: the place, the lines around it with ``>>>`` at the wrong ones, the reason.

Source: BuildKit, solver/errdefs "Source.Print".
"""

from kit.dockerfile.instructions import Range
from kit.errors import Invalid

RULE = "-" * 20
LONGEST = 300  # characters shown of a line: a terminal's screen, not a megabyte
LONGEST_REASON = 2000  # it may quote what the Dockerfile says


class Wrong(Exception):
    """Something is wrong, said by a function that doesn't know where it stands.

    ``near`` is the piece of text at fault, if the function knows it. Whoever knows the instruction makes a
    ``DockerfileError`` of it.
    """

    def __init__(self, reason: str, near: str = "") -> None:
        super().__init__(reason)
        self.reason, self.near = reason, near


class DockerfileError(Invalid):
    """A Dockerfile that can't be built.

    ``line`` and ``column`` are the place, counted from 1, and 0 where there is none; ``end_line`` is the last line
    of the instruction. ``excerpt`` is the listing, "" without a place; ``reason`` is what is wrong.
    """

    def __init__(self, wrong: Wrong, *, text: str, filename: str, at: Range | None) -> None:
        self.reason, self.filename = _cut(wrong.reason, LONGEST_REASON), filename
        self.line, self.column = locate(text, at, wrong.near) if at else (0, 0)
        self.end_line = at.end_line if at else 0
        self.excerpt = excerpt(text, f"{filename}:{self.line}:{self.column}".removesuffix(":1"), at) if at else ""
        super().__init__(f"{self.excerpt}{self.reason}")


def locate(text: str, at: Range, near: str) -> tuple[int, int]:
    """Line and column where ``near`` stands in the lines ``at``; of their start, if it doesn't."""
    first, _, _ = near.partition("\n")
    lines = text.split("\n")[at.line - 1 : at.end_line] if first else ()
    for number, line in enumerate(lines, at.line):
        column = line.find(first, at.column - 1 if number == at.line else 0)
        if column >= 0:
            return number, column + 1
    return at.line, at.column


def excerpt(text: str, place: str, at: Range) -> str:
    """The listing: ``at`` is marked; two lines of context in all, four around a single line, as BuildKit has it."""
    lines = text.split("\n")
    start, end = at.line, min(max(at.end_line, at.line), len(lines))
    if not 1 <= start <= len(lines):
        return ""
    first, last = _padded(start, end, len(lines))
    rows = [place, RULE]
    for number in range(first, last + 1):
        mark = ">>>" if start <= number <= end else "   "
        rows.append(f" {number:3} | {mark} {_cut(lines[number - 1], LONGEST)}")
    return "\n".join([*rows, RULE, ""])


def _padded(start: int, end: int, count: int) -> tuple[int, int]:
    wanted = 4 if start == end else 2
    added = 0
    while added < wanted:
        if start > 1:
            start, added = start - 1, added + 1
        if end < count:
            end, added = end + 1, added + 1
        added += 1
    return start, end


def _cut(text: str, longest: int) -> str:
    text = text.rstrip("\r")
    return text if len(text) <= longest else text[:longest] + " …"
