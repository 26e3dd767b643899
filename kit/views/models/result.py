"""What a container did: how it ended, what it printed, and what its error means."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kit.views.blocks import Block, Details, Line, Listing, Table, View
from kit.views.words import counted, printable

_LINES = 60
_LONGEST = 500
"""Characters of a printed line that are shown; ``out`` has them all."""


@dataclass(frozen=True, repr=False)
class Result(View):
    """A container that ended: exit ``code``, what it printed to ``out`` and ``err``.

    ``started`` is False when the engine could not start it; then ``err`` holds the engine's own words.
    """

    reference: str
    code: int
    out: str
    err: str
    command: tuple[str, ...] = ()
    started: bool = True
    stopped_after: float = 0.0
    meaning: str = ""
    hints: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return self.code == 0

    def blocks(self) -> Iterator[Block]:
        yield Line(self._ending, strong=True)
        if self.out:
            yield Listing(_shown(self.out))
        if self.err:
            yield Line("The engine said:" if not self.started else "On standard error:")
            yield Listing(_shown(self.err))
        if self.meaning:
            yield Line(f"What it means: {self.meaning}.")
        for place, hint in enumerate(self.hints, 1):
            yield Details(f"Hint {place} of {len(self.hints)}", [Line(hint)])

    @property
    def _ending(self) -> str:
        subject = " ".join([self.reference, *self.command])
        if not self.started:
            return f"✗ {subject} did not start (exit code {self.code})"
        if self.stopped_after:
            return f"✗ {subject} was stopped after {self.stopped_after:g} seconds"
        return f"{'✓' if self.ok else '✗'} {subject} ended with exit code {self.code}"


@dataclass(frozen=True, repr=False)
class Failures(View):
    """Several images, run one after the other: which of them start, and what the others say."""

    results: Sequence[Result]

    def blocks(self) -> Iterator[Block]:
        started = sum(result.ok for result in self.results)
        rows = [
            (
                result.reference,
                "yes" if result.ok else "no",
                str(result.code),
                " ".join((result.out if result.ok else result.err or result.out).split()),
                result.meaning,
            )
            for result in self.results
        ]
        yield Table(
            f"{counted(len(rows), 'image')} run, {started} of them started",
            ("Image", "Starts", "Exit code", "What it said", "What that means"),
            rows,
            right=frozenset({2}),
            code=frozenset({3}),
        )


def _shown(text: str) -> str:
    """As much of a container's output as a page of a notebook bears."""
    lines = text.splitlines()
    shown = [printable(line, _LONGEST) for line in lines[:_LINES]]
    more = len(lines) - _LINES
    return "\n".join([*shown, *([f"… and {more:,} more lines"] if more > 0 else [])])
