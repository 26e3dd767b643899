"""A build: its steps, what each of them did, and where it failed."""

from collections.abc import Iterator
from dataclasses import dataclass

from kit.views.blocks import Block, Details, Line, Listing, Table, View
from kit.views.words import counted, printable, seconds_words, short

_TAIL = 12
"""Lines of a step's output that a failure shows: enough for the message of apt or of a compiler."""


@dataclass(frozen=True)
class Step:
    """One step. ``state`` is "running", "reused", "ran" or "failed"; ``total`` 0 when it is not known.

    ``why`` says in sentences why it was not taken from the build cache, where the engine tells that.
    """

    number: int
    total: int
    instruction: str
    state: str
    seconds: float = 0.0
    log: str = ""
    why: tuple[str, ...] = ()

    @property
    def cached(self) -> bool:
        """Whether its result was there already."""
        return self.state == "reused"


@dataclass(frozen=True)
class Failure:
    """Why there is no image. ``line`` counts from 1, 0 when no line is to blame; ``hints`` in order of help."""

    message: str
    line: int = 0
    dockerfile: str = ""
    output: str = ""
    meaning: str = ""
    hints: tuple[str, ...] = ()


@dataclass(frozen=True, repr=False)
class BuildCard(View):
    """A build as it stands: under way without ``image_id`` and ``failure``, else done."""

    name: str
    steps: tuple[Step, ...] = ()
    seconds: float = 0.0
    image_id: str = ""
    failure: Failure | None = None

    def blocks(self) -> Iterator[Block]:
        if self.failure:
            yield Line(f"✗ Failed: {self._subject}. {self._counts}", strong=True)
            yield from failure_blocks(self.failure)
        elif self.image_id:
            yield Details(
                f"✓ Built {self._subject}: {self._counts}", [self._table, Line(f"Image ID {self.image_id}")]
            )
        else:
            yield Line(f"Building {self._subject}: {self._counts}", strong=True)
            yield self._table

    @property
    def _subject(self) -> str:
        return self.name or (short(self.image_id) if self.image_id else "an image without a name")

    @property
    def _counts(self) -> str:
        counts = [
            f"{number} {state}"
            for state in ("reused", "ran", "running", "failed")
            if (number := sum(step.state == state for step in self.steps))
        ]
        return ", ".join([counted(len(self.steps), "step"), *counts, seconds_words(self.seconds)])

    @property
    def _table(self) -> Table:
        rows = [
            (str(step.number), printable(step.instruction, 90), step.state, seconds_words(step.seconds))
            for step in self.steps
        ]
        return Table("Steps, in order", ("#", "Instruction", "State", "Time"), rows, right=frozenset({3}))


def failure_blocks(failure: Failure) -> Iterator[Block]:
    """The message, the line of the Dockerfile, what the step printed last, and what may help."""
    yield Line(failure.message)
    if failure.dockerfile:
        yield Listing(listing(failure.dockerfile, failure.line))
    if failure.output.strip():
        tail = failure.output.rstrip().splitlines()[-_TAIL:]
        yield Details("What the step printed last", [Listing("\n".join(tail))], open=True)
    if failure.meaning:
        yield Line(f"What it means: {failure.meaning}.")
    for place, hint in enumerate(failure.hints, 1):
        yield Details(f"Hint {place} of {len(failure.hints)}", [Line(hint)])


def listing(dockerfile: str, line: int, around: int = 4) -> str:
    """The lines of a Dockerfile around ``line``, which is marked ``>>>``; all of a short one."""
    lines = dockerfile.removesuffix("\n").split("\n")
    first, last = (1, len(lines)) if len(lines) <= 4 * around else (max(1, line - around), line + around)
    return "\n".join(
        f"{'>>>' if number == line else '   '} {number:>3} | {text}"
        for number, text in enumerate(lines, 1)
        if first <= number <= last
    )
