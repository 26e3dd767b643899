"""The registry that the lessons push to."""

from collections.abc import Iterator
from dataclasses import dataclass

from kit.views.blocks import Block, Line, View


@dataclass(frozen=True, repr=False)
class RegistryCard(View):
    """A registry that runs. As text it is what the names of its images begin with: ``f"{registry}/app:1"``.

    ``user`` is the account that it lets in; "" means everybody.
    """

    name: str
    user: str = ""

    @property
    def url(self) -> str:
        return f"http://{self.name}"

    def blocks(self) -> Iterator[Block]:
        yield Line(f"A registry runs at {self.name}", strong=True)
        yield Line(f"An image whose name begins with {self.name}/ is pushed there.")
        if self.user:
            yield Line(f"It asks who you are. {self.user} may read everything, and write below {self.user}/.")

    def __str__(self) -> str:
        return self.name
