"""Mount points: which directory of the host, or which volume, a container sees where.

Four ways lead to the same value: ``-v`` (Binds), ``--mount`` (Mounts), VOLUME of the image, ``--volumes-from``;
``--tmpfs`` is a fifth that Docker keeps apart.

Source: Docker Engine API, "MountPoint" and "Mount"; dockerd's volume parser for the texts.
"""

import posixpath
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kit.errors import Invalid

_VOLUME_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")
_PROPAGATION = ("private", "rprivate", "shared", "rshared", "slave", "rslave")
_CONSISTENCY = ("consistent", "cached", "delegated", "default")
_LABELS = ("z", "Z")


@dataclass(frozen=True)
class MountPoint:
    """One mount of a container, as its document keeps it.

    ``kind`` is bind, volume or tmpfs; ``name`` a volume's; ``source`` the directory or file on the host, ""
    until the volume exists; ``copy``: an empty volume first gets what the image has there.
    """

    kind: str
    target: str
    name: str = ""
    source: str = ""
    read_only: bool = False
    mode: str = ""
    copy: bool = True
    driver: str = ""
    propagation: str = ""
    anonymous: bool = False
    from_bind: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Docker's ``Mounts`` row."""
        row: dict[str, Any] = {"Type": self.kind}
        if self.name:
            row["Name"] = self.name
        row |= {"Source": self.source, "Destination": self.target}
        if self.kind == "volume":
            row["Driver"] = self.driver or "local"
        return row | {"Mode": self.mode, "RW": not self.read_only, "Propagation": self.propagation}


class InvalidVolumeName(Invalid):
    def __init__(self, name: str) -> None:
        super().__init__(
            f'create {name}: "{name}" includes invalid characters for a local volume name, only '
            '"[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path'
        )


def check_volume_name(name: str) -> None:
    """
    Raises:
        Invalid
    """
    if len(name) == 1:
        raise Invalid(
            f"create {name}: volume name is too short, names should be at least two alphanumeric characters"
        )
    if not _VOLUME_NAME.fullmatch(name):
        raise InvalidVolumeName(name)


def parse_bind(spec: str) -> MountPoint:
    """``source:target[:mode]``, or a target alone for an anonymous volume.

    Raises:
        Invalid: in dockerd's words.
    """
    parts = spec.split(":")
    if not all(parts) or len(parts) > 3:
        raise Invalid(f"invalid volume specification: '{spec}'")
    mode = parts[2] if len(parts) == 3 else ""
    source, target = (parts[0], parts[1]) if len(parts) > 1 else ("", parts[0])
    options = mode.split(",") if mode else []
    known = (*_PROPAGATION, *_CONSISTENCY, *_LABELS, "ro", "rw", "nocopy")
    if any(option not in known for option in options):
        raise Invalid(f"invalid mode: {mode}")
    if source.startswith("/"):
        kind, name = "bind", ""
        propagation = next((option for option in options if option in _PROPAGATION), "rprivate")
    else:
        kind, name, propagation = "volume", source, ""
    _check_target(target, f"invalid volume specification: '{spec}': invalid mount config for type \"{kind}\": ")
    if name:
        check_volume_name(name)
    return MountPoint(
        kind,
        posixpath.normpath(target),
        name=name,
        source=posixpath.normpath(source) if kind == "bind" else "",
        read_only="ro" in options,
        mode=mode or ("z" if kind == "volume" else ""),
        copy=kind == "volume" and "nocopy" not in options,
        propagation=propagation,
        anonymous=kind == "volume" and not name,
        from_bind=True,
    )


def parse_mount(mount: Mapping[str, Any]) -> MountPoint:
    """A row of HostConfig ``Mounts``.

    Raises:
        Invalid: in dockerd's words.
    """
    kind, source, target = mount.get("Type") or "", mount.get("Source") or "", mount.get("Target") or ""
    problem = f'invalid mount config for type "{kind}": '
    if kind not in ("bind", "volume", "tmpfs"):
        raise Invalid(f"{problem}mount type unknown")
    if not target:
        raise Invalid(f"{problem}field Target must not be empty")
    _check_target(target, problem)
    if kind == "bind" and not source:
        raise Invalid(f"{problem}field Source must not be empty")
    if kind == "bind" and not source.startswith("/"):
        raise Invalid(f"{problem}invalid mount path: '{source}' mount path must be absolute")
    if kind == "bind" and not Path(source).exists():
        raise Invalid(f"{problem}bind source path does not exist: {source}")
    if kind == "volume" and source:
        check_volume_name(source)
    options = mount.get("VolumeOptions") or {}
    driver = options.get("DriverConfig") or {}
    return MountPoint(
        kind,
        posixpath.normpath(target),
        name=source if kind == "volume" else "",
        source=source if kind == "bind" else "",
        read_only=bool(mount.get("ReadOnly")),
        mode="z" if kind == "volume" else "",
        copy=kind == "volume" and not options.get("NoCopy"),
        driver=driver.get("Name") or "",
        propagation=((mount.get("BindOptions") or {}).get("Propagation") or "rprivate") if kind == "bind" else "",
        anonymous=kind == "volume" and not source,
        labels=options.get("Labels") or {},
        options=driver.get("Options") or {},
    )


def _check_target(target: str, problem: str) -> None:
    if not target.startswith("/"):
        raise Invalid(f"{problem}invalid mount path: '{target}' mount path must be absolute")
    if posixpath.normpath(target).lstrip("/") == "":
        raise Invalid(f"{problem}invalid specification: destination can't be '/'")


def collect(
    host: Mapping[str, Any], volumes: Iterable[str], others: Sequence[tuple[MountPoint, ...]] = ()
) -> tuple[MountPoint, ...]:
    """All mount points of a new container, in the order of their targets.

    ``host`` is its HostConfig, ``volumes`` the VOLUME paths, ``others`` the mounts of the containers that
    ``--volumes-from`` names. Later ways don't take a target from earlier ones, but ``Binds`` and ``Mounts``
    may not claim one twice.

    Raises:
        Invalid
    """
    found: dict[str, MountPoint] = {}
    for mounts in others:
        found |= {mount.target: mount for mount in mounts}
    explicit: set[str] = set()
    rows = [*map(parse_bind, host.get("Binds") or ()), *map(parse_mount, host.get("Mounts") or ())]
    for mount in rows:
        if mount.target in explicit:
            raise Invalid(f"Duplicate mount point: {mount.target}")
        explicit.add(mount.target)
        found[mount.target] = mount
    taken = set(found) | {posixpath.normpath(target) for target in host.get("Tmpfs") or {}}
    for target in volumes:
        _check_target(target, "")
        path = posixpath.normpath(target)
        if path not in taken:
            found[path] = MountPoint("volume", path, driver=host.get("VolumeDriver") or "", anonymous=True)
    return tuple(found[target] for target in sorted(found))


def parse_volumes_from(spec: str) -> tuple[str, str]:
    """``container[:mode]`` as container and mode ("" is as it was).

    Raises:
        Invalid
    """
    container, _, mode = spec.partition(":")
    if mode not in ("", "ro", "rw", "z", "Z", "nocopy"):
        raise Invalid(f"invalid mode: {mode}")
    if not container:
        raise Invalid(f"invalid volumes-from specification: '{spec}'")
    return container, mode


def new_volume_name() -> str:
    """64 hex digits: the name of an anonymous volume."""
    return secrets.token_hex(32)
