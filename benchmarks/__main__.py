"""Prints tables in Markdown: what is measured, what it takes elsewhere, what it takes here, and the ratio.

python -m benchmarks [NAME …]        default: idle builds context; all names: see TABLES
"""

import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks import builds, idle, steps, trade
from benchmarks.peers import ISOLATORS, Peer, buildkit, dockerd, embedded
from kit.lab.parents import root_tar

CACHE = Path(__file__).parents[1] / ".layerlab/benchmarks"
Table = Callable[[Sequence[Peer], Sequence[Peer]], None]
"""``table(others, ours)`` prints."""

TABLES: Mapping[str, Table] = {
    "idle": idle.table,
    "builds": builds.small,
    "context": builds.large_context,
    "figlet": builds.installing,
    "steps": steps.table,
    "trade": trade.table,
}
QUICK = ("idle", "builds", "context")


def main(names: list[str]) -> None:
    unknown = [name for name in names if name not in TABLES]
    if unknown:
        sys.exit(f"no such table: {' '.join(unknown)}. There are: {' '.join(TABLES)}")
    parent = root_tar("debian:13", CACHE)
    with ExitStack() as stack:
        others = [dockerd(), *buildkit()]
        ours = [stack.enter_context(peer) for peer in map(embedded, ISOLATORS) if peer.works()]
        for peer in [others[0], *ours]:
            peer.give(parent, builds.PARENT)
        for name in names:
            TABLES[name](others, ours)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="ll-bench-") as place:
        tempfile.tempdir = place
        main(sys.argv[1:] or list(QUICK))
