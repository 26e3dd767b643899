"""A container's root file system and the volumes it sees: made, filled, and kept in step.

Where an ordinary user's disk can't hold owners, each volume has an ownership journal of its own. A container
that starts gets its volumes' records into its journal; what it recorded about their files goes back at its end.

Source: Docker documentation, "Populate a volume using a container"; dockerd's "volumes.go".
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from shutil import rmtree

from kit.engine.containers.container import Container
from kit.engine.containers.mounts import MountPoint, new_volume_name
from kit.engine.containers.services import Services
from kit.engine.store.identity import identity_of
from kit.errors import NotFound
from kit.layer.ownership import FileIdentity, read_journal, to_line
from kit.oci.digest import DiffID


def furnish(services: Services, container: Container, diff_ids: Sequence[DiffID]) -> None:
    """Makes its directory and its root file system, and fills new volumes with what the image has in their place.

    Nothing of it stays after an error.
    """
    try:
        container.directory.mkdir(parents=True)
        _furnish(services, container, diff_ids)
    except BaseException:
        services.store.rootfs.delete(container.id)
        rmtree(container.directory, ignore_errors=True)
        raise


def _furnish(services: Services, container: Container, diff_ids: Sequence[DiffID]) -> None:
    rootfs = services.store.rootfs.create(container.id, diff_ids, real_owners=services.isolator.real_owners)
    for mount in container.mounts:
        if mount.kind == "volume" and mount.copy:
            volume = services.volumes.files(mount.name)
            if not any(volume.path.iterdir()):
                try:
                    rootfs.copy_to(mount.target, volume)
                except NotFound:
                    continue


def with_volume(services: Services, mount: MountPoint) -> MountPoint:
    """The mount with its source: a volume is made if need be."""
    if mount.kind != "volume":
        return mount
    name = mount.name or new_volume_name()
    labels = mount.labels or None
    services.volumes.create(name, driver=mount.driver, labels=labels, options=dict(mount.options) or None)
    return replace(mount, name=name, source=str(services.volumes.directory(name)), driver="local")


def borrowed(container: Container, mode: str) -> tuple[MountPoint, ...]:
    """The mounts of a container that ``--volumes-from`` names."""
    return tuple(
        replace(mount, read_only=mode == "ro" or mount.read_only, copy=False, anonymous=False)
        for mount in container.mounts
        if mount.kind != "tmpfs"
    )


def lend(services: Services, container: Container) -> None:
    """Before a start: the container learns who owns its volumes' files."""
    if services.isolator.real_owners:
        return
    journal = services.store.rootfs.open(container.id).owners
    with open(journal, "a") as target:
        for name in _volumes(container):
            owners = services.volumes.owners(name)
            if owners.exists():
                target.write(owners.read_text())


def take_back(services: Services, container: Container) -> None:
    """After its end: the volumes learn what the container recorded about their files."""
    names = list(_volumes(container))
    if services.isolator.real_owners or not names:
        return
    with open(services.store.rootfs.open(container.id).owners) as lines:
        records = read_journal(lines)
    for name in names:
        here = [identity for identity in _identities(services.volumes.directory(name)) if identity in records]
        text = "".join(to_line(identity, records[identity]) for identity in here)
        services.volumes.owners(name).write_text(text)


def _volumes(container: Container) -> Iterator[str]:
    return (mount.name for mount in container.mounts if mount.kind == "volume")


def _identities(directory: Path) -> Iterator[FileIdentity]:
    yield identity_of(str(directory))
    for above, directories, files in os.walk(directory):
        for name in (*directories, *files):
            yield identity_of(os.path.join(above, name))
