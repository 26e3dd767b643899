"""All containers: what the API asks for, by the container's name.

This is the door of the room. Each method finds the container, then leaves the work to the module that it
belongs to.
"""

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from kit.engine.containers import attach as attaching
from kit.engine.containers import clock, copying, documents, keeping, limits, linking, listing, mounts, processes
from kit.engine.containers import commit as committing
from kit.engine.containers import settings as settings_of
from kit.engine.containers.attach import Attachment
from kit.engine.containers.commit import CommitOptions
from kit.engine.containers.container import Container
from kit.engine.containers.events import Emit
from kit.engine.containers.execs import Execs
from kit.engine.containers.filters import Filters
from kit.engine.containers.lifecycle import Lifecycle, NotRunning
from kit.engine.containers.logs import LogLine, LogQuery
from kit.engine.containers.mounts import MountPoint
from kit.engine.containers.networks import Networks
from kit.engine.containers.ports import Publisher
from kit.engine.containers.roster import Roster
from kit.engine.containers.services import Services
from kit.engine.containers.states import State
from kit.engine.containers.volumes import Volumes
from kit.engine.isolators.contract import Isolator
from kit.engine.store.store import Store
from kit.errors import Conflict, Invalid, KitError
from kit.layer.headers import Readable
from kit.oci.config import ImageConfig
from kit.oci.digest import ImageID

Json = dict[str, Any]
Rows = list[Json]
Users = list[str]


class Containers:
    """The containers, networks and volumes of one engine. ``root`` is this room's own directory.

    ``check_bind`` raises for a path of the machine that may not be shown to containers; None: every path may.
    """

    def __init__(
        self,
        store: Store,
        isolator: Isolator,
        *,
        root: Path,
        emit: Emit = lambda *_: None,
        check_bind: Callable[[str], None] | None = None,
    ) -> None:
        roster = Roster(root / "containers", store)
        networks = Networks(store, members=self._members, emit=emit)
        volumes = Volumes(
            root / "volumes", store, users=self.users_of_volume, emit=emit, real_owners=isolator.real_owners
        )
        self._services = Services(root, store, isolator, roster, networks, volumes, Publisher(), emit)
        self._roster, self.networks, self.volumes = roster, networks, volumes
        self.execs = Execs(store, roster, emit)
        self._life, self._check_bind = Lifecycle(self._services, self.execs), check_bind

    def restore(self) -> None:
        """After a start of the engine: finishes what its end cut off, and starts what restart policies ask for."""
        self._life.restore()

    def close(self) -> None:
        """Stops every container, for the end of the engine."""
        self._life.close()
        self._services.publisher.close()

    # make and remove

    def create(self, body: Mapping[str, Any], name: str = "") -> tuple[str, list[str]]:
        """Makes a container of the create request's body; its id, and warnings about what can't be given to it.

        Raises:
            Invalid, NameInUse, NotFound: in dockerd's words.
        """
        key = secrets.token_hex(32)
        image, config = self._image(str(body.get("Image") or ""))
        with self._roster.reserved(name, key) as name:
            settings = settings_of.complete(body, config.run, container=key, image_name=str(body.get("Image") or ""))
            linking.check_links(self._services, settings.host)
            container = Container(
                id=key,
                name=name,
                created=clock.now(),
                image=image,
                settings=settings,
                mounts=self._mounts(settings),
                endpoints={},
                directory=self._roster.directory(key),
            )
            asked = (body.get("NetworkingConfig") or {}).get("EndpointsConfig") or {}
            container.endpoints = linking.endpoints_of(self._services, container, asked)
            keeping.furnish(self._services, container, config.diff_ids)
            self._roster.add(container)
        self._services.tell(container, "create")
        return key, limits.warnings(settings.host)

    def _image(self, text: str) -> tuple[ImageID, ImageConfig]:
        if not text:
            raise Invalid("no image was named: give one in Image")
        image = self._services.store.images.resolve(text)
        return image, self._services.store.images.get(image)

    def _mounts(self, settings: settings_of.Settings) -> tuple[MountPoint, ...]:
        others = []
        for spec in settings.host["VolumesFrom"] or ():
            name, mode = mounts.parse_volumes_from(spec)
            others.append(keeping.borrowed(self._roster.find(name), mode))
        found = mounts.collect(settings.host, settings.config["Volumes"] or (), others)
        return tuple(keeping.with_volume(self._services, self._checked(mount)) for mount in found)

    def _checked(self, mount: MountPoint) -> MountPoint:
        """The mount if it may be. Where not every path may be bound, none is made either."""
        if mount.kind != "bind" or self._check_bind is None:
            return mount
        self._check_bind(mount.source)
        return replace(mount, from_bind=False)

    def remove(self, name: str, *, force: bool = False, volumes: bool = False, link: bool = False) -> None:
        """
        Raises:
            NoSuchContainer, Refused
        """
        if link:
            self._remove_link(name)
            return
        self._life.remove(self._roster.find(name), force=force, volumes=volumes)

    def _remove_link(self, name: str) -> None:
        """``docker rm --link container/alias``."""
        owner, _, alias = name.strip("/").rpartition("/")
        if not owner:
            raise Conflict("Conflict, cannot remove the default link name of the container")
        container = self._roster.find(owner)
        with container.lock:
            links = container.settings.host["Links"] or []
            kept = [row for row in links if row.partition(":")[2].rpartition("/")[2] != alias]
            if kept == links:
                raise KitError(f"Could not get parent {owner} for link {alias}")
            container.settings.host["Links"] = kept or None
            self._roster.save(container)

    def prune(self, wanted: Filters) -> Json:
        """Removes those that don't run. Filters: until, label."""
        deleted, freed = [], 0
        for container in listing.prunable(self._services, wanted):
            with container.lock:
                size = documents.sizes(self._services, container)["SizeRw"]
            self._life.remove(container)
            deleted.append(container.id)
            freed += size
        return {"ContainersDeleted": deleted or None, "SpaceReclaimed": freed}

    # run

    def start(self, name: str) -> bool:
        """False if it runs already.

        Raises:
            NoSuchContainer, Refused, NotStarted and what else stands in the way.
        """
        return self._life.start(self._roster.find(name))

    def stop(self, name: str, timeout: int | None = None) -> bool:
        """False if it didn't run. ``timeout`` seconds until SIGKILL; None is its own, negative never."""
        return self._life.stop(self._roster.find(name), timeout)

    def restart(self, name: str, timeout: int | None = None) -> None:
        self._life.restart(self._roster.find(name), timeout)

    def kill(self, name: str, signal: str = "") -> None:
        """
        Raises:
            NoSuchContainer
            Invalid: no such signal.
            Conflict: it doesn't run.
        """
        container = self._roster.find(name)
        self._life.kill(container, settings_of.signal_number(signal or "SIGKILL"), called=name)

    def pause(self, name: str) -> None:
        self._life.pause(self._roster.find(name))

    def unpause(self, name: str) -> None:
        self._life.unpause(self._roster.find(name))

    def waiter(self, name: str, condition: str = "") -> Callable[[], int]:
        """What waits for the condition ("not-running", "next-exit", "removed") and returns the exit code.

        "next-exit" counts from now, not from when the waiting begins.

        Raises:
            NoSuchContainer
            Invalid: an unknown condition.
        """
        if condition not in ("", "not-running", "next-exit", "removed"):
            raise Invalid(f'invalid condition: "{condition}"')
        return self._life.waiter(self._roster.find(name), condition)

    def wait(self, name: str, condition: str = "") -> int:
        """As ``waiter``, at once."""
        return self.waiter(name, condition)()

    def rename(self, name: str, new: str) -> None:
        """
        Raises:
            NoSuchContainer, Conflict, Invalid
        """
        if not name or not new:
            raise Invalid("Neither old nor new names may be empty")
        container = self._roster.find(name)
        with container.lock:
            old = self._roster.rename(container, new)
        linking.tell_names(self._services, container)
        self._services.tell(container, "rename", oldName=f"/{old}")

    def update(self, name: str, body: Mapping[str, Any]) -> list[str]:
        """Changes limits and the restart policy; warnings about what can't be given.

        Raises:
            NoSuchContainer, Invalid, Conflict
        """
        container = self._roster.find(name)
        with container.lock:
            if container.state in (State.REMOVING, State.DEAD):
                raise Conflict(
                    f'Cannot update container {container.id}: Container is marked for removal and cannot be "update".'
                )
            changed = settings_of.updated(container.settings, body)
            container.settings = changed
            self._roster.save(container)
        self._services.tell(container, "update")
        return limits.warnings({key: value for key, value in body.items() if key != "RestartPolicy"})

    # streams

    def attach(
        self,
        name: str,
        *,
        stdin: bool,
        stdout: bool,
        stderr: bool,
        logs: bool = False,
        stream: bool = True,
        keys: str = "",
    ) -> Attachment:
        """Attached to its present run or, before a start, to the next one. ``logs``: what was written is told first.

        Raises:
            NoSuchContainer
            Conflict: it is paused.
        """
        container = self._roster.find(name)
        if container.state is State.PAUSED:
            raise Conflict(f"Container {name} is paused, unpause the container before attach.")
        if container.state is State.RESTARTING:
            raise Conflict(f"Container {name} is restarting, wait until the container is running")
        past = container.log.read(LogQuery(stdout, stderr)) if logs else iter(())
        with container.lock:
            attachment = Attachment(
                container.open_console(),
                stdout=stdout,
                stderr=stderr,
                once=container.settings.stdin_once,
                keys=attaching.parse_detach_keys(keys),
                past=past,
            )
        if not stream:
            attachment.close()
        self._services.tell(container, "attach")
        return attachment

    def resize(self, name: str, rows: int, columns: int) -> None:
        """
        Raises:
            NoSuchContainer
            Conflict: it doesn't run.
        """
        container = self._roster.find(name)
        with container.lock:
            if container.run is None or container.console is None:
                raise NotRunning(container)
            container.console.resize(rows, columns)
        self._services.tell(container, "resize", height=str(rows), width=str(columns))

    def is_terminal(self, name: str) -> bool:
        """Whether its output comes without frames."""
        return self._roster.find(name).settings.tty

    def logs(self, name: str, query: LogQuery) -> Iterator[LogLine]:
        """
        Raises:
            NoSuchContainer
            Invalid: neither stream was asked for, or its output isn't kept.
        """
        container = self._roster.find(name)
        if not (query.stdout or query.stderr):
            raise Invalid("Bad parameters: you must choose at least one stream")
        if container.settings.log_driver == "none":
            raise KitError("configured logging driver does not support reading")
        return container.log.read(query)

    # look

    def inspect(self, name: str, *, size: bool = False) -> Json:
        """
        Raises:
            NoSuchContainer
        """
        container = self._roster.find(name)
        with container.lock:
            document = documents.inspect(self._services, self.execs, container)
            if size:
                document |= documents.sizes(self._services, container)
        return document

    def list(self, wanted: Filters, *, everything: bool = False, limit: int = 0, size: bool = False) -> Rows:
        """Rows of ``docker ps``, newest first."""
        rows = []
        for container in listing.select(self._services, wanted, everything=everything, limit=limit):
            with container.lock:
                if not container.removed:
                    rows.append(documents.summary(self._services, container, size=size))
        return rows

    def top(self, name: str, arguments: str = "") -> Json:
        """
        Raises:
            NoSuchContainer
            Conflict: it doesn't run.
        """
        container = self._roster.find(name)
        run = container.run
        if run is None:
            raise NotRunning(container)
        self._services.tell(container, "top")
        return processes.top(run.running.processes(), arguments or "-ef")

    def stats(self, name: str, previous: Json | None = None) -> Json:
        """One sample; ``previous`` is the one before.

        Raises:
            NoSuchContainer
        """
        container = self._roster.find(name)
        run = container.run
        pids = run.running.processes() if run is not None else ()
        limit = container.settings.host["Memory"] or None
        sample = processes.stats(pids, limit=limit, previous=previous)
        networks = {"eth0": dict.fromkeys(_TRAFFIC, 0)} if pids and container.settings.network_mode != "none" else {}
        return {
            **sample,
            "name": f"/{container.name}",
            "id": container.id,
            **({"networks": networks} if networks else {}),
        }

    def changes(self, name: str) -> Rows:
        """``docker diff``: what differs from its image.

        Raises:
            NoSuchContainer
        """
        return copying.changes(self._services, self._roster.find(name))

    # files

    def stat(self, name: str, path: str) -> Json:
        """Docker's ``ContainerPathStat``.

        Raises:
            NoSuchContainer, NoSuchFile
        """
        return copying.stat(self._services, self._roster.find(name), path)

    def archive(self, name: str, path: str) -> Iterator[bytes]:
        """A tar of ``path``, as ``docker cp`` gets it.

        Raises:
            NoSuchContainer, NoSuchFile
        """
        return copying.archive(self._services, self._roster.find(name), path)

    def extract(
        self, name: str, path: str, tar: Readable, *, keep_kind: bool = False, copy_owner: bool = False
    ) -> None:
        """Unpacks ``tar`` (a readable file) in the directory ``path``.

        ``keep_kind``: a directory and a non-directory don't replace each other. ``copy_owner``: everything is
        the container's user's.

        Raises:
            NoSuchContainer, NoSuchFile, ReadOnly, Invalid
        """
        container = self._roster.find(name)
        copying.extract(self._services, container, path, tar, keep_kind=keep_kind, copy_owner=copy_owner)

    def export(self, name: str) -> Iterator[bytes]:
        """A tar of its whole root file system."""
        return copying.export(self._services, self._roster.find(name))

    def commit(self, name: str, options: CommitOptions) -> ImageID:
        """
        Raises:
            NoSuchContainer, Invalid, Conflict
        """
        return committing.commit(self._services, self._life, self._roster.find(name), options)

    # networks and volumes

    def connect(self, network: str, body: Mapping[str, Any]) -> None:
        """``docker network connect``."""
        container = self._roster.find(str(body.get("Container") or ""))
        with container.lock:
            linking.connect(self._services, container, network, body.get("EndpointConfig") or {})
            self._roster.save(container)

    def disconnect(self, network: str, body: Mapping[str, Any]) -> None:
        """``docker network disconnect``."""
        container = self._roster.find(str(body.get("Container") or ""))
        with container.lock:
            linking.disconnect(self._services, container, network, force=bool(body.get("Force")))
            self._roster.save(container)

    def _members(self, network: str) -> dict[str, Json]:
        return {
            container.id: documents.member(container, network)
            for container in self._roster.all()
            if network in container.endpoints and container.endpoints[network].endpoint_id
        }

    def users_of_volume(self, name: str) -> Users:
        """Ids of the containers that have the volume."""
        return [
            container.id
            for container in self._roster.all()
            if any(mount.kind == "volume" and mount.name == name for mount in container.mounts)
        ]

    def users_of_image(self, image: ImageID) -> Sequence[tuple[str, bool]]:
        """Id, and whether it runs, of the containers made of the image."""
        return [(container.id, container.up) for container in self._roster.all() if container.image == image]


_TRAFFIC = ("rx_bytes", "rx_packets", "rx_errors", "rx_dropped", "tx_bytes", "tx_packets", "tx_errors", "tx_dropped")
