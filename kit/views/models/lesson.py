"""What a lesson tells a learner beside its results: guesses and measurements, hints, solutions, what was removed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from kit.views.blocks import Block, Details, Line, Listing, Table, View
from kit.views.words import counted


@dataclass(frozen=True, repr=False)
class Guess(View):
    """A guess, and what was measured. ``measured`` None: not yet; ``guess`` None: there was none."""

    question: str
    guess: Any = None
    measured: Any = None

    def blocks(self) -> Iterator[Block]:
        if self.measured is None:
            yield Line(f"Noted: {_value(self.guess)}. Now measure it.")
            return
        yield Line(f"Measured: {_value(self.measured)}", strong=True)
        if self.guess is None:
            yield Line(f'You made no guess. kit.predict("{self.question}", …) writes one down before you look.')
        else:
            yield Line(f"Your guess: {_value(self.guess)}. {self._verdict}")

    @property
    def _verdict(self) -> str:
        guess, measured = self.guess, self.measured
        if guess == measured:
            return "Exactly."
        if not (_is_number(guess) and _is_number(measured)):
            return "It is another one."
        if guess <= 0 or measured <= 0:
            return f"It is {_value(abs(measured - guess))} {'more' if measured > guess else 'less'}."
        factor = max(guess / measured, measured / guess)
        words = f"{factor:,.0f}" if factor >= 10 else f"{factor:.1f}"
        if factor < 1.05:
            return "Very close."
        return f"It is {words} times {'larger' if measured > guess else 'smaller'} than you guessed."


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _value(value: Any) -> str:
    return f"{value:,}" if _is_number(value) else str(value)


@dataclass(frozen=True, repr=False)
class Hints(View):
    """The hints that were asked for so far, in order of help. ``left`` more can be had."""

    exercise: str
    hints: Sequence[str]
    left: int = 0

    def blocks(self) -> Iterator[Block]:
        total = len(self.hints) + self.left
        if not total:
            yield Line(f"{self.exercise}: nothing is missing, so there is no hint.")
        for place, hint in enumerate(self.hints, 1):
            yield Line(f"Hint {place} of {total}: {hint}", strong=place == len(self.hints))
        if total and not self.left:
            yield Line(f'That was the last one. kit.solution("{self.exercise}") shows one good answer.')


@dataclass(frozen=True, repr=False)
class Solution(View):
    """One good answer. Without ``code`` it is held back: there was no attempt."""

    exercise: str
    code: str = ""
    words: str = ""

    def blocks(self) -> Iterator[Block]:
        if not self.code:
            yield Line(f"You have not tried {self.exercise} yet.", strong=True)
            yield Line(
                f'kit.check("{self.exercise}") tells what is missing, kit.hint("{self.exercise}") helps on. '
                "Run this cell once more to see the solution nevertheless."
            )
            return
        yield Details(
            f"One solution of {self.exercise}", [Listing(self.code), *([Line(self.words)] * bool(self.words))]
        )


@dataclass(frozen=True, repr=False)
class Removed(View):
    """What a reset removed, and what it left because something else needs it."""

    notebook: str
    removed: Sequence[str] = ()
    kept: Sequence[tuple[str, str]] = ()

    def blocks(self) -> Iterator[Block]:
        if not self.removed and not self.kept:
            yield Line(f"Notebook {self.notebook} has made nothing that is still here.")
            return
        yield Line(
            f"Removed {counted(len(self.removed), 'name')} that notebook {self.notebook} gave; "
            "nothing else was touched.",
            strong=True,
        )
        if self.removed:
            yield Details("Which", [Line(name) for name in self.removed])
        if self.kept:
            yield Table("Kept", ("Name", "Why"), self.kept)
