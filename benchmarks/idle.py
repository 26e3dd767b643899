"""The engine at rest: how soon it answers, how much memory it holds."""

import statistics
from collections.abc import Sequence

from benchmarks.peers import Peer, embedded, resident
from benchmarks.table import head, row

STARTS = 5


def table(others: Sequence[Peer], ours: Sequence[Peer]) -> None:
    """dockerd counts with its containerd. It runs already, so its own start is not measured."""
    daemon = others[0]
    start, memory = {}, {}
    for peer in ours:
        seconds = []
        for _ in range(STARTS):
            with embedded(peer.name) as fresh:
                fresh.client.version()
                seconds.append(fresh.seconds_to_ping)
                memory[peer.name] = resident(fresh.pid) / 1e6
        start[peer.name] = statistics.median(seconds)
    head("at rest", [daemon.name], list(start))
    row("memory", {daemon.name: resident(daemon.pid) / 1e6}, memory, "MB")
    head("at rest", [], list(start))
    row("start to first answered ping", {}, start)
