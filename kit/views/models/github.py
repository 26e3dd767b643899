"""A directory that is ready to be a repository on GitHub."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from kit.views.blocks import Block, Details, Line, Listing, View


@dataclass(frozen=True, repr=False)
class RepositoryCard(View):
    """Where it is, the image's name, and the files that matter with what is in them."""

    directory: Path
    image: str
    files: Mapping[str, str]

    def blocks(self) -> Iterator[Block]:
        yield Line(f"{self.directory.name} is ready to be pushed to GitHub", strong=True)
        yield Line(f"There it is built and pushed as $DOCKER_ACC/{self.image}. It lies in {self.directory}.")
        for name, text in self.files.items():
            yield Details(name, [Listing(text)])
