"""The one error of this room: what is wrong with a Dockerfile, and where.

Printed as BuildKit prints it: the place, the lines around it with ``>>>`` at the wrong ones, the reason.

Source: BuildKit, solver/errdefs "Source.Print".
"""

from kit.dockerfile.instructions import Range
from kit.errors import Invalid

RULE = "-" * 20
LONGEST = 300  # characters shown of a line: a terminal's screen, not a megabyte


class Wrong(Exception):
    """Something is wrong, said by a function that doesn't know where it stands.

    ``near`` is the piece of text at fault, if the function knows it. Whoever knows the instruction makes a
    ``DockerfileError`` of it.
    """

    def __init__(self, reason: str, near: str = "") -> None:
        super().__init__(reason)
        self.reason, self.near = reason, near


class DockerfileError(Invalid):
    """A Dockerfile that can't be built. ``line`` and ``column`` count from 1; 0 where there is no such place."""

    def __init__(self, reason: str, *, text: str, filename: str, at: Range | None) -> None:
        self.reason, self.filename = reason, filename
        self.line = at.line if at else 0
        self.column = at.column if at else 0
        self.end_line = max(at.end_line, at.line) if at else 0
        self.excerpt = excerpt(text, filename, at) if at else ""
        super().__init__(f"{self.excerpt}{reason}")


def locate(text: str, at: Range, near: str) -> Range:
    """``at`` moved to where ``near`` stands in its lines, if it does."""
    first, _, _ = near.partition("\n")
    if not first:
        return at
    for number, line in enumerate(text.split("\n")[at.line - 1 : at.end_line], at.line):
        column = line.find(first, at.column - 1 if number == at.line else 0)
        if column >= 0:
            return Range(number, column + 1, at.end_line)
    return at


def excerpt(text: str, filename: str, at: Range) -> str:
    """The listing: two lines of context in all, four around a single line, as BuildKit has it."""
    lines = text.split("\n")
    start, end = at.line, min(max(at.end_line, at.line), len(lines))
    if not 1 <= start <= len(lines):
        return ""
    first, last = _padded(start, end, len(lines))
    place = f"{filename}:{at.line}" + (f":{at.column}" if at.column > 1 else "")
    rows = [place, RULE]
    for number in range(first, last + 1):
        mark = ">>>" if start <= number <= end else "   "
        rows.append(f" {number:3} | {mark} {_cut(lines[number - 1])}")
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


def _cut(line: str) -> str:
    line = line.rstrip("\r")
    return line if len(line) <= LONGEST else line[:LONGEST] + " …"
