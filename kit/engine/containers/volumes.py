"""Volumes: directories that outlive the containers that see them.

Source: Docker Engine API, "Volume"; the refusals are dockerd's.
"""

import shutil
import threading
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from kit.engine.containers import clock, filters
from kit.engine.containers.events import Emit
from kit.engine.containers.mounts import check_volume_name, new_volume_name
from kit.engine.store.owned import OwnedTree
from kit.engine.store.store import Store
from kit.errors import Conflict, Invalid, NotFound

KIND = "volume"
Json = dict[str, Any]


class NoSuchVolume(NotFound):
    def __init__(self, name: str) -> None:
        super().__init__(f"get {name}: no such volume")


class VolumeInUse(Conflict):
    """Containers have it, running or not."""

    def __init__(self, name: str, users: Iterable[str]) -> None:
        super().__init__(f"remove {name}: volume is in use - [{', '.join(users)}]")


class NoSuchDriver(NotFound):
    def __init__(self, volume: str, driver: str) -> None:
        super().__init__(f'create {volume}: error looking up volume plugin {driver}: plugin "{driver}" not found')


class Volumes:
    """All volumes of the engine, below ``root``. ``users`` tells which containers have a volume.

    ``real_owners``: files have their owners on disk.
    """

    def __init__(
        self, root: Path, store: Store, *, users: Callable[[str], list[str]], emit: Emit, real_owners: bool
    ) -> None:
        self._root, self._documents = root, store.documents
        self._users, self._emit, self._real_owners = users, emit, real_owners
        self._lock = threading.Lock()
        root.mkdir(parents=True, exist_ok=True)

    def create(
        self,
        name: str = "",
        *,
        driver: str = "",
        labels: Mapping[str, str] | None = None,
        options: Json | None = None,
    ) -> Json:
        """The volume's document; the one that exists, if the name is taken. "" makes an anonymous one."""
        name = name or new_volume_name()
        if driver not in ("", "local"):
            raise NoSuchDriver(name, driver)
        check_volume_name(name)
        if options:
            unknown = sorted(set(options) - {"type", "device", "o"})
            problem = (
                f'invalid option: "{unknown[0]}"' if unknown else "mounting needs privileges that it does not have"
            )
            raise Invalid(f"create {name}: this engine keeps volumes as plain directories: {problem}")
        with self._lock:
            known = self._documents.find(KIND, name)
            if known is not None:
                return self._shown(known)
            self.directory(name).mkdir(parents=True, exist_ok=True)
            document = {"Name": name, "CreatedAt": clock.as_text(clock.now() // clock.SECOND * clock.SECOND),
                        "Labels": None if labels is None else dict(labels), "Options": options}  # fmt: skip
            self._documents.put(KIND, name, document)
        self._emit(KIND, "create", name, {"driver": "local"})
        return self._shown(document)

    def directory(self, name: str) -> Path:
        """Where its content is."""
        return self._root / name / "_data"

    def owners(self, name: str) -> Path:
        """The ownership journal beside its content."""
        return self._root / name / "owners"

    def files(self, name: str) -> OwnedTree:
        """Its content, with owners."""
        return OwnedTree(self.directory(name), self.owners(name), real_owners=self._real_owners)

    def inspect(self, name: str) -> Json:
        """
        Raises:
            NoSuchVolume
        """
        document = self._documents.find(KIND, name)
        if document is None:
            raise NoSuchVolume(name)
        return self._shown(document)

    def list(self, wanted: filters.Filters) -> list[Json]:
        """Documents in the order of their names. Filters: name, label, driver, dangling."""
        wanted.check("name", "label", "driver", "dangling")
        return [
            volume
            for _, volume in sorted((str(row["Name"]), self._shown(row)) for row in self._all())
            if wanted.part("name", volume["Name"])
            and wanted.one_of("driver", ["local"])
            and wanted.labels(volume["Labels"] or {})
            and wanted.flag("dangling", partial(self._is_unused, volume["Name"]))
        ]

    def _is_unused(self, name: str) -> bool:
        return not self._users(name)

    def _all(self) -> Iterable[Json]:
        return [dict(document) for document in self._documents.all(KIND).values()]

    def remove(self, name: str, *, force: bool = False) -> None:
        """
        Raises:
            NoSuchVolume: not with ``force``.
            VolumeInUse
        """
        with self._lock:
            if self._documents.find(KIND, name) is None:
                if force:
                    return
                raise NoSuchVolume(name)
            if users := self._users(name):
                raise VolumeInUse(name, users)
            self._documents.delete(KIND, name)
            shutil.rmtree(self._root / name, ignore_errors=True)
        self._emit(KIND, "destroy", name, {"driver": "local"})

    def prune(self, wanted: filters.Filters) -> Json:
        """Removes the volumes that no container has. Filters: label."""
        wanted.check("label", "label!", "all")
        deleted, freed = [], 0
        for document in self._all():
            name = document["Name"]
            if not self._users(name) and wanted.labels(document["Labels"] or {}):
                size = self.size(name)
                self.remove(name, force=True)
                deleted.append(name)
                freed += size
        return {"VolumesDeleted": deleted or None, "SpaceReclaimed": freed}

    def size(self, name: str) -> int:
        """Bytes of its files."""
        return sum(path.lstat().st_size for path in self.directory(name).rglob("*") if path.is_file())

    def _shown(self, document: Json) -> Json:
        return {
            "CreatedAt": document["CreatedAt"],
            "Driver": "local",
            "Labels": document["Labels"],
            "Mountpoint": str(self.directory(document["Name"])),
            "Name": document["Name"],
            "Options": document["Options"],
            "Scope": "local",
        }
