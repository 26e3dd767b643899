"""The engine that is worked with: what it is, where, and why this one."""

from collections.abc import Iterator
from dataclasses import dataclass

from kit.views.blocks import Block, Details, Line, View

_NAMES = {"Docker": "Docker Engine", "Podman": "Podman", "Layerlab": "Layerlab's own engine"}


@dataclass(frozen=True, repr=False)
class EngineCard(View):
    """``kind`` is "Docker", "Podman" or "Layerlab"; ``passed_over`` tells of engines that were tried before."""

    kind: str
    version: str
    host: str
    because: str
    platform: str = ""
    isolator: str = ""
    passed_over: tuple[str, ...] = ()

    def blocks(self) -> Iterator[Block]:
        runs = f", containers run by the isolator {self.isolator!r}" if self.isolator else ""
        yield Line(f"{_NAMES.get(self.kind, self.kind)} {self.version} for {self.platform}{runs}", strong=True)
        yield Line(f"At {self.host}, because {self.because}.")
        if self.passed_over:
            yield Details("What was tried before", [Line(line) for line in self.passed_over])
