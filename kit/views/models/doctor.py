"""What works on this machine, what does not, and what to do about it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kit.views.blocks import Block, Line, Table, View
from kit.views.words import counted

WORKS, LIMITED, MISSING = "✓\u00a0works", "–\u00a0limited", "✗\u00a0missing"
"""``LIMITED``: the course goes on without it; ``MISSING``: it does not."""


@dataclass(frozen=True)
class Finding:
    """One part. ``state`` is WORKS, LIMITED or MISSING; ``advice`` what to do, "" when there is nothing to do."""

    part: str
    state: str
    facts: str
    advice: str = ""

    def to_json(self) -> dict[str, str]:
        return {"part": self.part, "state": self.state[2:], "facts": self.facts, "advice": self.advice}


@dataclass(frozen=True, repr=False)
class Checkup(View):
    """All findings, in the order in which they matter."""

    findings: Sequence[Finding]

    @property
    def ok(self) -> bool:
        """Whether the lessons can be done here."""
        return not self._missing

    @property
    def _missing(self) -> list[str]:
        return [finding.part for finding in self.findings if finding.state == MISSING]

    def blocks(self) -> Iterator[Block]:
        missing = self._missing
        yield Line(
            f"{counted(len(missing), 'part is', 'parts are')} missing: {', '.join(missing)}"
            if missing
            else "Everything that the lessons need is here",
            strong=True,
        )
        rows = [(finding.part, finding.state, finding.facts) for finding in self.findings]
        yield Table("What was looked at", ("Part", "State", "Found"), rows)
        for finding in self.findings:
            if finding.advice:
                yield Line(f"{finding.part}: {finding.advice}")
