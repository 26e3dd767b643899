"""What the parts of this room work with: the store, the isolator, and the things that containers share."""

from dataclasses import dataclass
from pathlib import Path

from kit.engine.containers.container import Container
from kit.engine.containers.events import Emit
from kit.engine.containers.networks import Networks
from kit.engine.containers.ports import Publisher
from kit.engine.containers.roster import Roster
from kit.engine.containers.volumes import Volumes
from kit.engine.isolators.contract import Isolator
from kit.engine.store.store import Store


@dataclass(frozen=True)
class Services:
    """``root`` is this room's own directory."""

    root: Path
    store: Store
    isolator: Isolator
    roster: Roster
    networks: Networks
    volumes: Volumes
    publisher: Publisher
    emit: Emit

    def tell(self, container: Container, action: str, **more: str) -> None:
        """An event of ``container``."""
        attributes = {
            **container.settings.labels,
            "image": container.settings.config["Image"],
            "name": container.name,
        }
        self.emit("container", action, container.id, {**attributes, **more})
