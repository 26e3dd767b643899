"""Which line of a Dockerfile a step came from."""

import re

_HEREDOC = re.compile(r"<<-?[\"']?([A-Za-z_]\w*)[\"']?")
_SAME = 60
"""Characters that must agree: builders cut long instructions."""


def line_of(instruction: str, number: int, dockerfile: str) -> int:
    """The line (from 1) where ``instruction`` begins, the builder's step ``number``; 0 when it is not found."""
    found = instructions(dockerfile)
    if 0 < number <= len(found) and _alike(found[number - 1][1], instruction):
        return found[number - 1][0]
    return next((line for line, text in found if _alike(text, instruction)), 0)


def _alike(one: str, other: str) -> bool:
    return "".join(one.split()).lower()[:_SAME] == "".join(other.split()).lower()[:_SAME]


def instructions(dockerfile: str) -> list[tuple[int, str]]:
    """Each instruction's first line and its text, continuation lines joined."""
    found: list[tuple[int, str]] = []
    pending, first, ends = "", 0, list[str]()
    for number, line in enumerate(dockerfile.split("\n"), 1):
        if ends:
            if line.strip() == ends[0]:
                ends.pop(0)
            continue
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        first = first if pending else number
        pending += line.strip().removesuffix("\\")
        if not line.rstrip().endswith("\\"):
            found.append((first, pending))
            ends = _HEREDOC.findall(pending)
            pending = ""
    return [*found, *([(first, pending)] if pending else [])]
