"""The embedded engine: images, containers and builds of one directory. It knows no HTTP.

    store       everything on disk                images      names, archives, registries
    isolator    how a container runs              containers  their life, networks, volumes
    builder     a Dockerfile becomes an image     events      what happened

Here the rooms are put together, and nothing else is done.
"""

import json
import os
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from kit.engine.containers import clock
from kit.engine.containers.commit import CommitOptions
from kit.engine.containers.containers import Containers
from kit.engine.containers.execs import Execs
from kit.engine.containers.filters import Filters
from kit.engine.containers.listing import moment
from kit.engine.containers.logs import LogQuery
from kit.engine.containers.networks import Networks
from kit.engine.containers.streams import STDERR, STDOUT, Frame
from kit.engine.containers.volumes import Volumes
from kit.engine.images.catalogue import Catalogue
from kit.engine.images.progress import Message
from kit.engine.isolators.contract import Isolator
from kit.engine.lock import wall
from kit.engine.lock.binds import Folder
from kit.engine.lock.isolator import LockedIsolator
from kit.engine.lock.quota import Quota
from kit.engine.lock.terms import Terms
from kit.engine.registry.endpoints import Patience
from kit.engine.registry.endpoints import Settings as Registries
from kit.engine.store.files import write_whole
from kit.engine.store.store import Store
from kit.engine.system import about
from kit.engine.system.events import Events, Subscription
from kit.engine.system.isolation import PromisedIsolator
from kit.engine.system.usage import usage
from kit.layer.headers import Readable
from kit.oci.digest import ImageID

if TYPE_CHECKING:
    from kit.engine.build.builder import Builder
    from kit.engine.images.trading import Trade

Json = dict[str, Any]
IDENTITY = "engine"
"""The kind and key of the document that holds the engine's own ID."""


@dataclass(frozen=True)
class Settings:
    """What the owner of the machine decides. ``isolator`` "" is the best that works; ``lock`` is for strangers."""

    isolator: str = ""
    registries: Registries = field(default_factory=Registries)
    lock: Terms | None = None

    @classmethod
    def of(cls, isolator: str, environment: Mapping[str, str]) -> "Settings":
        """``environment``: LAYERLAB_REGISTRY_MIRROR, LAYERLAB_INSECURE_REGISTRIES.

        Raises:
            Invalid: a mirror that is no address.
        """
        return cls(isolator, Registries.of_environment(environment))

    def locked(self, terms: Terms) -> "Settings":
        """A locked engine speaks to its registries without a mirror, and gives up at once."""
        return Settings(self.isolator, Registries(patience=Patience(delays=())), terms)


class Engine:
    """An engine, started. One engine owns ``home``."""

    def __init__(self, home: Path, settings: Settings = Settings()) -> None:
        """
        Raises:
            Invalid: no isolator has that name.
            StoreInUse: another engine has this home.
        """
        self.home, self.settings = home, settings
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._store = Store(home / "store")
        self._events = Events()
        self._isolator = PromisedIsolator(settings.isolator, self._write_state)
        self._door, check_bind = self._lock(settings.lock)
        self._containers = Containers(
            self._store, self._door, root=home, emit=self._events.emit, check_bind=check_bind
        )
        self.images = Catalogue(self._store, self._containers, self._make_trade, self._events.emit)
        self._making = threading.Lock()
        self._restoring = threading.Thread(target=self._restore, name="restore", daemon=True)
        self._restoring.start()

    def _restore(self) -> None:
        """Puts in order what the engine before this one left, while the first questions are answered."""
        from kit.engine.build.builder import Builder

        self._builder = Builder(
            self._store, self._door, root=self.home / "build", pull=self.images.pull, emit=self._events.emit
        )
        self._containers.restore()

    def _lock(self, terms: Terms | None) -> tuple[Isolator, Callable[[str], None] | None]:
        """The door through which containers run, and what they may bind (None: everything)."""
        if terms is None:
            return self._isolator, None
        quota = Quota(self.home, disk=terms.disk, seconds=terms.seconds, end=lambda: os._exit(1))
        wall.build(terms, home=str(self.home), full=lambda: quota.full)
        return LockedIsolator(self._isolator, terms, quota, self.home), Folder(terms.folder).check

    def _write_state(self, isolation: about.Isolation) -> None:
        """``engine.json`` tells who is interested how containers run here."""
        state = {"isolator": isolation.name, "why": isolation.why, "version": about.own_version()}
        write_whole(self.home / "engine.json", json.dumps(state).encode(), sync=False)

    def close(self) -> None:
        """Stops every container and lets another engine have the home."""
        self.builder.close()
        self._containers.close()
        self._isolator.close()
        self._store.close()

    # the parts

    @property
    def containers(self) -> Containers:
        """All containers, once those of the engine before this one are put in order."""
        self._restoring.join()
        return self._containers

    @property
    def execs(self) -> Execs:
        return self.containers.execs

    @property
    def networks(self) -> Networks:
        return self.containers.networks

    @property
    def volumes(self) -> Volumes:
        return self.containers.volumes

    @cached_property
    def _trade(self) -> "Trade":
        from kit.engine.images.trading import Trade

        return Trade(self._store, self.settings.registries)

    def _make_trade(self) -> "Trade":
        with self._making:
            return self._trade

    @property
    def builder(self) -> "Builder":
        self._restoring.join()
        return self._builder

    # what needs more than one part, or values of theirs

    def filters(self, text: str) -> Filters:
        """What a list is filtered by.

        Raises:
            Invalid
        """
        return Filters.parse(text)

    def logs(
        self,
        name: str,
        *,
        stdout: bool,
        stderr: bool,
        since: str = "",
        until: str = "",
        tail: str = "all",
        timestamps: bool = False,
        follow: bool = False,
    ) -> Iterator[Frame]:
        """What a container wrote, a line at a time.

        Raises:
            NoSuchContainer, Invalid
        """
        query = LogQuery(
            stdout=stdout,
            stderr=stderr,
            since=clock.parse_moment(since),
            until=clock.parse_moment(until),
            tail=int(tail) if tail.isdecimal() else None,
            follow=follow,
        )
        return (
            Frame(
                STDOUT if line.stream == "stdout" else STDERR,
                (clock.as_text(line.time, fixed=True).encode() + b" " if timestamps else b"") + line.data,
            )
            for line in self.containers.logs(name, query)
        )

    def commit(
        self,
        name: str,
        words: Mapping[str, str],
        changes: Iterable[str] = (),
        *,
        pause: bool = True,
        config: Mapping[str, Any] = {},
    ) -> ImageID:
        """A new image of a container. ``words``: name, comment, author.

        Raises:
            NoSuchContainer, Invalid, Conflict
        """
        options = CommitOptions(**words, changes=tuple(changes), pause=pause, config=config)
        return self.containers.commit(name, options)

    def build(self, context: Readable, options: Mapping[str, Any]) -> tuple[Iterator[Message], Callable[[], None]]:
        """A build's progress, and what ends it early. ``options``: names and values of ``BuildOptions``.

        Raises:
            Invalid: a context, a Dockerfile or an option that can't be.
            NotFound, Unavailable: a remote context that can't be had.
        """
        from kit.engine.build.options import BuildOptions

        build = self.builder.build(cast(BinaryIO, context), BuildOptions(**options))
        return cast("Iterator[Message]", build), build.cancel

    def prune_builds(self, wanted: Filters, *, keep: int = 0) -> Json:
        """Empties the build cache. Filters: until."""
        wanted.check("until")
        ages = [(clock.now() - moment(text)) / clock.SECOND for text in wanted.values("until")]
        return self.builder.prune(older_than=max(ages, default=0.0), keep=keep)

    def version(self) -> Json:
        return about.version(self._isolator.isolation)

    def info(self) -> Json:
        identity = self._store.documents.find(IDENTITY, IDENTITY)
        if identity is None:
            identity = {"id": secrets.token_hex(16)}
            self._store.documents.put(IDENTITY, IDENTITY, identity)
        return about.info(
            self._store,
            self._isolator.isolation,
            key=identity["id"],
            containers=self.containers.list(Filters(), everything=True),
            insecure=self.settings.registries.insecure,
            mirror=self.settings.registries.mirror,
        )

    def usage(self) -> Json:
        return usage(self._store, self.containers, self.images.list(Filters()), self.builder.usage())

    def events(self, *, since: str = "", until: str = "", filters: str = "") -> Subscription:
        """
        Raises:
            Invalid
        """
        begin, end = clock.parse_moment(since), clock.parse_moment(until)
        return self._events.subscribe(since=begin, until=end, wanted=Filters.parse(filters))
