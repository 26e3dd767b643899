"""Files in and out of a container: ``docker cp``, ``diff`` and ``export``.

A path below a mount is the mount's, as the container sees it. What ``export`` and ``diff`` tell is the
container's own root file system: volumes are no part of it.

Source: Docker Engine API, "ContainerArchive"; dockerd's "archive.go".
"""

import os
import posixpath
import stat as modes
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from kit.engine.containers import clock, linking
from kit.engine.containers.container import Container
from kit.engine.containers.identity import account_of
from kit.engine.containers.services import Services
from kit.engine.store.inside import PathNotFound
from kit.engine.store.owned import OwnedTree, archive_name
from kit.errors import Denied, NotFound
from kit.layer.changeset import Letter
from kit.layer.changeset import changes as tell_changes
from kit.layer.headers import Readable
from kit.layer.tarball import archive as pack_archive

Json = dict[str, Any]
KINDS = {Letter.CHANGED: 0, Letter.ADDED: 1, Letter.DELETED: 2}
_GO_KINDS = {
    modes.S_IFDIR: 1 << 31, modes.S_IFLNK: 1 << 27, modes.S_IFBLK: 1 << 26, modes.S_IFCHR: 1 << 26 | 1 << 21,
    modes.S_IFIFO: 1 << 25, modes.S_IFSOCK: 1 << 24,
}  # fmt: skip
_GO_BITS = {modes.S_ISUID: 1 << 23, modes.S_ISGID: 1 << 22, modes.S_ISVTX: 1 << 20}


class NoSuchFile(NotFound):
    def __init__(self, path: str, container: str) -> None:
        super().__init__(f"Could not find the file {path} in container {container}")


class ReadOnly(Denied):
    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is marked read-only")


class _Mounted(NamedTuple):
    """A mount as files: ``top`` is where it begins in ``tree`` (for one file, that file)."""

    target: str
    tree: OwnedTree
    top: str
    read_only: bool


class _Place(NamedTuple):
    """A path of the container: in which tree it is, and where there. ``below``: the mounts in it."""

    tree: OwnedTree
    path: str
    mount: _Mounted | None
    below: tuple[_Mounted, ...]


def stat(services: Services, container: Container, path: str) -> Json:
    """Docker's ``ContainerPathStat``.

    Raises:
        NoSuchFile
    """
    try:
        place = _find(services, container, path)
        told = place.tree.stat(place.path)
    except PathNotFound as error:
        raise NoSuchFile(path, container.name) from error
    return {
        "name": archive_name(path) or "/",
        "size": told.size,
        "mode": _go_mode(told.st_mode),
        "mtime": clock.as_text(told.mtime_ns),
        "linkTarget": told.target and (place.mount.target if place.mount else "") + told.target,
    }


def archive(services: Services, container: Container, path: str) -> Iterator[bytes]:
    """A tar of ``path``, with the mounts that are in it.

    Raises:
        NoSuchFile
    """
    name = archive_name(path)
    try:
        place = _find(services, container, path)
        without = frozenset(mount.target.strip("/") for mount in place.below)
        own = place.tree.members(place.path, name, without=without)
    except PathNotFound as error:
        raise NoSuchFile(path, container.name) from error
    start = posixpath.normpath("/" + place.path)
    names = [f"{name}/{posixpath.relpath(mount.target, start)}".lstrip("/") for mount in place.below]
    others = (mount.tree.members(mount.top, name) for mount, name in zip(place.below, names, strict=True))
    return pack_archive(chain(own, chain.from_iterable(others)))


def extract(
    services: Services, container: Container, path: str, tar: Readable, *, keep_kind: bool, copy_owner: bool
) -> None:
    """Unpacks ``tar`` in the directory ``path``. ``copy_owner``: everything belongs to the container's user.

    Raises:
        NoSuchFile, ReadOnly
        Invalid: ``path`` is no directory, or the tar is bad; nothing was written.
    """
    user = container.settings.user
    account = account_of(services.store, container, user) if copy_owner and user else None
    try:
        place = _find(services, container, path)
        if place.mount is not None and place.mount.read_only:
            raise ReadOnly("mounted volume")
        if place.mount is None and container.settings.host["ReadonlyRootfs"]:
            raise ReadOnly("container rootfs")
        owner = (account.uid, account.gid) if account else None
        place.tree.extract(place.path, tar, keep_kind=keep_kind, owner=owner)
    except PathNotFound as error:
        raise NoSuchFile(path, container.name) from error


def export(services: Services, container: Container) -> Iterator[bytes]:
    """A tar of the root file system; the root itself has no entry."""
    found = services.store.rootfs.open(container.id).members("/", "")
    return pack_archive(member for member in found if member.path)


def changes(services: Services, container: Container) -> list[Json]:
    """``docker diff``."""
    rootfs = services.store.rootfs.open(container.id)
    found = tell_changes(rootfs.base, rootfs.changeset())
    return [{"Path": change.path, "Kind": KINDS[change.letter]} for change in found]


def _find(services: Services, container: Container, path: str) -> _Place:
    """Where ``path`` is.

    Raises:
        PathNotFound: as far as that can be told without looking at the last part.
    """
    rootfs = services.store.rootfs.open(container.id)
    real = _real(rootfs, path)
    end = next((end for end in ("/.", "/") if path.endswith(end)), "")
    mounts = {mount.target: mount for mount in _mounts(services, container, rootfs)}
    above = [target for target in mounts if f"{real}/".startswith(f"{target}/")]
    if not above:
        below = tuple(mounts[target] for target in sorted(mounts) if target.startswith(real.rstrip("/") + "/"))
        return _Place(rootfs, real + end, None, below)
    mount = mounts[max(above, key=len)]
    inner = real.removeprefix(mount.target)
    return _Place(mount.tree, mount.top + inner + end, mount, ())


def _real(rootfs: OwnedTree, path: str) -> str:
    """``path`` as far as the root file system has it, without symlinks; the last part is followed as Docker does."""
    whole = posixpath.normpath("/" + path).strip("/")
    if path.endswith(("/", "/.")) or not whole:
        done, rest = whole, ""
    else:
        done, _, rest = whole.rpartition("/")
    while done:
        with suppress(PathNotFound):
            return posixpath.join("/", rootfs.where(done), rest).rstrip("/") or "/"
        done, _, last = done.rpartition("/")
        rest = posixpath.join(last, rest).rstrip("/")
    return f"/{rest}"


def _mounts(services: Services, container: Container, rootfs: OwnedTree) -> Iterator[_Mounted]:
    for target, file in linking.files(container).items():
        if file.exists():
            yield _mounted(target, file, rootfs.owners, rootfs.real_owners, read_only=False)
    for mount in container.mounts:
        if mount.kind == "tmpfs" or not os.path.exists(mount.source):
            continue
        # While it runs the container's own journal tells of its volumes, too.
        at_rest = mount.kind == "volume" and container.run is None
        owners = services.volumes.owners(mount.name) if at_rest else rootfs.owners
        source = Path(os.path.realpath(mount.source))
        yield _mounted(mount.target, source, owners, rootfs.real_owners, read_only=mount.read_only)


def _mounted(target: str, source: Path, owners: Path, real_owners: bool, *, read_only: bool) -> _Mounted:
    whole = source.is_dir()
    tree = OwnedTree(source if whole else source.parent, owners, real_owners=real_owners)
    return _Mounted(target, tree, "" if whole else source.name, read_only)


def _go_mode(st_mode: int) -> int:
    """The mode as Go writes it, which is how ``docker cp`` reads it."""
    bits = sum(bit for mask, bit in _GO_BITS.items() if st_mode & mask)
    return _GO_KINDS.get(modes.S_IFMT(st_mode), 0) | bits | (st_mode & 0o777)
