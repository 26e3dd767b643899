"""Docker Hub, as it can be seen from here."""

from collections.abc import Iterator
from dataclasses import dataclass

from kit.views.blocks import Block, Line, View
from kit.views.words import printable


@dataclass(frozen=True, repr=False)
class HubCard(View):
    """``limit`` and ``remaining`` as Docker Hub says them ("100;w=21600"); ``trouble`` when it can't be reached."""

    limit: str = ""
    remaining: str = ""
    trouble: str = ""

    @property
    def online(self) -> bool:
        return not self.trouble

    def blocks(self) -> Iterator[Block]:
        if self.trouble:
            yield Line("Docker Hub can't be reached from here, and nothing in this notebook needs it.", strong=True)
            yield Line(printable(self.trouble, 200))
            return
        yield Line("Docker Hub answers.", strong=True)
        if self.limit:
            yield Line(f"Pulls without a login: {_words(self.limit)}; left now: {_words(self.remaining)}.")
        else:
            yield Line("It names no limit for pulls from this address.")


def _words(limit: str) -> str:
    """Docker Hub's "100;w=21600" for people."""
    count, _, window = limit.partition(";w=")
    seconds = int(window) if window.isdigit() else 0
    return f"{printable(count, 20)} in {seconds / 3600:g} hours" if seconds else printable(limit, 40)
