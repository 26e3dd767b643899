"""Bounds on a container as a whole: a control group where we may make one, resource limits where not.

Source: the kernel's cgroup-v1 and cgroup-v2 documents.
"""

import os
import resource
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PARENT = "layerlab"
SOCKETS = "sockets"
"""Not a controller: the group of the second version that the kernel knows a container's sockets by."""


@dataclass(frozen=True)
class Group:
    """The control groups of one container, by what they bound. What none could be made for is missing."""

    directories: Mapping[str, Path]

    @property
    def can_freeze(self) -> bool:
        return "freezer" in self.directories

    def join(self) -> None:
        """Moves this process, and so its children, in."""
        for directory in set(self.directories.values()):
            (directory / "cgroup.procs").write_text("0")

    def freeze(self, still: bool) -> None:
        """Stops every process at once, or lets them go on."""
        directory = self.directories["freezer"]
        if (directory / "cgroup.freeze").exists():
            (directory / "cgroup.freeze").write_text("1" if still else "0")
            return
        wanted = "FROZEN" if still else "THAWED"
        (directory / "freezer.state").write_text(wanted)
        while (
            directory / "freezer.state"
        ).read_text().strip() != wanted:  # FREEZING lasts while processes are caught.
            (directory / "freezer.state").write_text(wanted)

    def remove(self) -> None:
        """May be repeated; a group that still holds processes stays."""
        for directory in set(self.directories.values()):
            with suppress(OSError):
                directory.rmdir()


def make(name: str, *, pids: int | None, memory: int | None) -> Group:
    """A group of that name, with the bounds set that this machine lets us set."""
    directories: dict[str, Path] = {}
    for controller, parent in _parents().items():
        directory = parent / name
        with suppress(OSError):
            directory.mkdir(parents=True, exist_ok=True)
            if controller == "pids" and pids:
                (directory / "pids.max").write_text(str(pids))
            if controller == "memory" and memory:
                file = "memory.max" if (directory / "memory.max").exists() else "memory.limit_in_bytes"
                (directory / file).write_text(str(memory))
            directories[controller] = directory
    return Group(directories)


def bound_by_limits(group: Group, *, pids: int | None, memory: int | None) -> None:
    """For what the group can't bound: limits of this process, which its children inherit."""
    wanted = {"pids": (resource.RLIMIT_NPROC, pids), "memory": (resource.RLIMIT_AS, memory)}
    for controller, (limit, value) in wanted.items():
        if value and controller not in group.directories:
            resource.setrlimit(limit, (value, value))


def sweep() -> None:
    """Removes groups that an engine which was killed has left; those in use stay.

    Groups are named by the keeper's process: one that lives may have made its group and not filled it yet.
    """
    for parent in set(_parents().values()):
        for directory in parent.glob("*/"):
            if not Path("/proc", directory.name).exists():
                with suppress(OSError):
                    directory.rmdir()


def _parents() -> dict[str, Path]:
    """Per controller, the directory that our groups stand in."""
    own: dict[str, str] = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        own |= dict.fromkeys(controllers.split(","), path.lstrip("/"))
    found: dict[str, Path] = {}
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, place, kind, options, *_ = line.split()
        if kind == "cgroup":
            for controller in {"pids", "memory", "freezer"} & set(options.split(",")):
                found[controller] = _writable(Path(place), own.get(controller, "")) / _PARENT
        elif kind == "cgroup2":
            second = _second_version(Path(place), own.get("", ""))
            found = second | found
    return {controller: parent for controller, parent in found.items() if os.access(parent.parent, os.W_OK)}


def _writable(mount: Path, own: str) -> Path:
    return mount / own if os.access(mount / own, os.W_OK) else mount


def _second_version(mount: Path, own: str) -> dict[str, Path]:
    """What the second version gives: bounds where it has the controllers, else at least a name for our sockets."""
    for base in dict.fromkeys((mount / own, mount)):
        parent = base / _PARENT
        with suppress(OSError):
            for directory in (base, parent):
                directory.mkdir(exist_ok=True)
                (directory / "cgroup.subtree_control").write_text("+pids +memory")
            return dict.fromkeys(("pids", "memory", "freezer", SOCKETS), parent)
    return {SOCKETS: mount / _PARENT}
