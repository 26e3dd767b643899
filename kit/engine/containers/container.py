"""One container: what it was asked to be, how it fares, and what runs.

The first two are its document, which outlives the engine. What runs lives in memory and ends with the engine.
Every change happens under ``lock``; ``changed`` wakes those who wait for one.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.engine.containers import states
from kit.engine.containers.logs import Log
from kit.engine.containers.mounts import MountPoint
from kit.engine.containers.ports import Published
from kit.engine.containers.settings import Settings
from kit.engine.containers.states import Action, State
from kit.engine.containers.streams import Console
from kit.engine.isolators.addresses import Address
from kit.engine.isolators.contract import Running
from kit.oci.digest import ImageID

if TYPE_CHECKING:
    from kit.engine.containers.health import Monitor

Json = dict[str, Any]

KILLED_WITH_ENGINE = 137
"""The exit code of a container whose engine was killed: its processes ended with SIGKILL."""


@dataclass
class Status:
    """How a container fares. Times are nanoseconds since 1970, 0 is never."""

    state: State = State.CREATED
    exit_code: int = 0
    error: str = ""
    started: int = 0
    finished: int = 0
    restarts: int = 0
    stopped_by_hand: bool = False
    """``docker stop`` or ``kill``: no restart policy brings it back."""


@dataclass
class Endpoint:
    """A container's place on a network. ``address`` is "" while it doesn't run."""

    network: str
    network_id: str = ""
    aliases: tuple[str, ...] | None = None
    links: tuple[str, ...] | None = None
    ipam: Mapping[str, Any] | None = None
    driver_options: Mapping[str, str] | None = None
    mac_address: str = ""
    endpoint_id: str = ""
    address: str = ""


@dataclass
class Run:
    """What exists while the container runs."""

    running: Running
    published: Published
    address: Address | None
    network_address: str
    monitor: "Monitor | None" = None


@dataclass(eq=False)
class Container:
    """``directory`` holds its log and the files that it is lent."""

    id: str
    name: str
    created: int
    image: ImageID
    settings: Settings
    mounts: tuple[MountPoint, ...]
    endpoints: dict[str, Endpoint]
    directory: Path
    status: Status = field(default_factory=Status)

    def __post_init__(self) -> None:
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.log = Log(self.directory / f"{self.id}-json.log")
        self.run: Run | None = None
        self.console: Console | None = None
        self.exits = 0
        """Runs that have ended since the engine started."""
        self.removed = False
        self.keep = False
        """``docker restart`` is under way: ``--rm`` waits."""

    @property
    def state(self) -> State:
        return self.status.state

    @property
    def alive(self) -> bool:
        return self.state in states.ALIVE

    @property
    def up(self) -> bool:
        """Docker's ``Running``: also between two runs of a restart policy."""
        return self.state in states.UP

    @property
    def short_id(self) -> str:
        return self.id[:12]

    def apply(self, action: Action) -> None:
        """The next state. Under ``lock``.

        Raises:
            Refused
        """
        self.status.state = states.after(self.id, self.state, action)
        self.changed.notify_all()

    def check(self, action: Action) -> None:
        """
        Raises:
            Refused: ``action`` is not possible now.
        """
        states.after(self.id, self.state, action)

    def open_console(self) -> Console:
        """The console of the present run or, before a start, of the next one. Under ``lock``."""
        if self.console is None:
            recorder = None if self.settings.log_driver == "none" else self.log
            self.console = Console(terminal=self.settings.tty, stdin=self.settings.open_stdin, recorder=recorder)
        return self.console

    def to_json(self) -> Json:
        """The document that the store keeps."""
        return {
            "id": self.id,
            "name": self.name,
            "created": self.created,
            "image": self.image,
            "config": self.settings.config,
            "host": self.settings.host,
            "mounts": [vars(mount) for mount in self.mounts],
            "endpoints": [vars(endpoint) for endpoint in self.endpoints.values()],
            "status": vars(self.status),
        }

    @classmethod
    def of_json(cls, data: Mapping[str, Any], directory: Path) -> "Container":
        status = Status(**data["status"])
        status.state = State(status.state)
        endpoints = [Endpoint(**_tuples(row)) for row in data["endpoints"]]
        return cls(
            id=data["id"],
            name=data["name"],
            created=data["created"],
            image=ImageID(data["image"]),
            settings=Settings(dict(data["config"]), dict(data["host"])),
            mounts=tuple(MountPoint(**row) for row in data["mounts"]),
            endpoints={endpoint.network: endpoint for endpoint in endpoints},
            directory=directory,
            status=status,
        )


def _tuples(row: Mapping[str, Any]) -> Json:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
