"""A store with the catalogue of its images, and images made of a few files."""

import io
import itertools
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from kit.engine.images.catalogue import Catalogue
from kit.engine.store.store import Store
from kit.oci.config import History, ImageConfig, RunConfig
from kit.oci.digest import ImageID
from kit.oci.reference import parse_reference


def tar_of(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return out.getvalue()


class Users:
    """Who uses which image: what the catalogue asks of the containers."""

    def __init__(self) -> None:
        self.rows: dict[ImageID, list[tuple[str, bool]]] = {}

    def users_of_image(self, image: ImageID) -> list[tuple[str, bool]]:
        return self.rows.get(image, [])


class Room:
    """The catalogue under test, its store, and what it told."""

    def __init__(self, root: Path) -> None:
        self.store, self.users = Store(root), Users()
        self.events: list[tuple[str, str]] = []
        self.catalogue = self._catalogue()
        self._count = itertools.count(1)

    def _catalogue(self) -> Catalogue:
        def no_registry() -> Any:
            raise AssertionError("no registry is asked here")

        return Catalogue(self.store, self.users, no_registry, lambda *event: self.events.append((event[1], event[2])))  # type: ignore[arg-type]

    def image(self, *tags: str, parent: ImageID | None = None, labels: Mapping[str, str] = {}) -> ImageID:
        """An image with one layer more than ``parent``; each is a second younger than the one before."""
        number = next(self._count)
        layer = self.store.layers.add(io.BytesIO(tar_of({f"file{number}": b"x" * number})))
        below = self.store.images.get(parent) if parent else None
        created = f"2024-01-01T00:00:{number:02d}Z"
        config = ImageConfig.of(
            run=RunConfig(labels=labels, cmd=("sh",)),
            diff_ids=[*(below.diff_ids if below else ()), layer.diff_id],
            history=[*(below.history if below else ()), History(created_by=f"step {number}", created=created)],
            created=created,
        )
        image = self.store.images.put(config, parent=parent)
        for tag in tags:
            self.store.images.tag(parse_reference(tag), image)
        return image


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    room = Room(tmp_path / "store")
    yield room
    room.store.close()
