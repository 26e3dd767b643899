"""What a container sees: its root, the kernel's file systems, a few devices, and what was mounted for it.

First a plan, a list of steps in order; then its execution in a new mount namespace, which ends with the root
file system as ``/`` and nothing of the machine's own tree in reach. No mount but the listed devices allows
device files to be opened, so that a node made by ``mknod`` is only a name.

Source: moby, oci/defaults.go (mounts, masked and read-only paths); runc, rootfs_linux.go; pivot_root(2).
"""

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from enum import Enum
from typing import NamedTuple

from kit.engine.isolators.contract import Mount, Sandbox
from kit.engine.isolators.namespaces import linux
from kit.engine.isolators.namespaces.linux import (
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_RDONLY,
    MS_REC,
    MS_REMOUNT,
)
from kit.errors import KitError

_BARE = MS_NOSUID | MS_NODEV | MS_NOEXEC


class MountFailed(KitError):
    """A step of the plan was refused by the kernel."""

    def __init__(self, step: "Step", error: OSError) -> None:
        reason = os.strerror(error.errno or 0).lower()
        super().__init__(f'error mounting "{step.source}" to rootfs at "{step.target}": {reason}')
        self.step = step


class Do(Enum):
    """The kinds of step."""

    MOUNT = "a new file system"
    BIND = "a file or directory from the machine"
    LINK = "a symbolic link"
    VIEW = "a directory from the machine with all that is mounted below it, read-only"
    STRAIGHT = "as BIND, if no symlink has come into the path"
    HIDE = "nothing to see here, if it is there"
    FREEZE = "as it is, but read-only, if it is there"


class Step(NamedTuple):
    """One thing to do at ``target``; ``source`` is a device, a path of the machine, or where a link points."""

    do: Do
    target: str
    source: str = ""
    kind: str = ""
    flags: int = 0
    data: str = ""


_KERNEL = (
    Step(Do.MOUNT, "/proc", "proc", "proc", _BARE),
    Step(Do.MOUNT, "/dev", "tmpfs", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=65536k"),
    Step(Do.MOUNT, "/dev/mqueue", "mqueue", "mqueue", _BARE),
    Step(Do.MOUNT, "/dev/shm", "shm", "tmpfs", _BARE, "mode=1777,size=65536k"),
)
_SYS = Step(Do.MOUNT, "/sys", "sysfs", "sysfs", _BARE | MS_RDONLY)
_TERMINALS = Step(
    Do.MOUNT, "/dev/pts", "devpts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620"
)
_GROUP_TTY = ",gid=5"
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_LINKS = {
    "/dev/fd": "/proc/self/fd",
    "/dev/stdin": "/proc/self/fd/0",
    "/dev/stdout": "/proc/self/fd/1",
    "/dev/stderr": "/proc/self/fd/2",
    "/dev/ptmx": "pts/ptmx",
    "/dev/core": "/proc/kcore",
}
_HIDDEN = (
    *("/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats"),
    *("/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi"),
    *("/sys/firmware", "/sys/devices/virtual/powercap"),
)
_FROZEN = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")


def plan(sandbox: Sandbox, *, terminal: str = "", alone: bool = False) -> list[Step]:
    """Everything to mount below the root, in order. ``terminal`` is the machine's path of the pty slave.

    ``alone``: in a user namespace that has no user but root.
    """
    return [
        *_KERNEL,
        _TERMINALS if alone else _TERMINALS._replace(data=_TERMINALS.data + _GROUP_TTY),
        # Who owns the network may mount its view of devices; others see the machine's.
        _SYS if not alone or sandbox.network == "none" else Step(Do.VIEW, "/sys", "/sys", flags=_BARE | MS_RDONLY),
        *(Step(Do.BIND, f"/dev/{name}", f"/dev/{name}", flags=MS_NOSUID | MS_NOEXEC) for name in _DEVICES),
        *(Step(Do.LINK, target, source) for target, source in _LINKS.items()),
        *([Step(Do.BIND, "/dev/console", terminal, flags=MS_NOSUID | MS_NOEXEC)] if terminal else []),
        *(_own(mount) for mount in sorted(sandbox.mounts, key=lambda mount: mount.target.count("/"))),
        *(Step(Do.HIDE, path) for path in _HIDDEN),
        *(Step(Do.FREEZE, path) for path in _FROZEN),
    ]


def _own(mount: Mount) -> Step:
    if mount.source:
        do = Do.STRAIGHT if mount.straight else Do.BIND
        return Step(do, mount.target, mount.source, flags=MS_NODEV | (MS_RDONLY if mount.read_only else 0))
    return Step(Do.MOUNT, mount.target, "tmpfs", "tmpfs", _BARE | (MS_RDONLY if mount.read_only else 0), "mode=1777")


def enter(rootfs: str, steps: Sequence[Step], *, read_only: bool = False) -> None:
    """Makes ``rootfs`` this process's ``/`` after doing the steps in it. Needs a mount namespace of its own."""
    linux.mount("", "/", flags=linux.MS_PRIVATE | MS_REC)
    linux.mount(rootfs, rootfs, flags=MS_BIND)
    root = os.open(rootfs, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    _remount(rootfs, MS_NODEV)
    for step in steps:
        try:
            _perform(root, step)
        except OSError as error:
            raise MountFailed(step, error) from error
    if read_only:
        _remount(rootfs, MS_NODEV | MS_RDONLY)
    os.fchdir(root)
    os.close(root)
    linux.pivot_root(".", ".")
    linux.unmount(".")
    os.chdir("/")


def _perform(root: int, step: Step) -> None:
    match step.do:
        case Do.LINK:
            place = _directory(root, os.path.dirname(step.target))
            with suppress(FileExistsError):
                os.symlink(step.source, os.path.basename(step.target), dir_fd=place)
            os.close(place)
        case Do.MOUNT:
            with _Place(root, step.target, directory=True) as target:
                linux.mount(step.source, target, step.kind, step.flags, step.data)
        case Do.STRAIGHT:
            source = linux.open_straight(step.source, os.O_PATH)
            try:
                _perform(root, step._replace(do=Do.BIND, source=f"/proc/self/fd/{source}"))
            finally:
                os.close(source)
        case Do.BIND | Do.VIEW:
            with _Place(root, step.target, directory=os.path.isdir(step.source)) as target:
                linux.mount(step.source, target, flags=MS_BIND | MS_REC)
            with _Place(root, step.target) as target:
                _remount(target, step.flags)
                if step.do is Do.VIEW:
                    linux.freeze_all_below(target)
        case Do.HIDE | Do.FREEZE:
            with suppress(FileNotFoundError, NotADirectoryError):
                _close_off(root, step)


def _remount(target: str, flags: int) -> None:
    """Adds ``flags`` to a bind mount; those of the mount that it is a view of stay, which may not be lifted."""
    had = os.statvfs(target).f_flag & (MS_RDONLY | _BARE)
    linux.mount("", target, flags=MS_REMOUNT | MS_BIND | had | flags)


def _close_off(root: int, step: Step) -> None:
    with _Place(root, step.target) as target:
        if step.do is Do.FREEZE:
            linux.mount(target, target, flags=MS_BIND | MS_REC)
        elif stat.S_ISDIR(os.stat(target).st_mode):
            linux.mount("tmpfs", target, "tmpfs", _BARE | MS_RDONLY, "size=0k,nr_inodes=1")
        else:
            linux.mount("/dev/null", target, flags=MS_BIND)
    if step.do is Do.FREEZE:
        with _Place(root, step.target) as target:
            _remount(target, MS_RDONLY | _BARE)


class _Place:
    """A path inside the root, held open; ``directory`` says what to make of it where it is missing."""

    def __init__(self, root: int, path: str, *, directory: bool | None = None) -> None:
        try:
            self._descriptor = linux.open_in_root(root, path, os.O_PATH)
        except FileNotFoundError:
            if directory is None:
                raise
            self._descriptor = _directory(root, path) if directory else _file(root, path)

    def __enter__(self) -> str:
        return f"/proc/self/fd/{self._descriptor}"

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


def _directory(root: int, path: str) -> int:
    """The directory at ``path`` in the root, made with its parents where missing."""
    place = linux.open_in_root(root, "/", os.O_PATH)
    for prefix in _prefixes(path):
        parent, place = place, -1
        try:
            with suppress(FileNotFoundError):
                place = linux.open_in_root(root, prefix, os.O_PATH | os.O_DIRECTORY)
            if place < 0 and (target := _link_to_nowhere(parent, prefix)):
                return _directory(root, target + path.removeprefix(prefix))
            if place < 0:
                os.mkdir(os.path.basename(prefix), 0o755, dir_fd=parent)
                place = linux.open_in_root(root, prefix, os.O_PATH | os.O_DIRECTORY)
        finally:
            os.close(parent)
    return place


def _link_to_nowhere(parent: int, path: str) -> str:
    """Where a symlink at ``path`` points, as a path in the root; "" if there is none."""
    try:
        target = os.readlink(os.path.basename(path), dir_fd=parent)
    except FileNotFoundError:
        return ""
    return os.path.normpath(os.path.join(os.path.dirname(path), target))


def _file(root: int, path: str) -> int:
    place = _directory(root, os.path.dirname(path))
    os.close(os.open(os.path.basename(path), os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o755, dir_fd=place))
    os.close(place)
    return linux.open_in_root(root, path, os.O_PATH)


def _prefixes(path: str) -> Iterator[str]:
    """``/a``, ``/a/b``, … for every directory on the way to ``path``."""
    whole = ""
    for part in path.split("/"):
        if part == "..":
            raise OSError(errno.EINVAL, f"a mount point can't contain '..': {path!r}")
        if part not in ("", "."):
            whole += "/" + part
            yield whole
