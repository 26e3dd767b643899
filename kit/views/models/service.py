"""A service that was started, asked and stopped: what it answered, and how it ended."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Self

from kit.views.blocks import Block, Line, Listing, View
from kit.views.words import printable

_LONGEST = 500
"""Characters of an answer and of a log that are shown."""
_KILLED = 137


@dataclass(frozen=True, repr=False)
class Service(View):
    """``answer`` to the request, or ``trouble``; then exit ``code`` and ``seconds`` that stopping took.

    ``running``: whether it still ran when it was told to stop. ``said``: its log, or why it did not start.
    """

    reference: str
    port: int = 80
    path: str = "/"
    command: tuple[str, ...] = ()
    started: bool = True
    answer: str = ""
    trouble: str = ""
    running: bool = False
    code: int = 0
    seconds: float = 0.0
    said: str = ""
    meaning: str = ""

    def with_(self, **facts: Any) -> Self:
        return replace(self, **facts)

    @property
    def killed(self) -> bool:
        """Whether it did not stop when it was asked to."""
        return self.running and self.code == _KILLED

    def blocks(self) -> Iterator[Block]:
        name = " ".join([self.reference, *self.command])
        if not self.started:
            yield Line(f"✗ {name} did not start", strong=True)
        elif self.trouble:
            yield Line(f"✗ {name}: {self.trouble}", strong=True)
        else:
            yield Line(f"✓ {name} answers on port {self.port}", strong=True)
            yield Listing(_lines(self.answer.strip()))
        if self.started:
            yield Line(self._ending)
        if self.said.strip() and not self.answer:
            yield Listing(_lines(self.said))
        if self.meaning:
            yield Line(f"What it means: {self.meaning}.")

    @property
    def _ending(self) -> str:
        if not self.running:
            return f"It had ended by itself, with exit code {self.code}."
        how = "by force" if self.killed else "by itself"
        return f"Told to stop, it ended {how} after {self.seconds:.1f} s, with exit code {self.code}."


def _lines(text: str) -> str:
    return "\n".join(printable(line, _LONGEST) for line in text.splitlines()[-10:])
