"""A container, looked at: ``kit.container``.

A container is an image's layers, which nobody can write to, and one layer of its own above them, which goes when
the container goes. What was changed there is what ``docker diff`` lists and what ``docker commit`` keeps.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import docker

from kit.errors import NotFound
from kit.lab.asking import asking
from kit.lab.connect import Lab, connect
from kit.lab.serving import ask
from kit.views.blocks import View
from kit.views.models.container import ContainerCard

_LETTERS = {0: "C", 1: "A", 2: "D"}
_NEVER = "0001-01-01"
"""How an engine writes a time that never was."""


class NoSuchContainer(NotFound):
    """The engine has no container of that name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no container {name!r} here")
        self.name = name


@dataclass(frozen=True, repr=False)
class Container(View):
    """A container as it is now. ``status`` in the engine's word: created, running, exited …

    ``started``: whether it ever ran. ``changes``: letter (A added, C changed, D deleted) and path, in path order.
    ``volumes``: the paths whose files are in no layer.
    """

    name: str
    image: str
    status: str
    started: bool
    command: tuple[str, ...]
    changes: tuple[tuple[str, str], ...]
    layers: int
    volumes: tuple[str, ...]
    lab: Lab

    def get(self, path: str = "/", port: int = 80) -> str:
        """The answer of the web server in it, to a client in the same container.

        Raises:
            Unavailable: nobody answers there.
        """
        with asking(self.lab):
            return ask(self.lab.client.api, self.name, port, path)

    def blocks(self) -> Iterator[Any]:
        return ContainerCard(
            self.name, self.image, self.status, self.started, self.command, self.changes, self.layers, self.volumes
        ).blocks()


def container(name: str, *, lab: Lab | None = None) -> Container:
    """Look at a container by its name or ID.

    Raises:
        NoSuchContainer: the engine has none.
    """
    lab = lab or connect()
    api = lab.client.api
    with asking(lab):
        try:
            found = api.inspect_container(name)
        except (docker.errors.NotFound, docker.errors.NullResource) as error:
            raise NoSuchContainer(name) from error
        changes = api.diff(found["Id"]) or []
        image = api.inspect_image(found["Image"])
    return _container(found, changes, image, lab)


def _container(found: Any, changes: Any, image: Any, lab: Lab) -> Container:
    return Container(
        name=found["Name"].removeprefix("/"),
        image=found["Config"]["Image"],
        status=found["State"]["Status"],
        started=not found["State"]["StartedAt"].startswith(_NEVER),
        command=(found["Path"], *found["Args"]),
        changes=tuple(sorted(((_LETTERS[one["Kind"]], one["Path"]) for one in changes), key=lambda pair: pair[1])),
        layers=len(image["RootFS"].get("Layers") or ()),
        volumes=tuple(sorted(mount["Destination"] for mount in found.get("Mounts") or ())),
        lab=lab,
    )
