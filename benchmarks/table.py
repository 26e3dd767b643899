"""Times that are taken by turns, and rows of Markdown."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence

Run = Callable[[int], Callable[[], object]]
"""``run(number)`` gets ready and returns what is timed."""


def by_turns(runs: Mapping[str, Run], times: int) -> dict[str, float]:
    """The median seconds of each of ``runs``, by its name, after one that warms up.

    Each takes its turn in every round, so that a machine that is busy for a while is busy for all of them.
    """
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(-1, times):
        for name, run in runs.items():
            timed = run(number)
            begin = time.perf_counter()
            timed()
            seconds[name].append(time.perf_counter() - begin)
    return {name: statistics.median(taken[1:]) for name, taken in seconds.items()}


def head(title: str, others: Sequence[str], ours: Sequence[str]) -> None:
    """The first two lines of a table."""
    names = [title, *others, *ours]
    print("\n| " + " | ".join(names) + " |\n|---|" + "---:|" * (len(names) - 1), flush=True)


def row(name: str, others: Mapping[str, float], ours: Mapping[str, float], unit: str = "s") -> None:
    """One line. Behind each of ``ours`` stand its ratios to the others, in their order."""
    cells = [f"{value:.2f} {unit}" for value in others.values()]
    for value in ours.values():
        ratios = " / ".join(f"**{value / other:.2f}**" for other in others.values())
        cells.append(f"{value:.2f} {unit}" + (f" ({ratios})" if ratios else ""))
    print(f"| {name} | " + " | ".join(cells) + " |", flush=True)
