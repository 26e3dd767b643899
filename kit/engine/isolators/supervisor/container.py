"""What the supervisor knows of its container: its tree, its owners, its tasks, its network.

Source: moby, oci/defaults.go for what is mounted where.
"""

import errno
import fcntl
import itertools
import os
import stat
from collections.abc import Mapping

from kit.engine.isolators.contract import Mount, Sandbox, Stdio
from kit.engine.isolators.supervisor import kernel, ownership
from kit.engine.isolators.supervisor.addresses import Network, name_servers
from kit.engine.isolators.supervisor.devices import Devices
from kit.engine.isolators.supervisor.ids import DAC_OVERRIDE, DAC_READ_SEARCH, Identity
from kit.engine.isolators.supervisor.ipc import Objects
from kit.engine.isolators.supervisor.journal import Journal
from kit.engine.isolators.supervisor.memory import Memory
from kit.engine.isolators.supervisor.ownership import EXECUTE, WRITE, Face, Owners
from kit.engine.isolators.supervisor.paths import ELSEWHERE, Found, Parent, Paths
from kit.engine.isolators.supervisor.places import O_PATH, Directory, File, Place, reopen
from kit.engine.isolators.supervisor.proc import Proc, Sys
from kit.engine.isolators.supervisor.tasks import Process, Task, Tasks

MOST_PROCESSES = 4096


class Container:
    """One container. ``scratch`` is an empty directory for its lifetime."""

    def __init__(self, sandbox: Sandbox, scratch: bytes) -> None:
        self.sandbox, self.scratch = sandbox, scratch
        self.tasks = Tasks()
        self.root_source = os.path.realpath(os.fsencode(sandbox.rootfs))
        self.root = Directory(b"/", self.root_source, read_only=sandbox.read_only)
        self.journal = Journal(sandbox.owners)
        self.owners = Owners(self.journal.records, self.journal.put, uid=os.geteuid(), gid=os.getegid())
        self.devices = Devices(scratch + b"/dev")
        self.proc = Proc(self.tasks, self, scratch + b"/proc", self._mount_texts)
        if sandbox.network == "none":
            self.proc.without_network()
        shared = Directory(b"/dev/shm", scratch + b"/dev/shm")
        self.empty = [self.devices, shared]
        places: list[Place] = [self.proc, self.devices, shared]
        if os.path.isdir("/sys"):
            places.append(Sys())
        self.paths = Paths(self.root, places)
        self.mounts = [self._mount(mount) for mount in sandbox.mounts]
        self.paths = Paths(self.root, [*places, *self.mounts])
        for place in self.empty:
            if place is not self.devices:
                os.chmod(place.source, 0o1777)
        self.network = Network.of(sandbox, name_servers())
        self.objects = Objects()
        self.steps_programs = _chroot_is_refused()
        self.given: dict[tuple[int, int, int], int] = {}
        self.limit = sandbox.pids or MOST_PROCESSES
        self._names = scratch + b"/names"
        os.mkdir(self._names, 0o755)
        self._links: dict[tuple[bytes, bytes], bytes] = {}
        self._count = itertools.count()
        self._loaders: dict[bytes, bool] = {}

    # --- making the tree

    def _mount(self, mount: Mount) -> Directory | File:
        target = self._mount_point(mount)
        if not mount.source:
            source = self.scratch + b"/empty-%d" % len(self.empty)
            os.mkdir(source, 0o1777)
            place: Directory | File = Directory(target, source, read_only=mount.read_only)
            self.empty.append(place)  # type: ignore[arg-type]
            return place
        source = os.fsencode(mount.source)
        if not mount.straight:
            source = os.path.realpath(source)
        kind = Directory if os.path.isdir(source) else File
        return kind(target, source, read_only=mount.read_only)

    def _mount_point(self, mount: Mount) -> bytes:
        """The resolved path of the mount point, made with its parents where missing."""
        nobody = Task(0, Process(0, Memory(0)), Identity())
        target = self.paths.resolve(nobody, os.fsencode(mount.target))
        place, inner = self.paths.place_of(target)
        directory = not mount.source or os.path.isdir(mount.source)
        parts = inner.split(b"/") if inner else []
        held = os.dup(place.descriptor)  # type: ignore[attr-defined]
        for number, part in enumerate(parts, 1):
            held = _descend(held, part, make_directory=directory or number < len(parts))
        os.close(held)
        return target

    def give(self, stdio: Stdio) -> None:
        """Remembers descriptors of the engine's that the container may open again by their link in ``/proc``."""
        for descriptor in stdio:
            told = os.fstat(descriptor)
            access = wanted(fcntl.fcntl(descriptor, fcntl.F_GETFL))
            key = (told.st_dev, told.st_ino, stat.S_IFMT(told.st_mode))
            self.given[key] = self.given.get(key, 0) | access

    # --- names on the machine

    def readable(self) -> list[bytes]:
        """What the kernel itself must be able to execute, and to make sockets in."""
        places = (self.root, *self.empty, *self.mounts)
        return [place.source for place in places] + [self._names]

    @property
    def aliases(self) -> list[tuple[bytes, bytes]]:
        """Long directories of the machine and a short symlink to each: for addresses of unix sockets."""
        found = []
        for number, place in enumerate((self.root, *self.mounts)):
            alias = self.scratch + b"/%d" % number
            if not os.path.lexists(alias):
                os.symlink(place.source, alias)
            found.append((place.source, alias))
        return found

    def named(self, host: bytes, title: bytes) -> bytes:
        """A path to ``host`` whose last name is ``title``: the kernel calls the process by that."""
        if os.path.basename(host) == title:
            return host
        link = self._links.get((host, title))
        if link is None:
            directory = self._names + b"/%d" % next(self._count)
            os.mkdir(directory, 0o755)
            link = directory + b"/" + title
            os.symlink(host, link)
            if not host.startswith(b"/proc/"):  # A descriptor's number may mean something else the next time.
                self._links[host, title] = link
        return link

    def knows_argv0(self, loader: bytes) -> bool:
        """Whether a loader has ``--argv0``: glibc since 2.33, and musl."""
        known = self._loaders.get(loader)
        if known is None:
            with open(loader, "rb") as file:
                known = self._loaders[loader] = b"--argv0" in file.read()
        return known

    # --- finding files

    def shown(self, host: bytes) -> bytes | None:
        return self.paths.shown(host)

    def descriptor_link(self, host: bytes) -> bytes:
        if self.devices.is_console(host):
            return b"/dev/console"
        return self.paths.shown(host) or host

    def find(self, task: Task, path: bytes, *, follow: bool = True) -> Found:
        found = self.paths.find(task, path, follow=follow)
        try:
            self._check_way(task, found)
        except OSError:
            found.__exit__()
            raise
        return found

    def _check_way(self, task: Task, found: Found) -> None:
        """Every directory above must let the task pass."""
        if task.identity.has(DAC_OVERRIDE) or task.identity.has(DAC_READ_SEARCH):
            return
        descriptor = getattr(found.place, "descriptor", None)
        if descriptor is None or not found.inner:
            return
        parts = found.inner.split(b"/")[:-1]
        for end in range(len(parts) + 1):
            above = b"/".join(parts[:end])
            flags = kernel.AT_NO_FOLLOW if above else kernel.AT_EMPTY_PATH
            ownership.check(self.owners.face(kernel.status(descriptor, above, flags)), task.identity, EXECUTE)

    def check_parent(self, task: Task, parent: Parent, *, to_make: bool) -> None:
        """Whether the task may change names in the directory."""
        if parent.is_mount:
            raise OSError(errno.EEXIST if to_make else errno.EBUSY, "")
        if not stat.S_ISDIR(parent.directory.status().mode):
            raise OSError(errno.ENOTDIR, "")
        if to_make:
            try:
                os.lstat(parent.at())
            except OSError:
                pass
            else:
                raise OSError(errno.EEXIST, "")
        self.check_directory(task, parent.directory)

    def check_directory(self, task: Task, directory: Found) -> Face:
        """Whether the task may make a file in it; what it looks like."""
        self._check_way(task, directory)
        if not directory.place.can_make:
            raise OSError(errno.EROFS if directory.place.read_only else errno.EPERM, "")
        directory.must_be_writable()
        face = self.owners.face(directory.status())
        ownership.check(face, task.identity, WRITE | EXECUTE)
        return face

    def face(self, found: Found, status: kernel.Status) -> Face:
        """What the container sees of a found file."""
        face = self.owners.face(status)
        if found.place is self.proc:
            head = found.inner.split(b"/")[0]
            owner = self.tasks.by_id.get(int(head)) if head.isdigit() else None
            if owner is not None:
                who = owner.identity
                return face._replace(uid=who.user.effective, gid=who.group.effective)
        return face

    def open(self, task: Task, found: Found, flags: int) -> int:
        """Opens what was found."""
        if found.place is not ELSEWHERE:
            return found.place.open(task, found.inner, found.descriptor, flags)
        if found.host.startswith(b"/") and not found.host.startswith(b"/memfd:"):
            self._check_given(os.fstat(found.descriptor), flags)
        return reopen(found.descriptor, flags)

    def _check_given(self, told: os.stat_result, flags: int) -> None:
        device = os.major(told.st_rdev), os.minor(told.st_rdev)
        if stat.S_ISCHR(told.st_mode) and (device in DEVICE_NUMBERS or self.devices.holds(told)):
            return
        allowed = self.given.get((told.st_dev, told.st_ino, stat.S_IFMT(told.st_mode)), 0)
        if not allowed or wanted(flags) & ~allowed:
            raise OSError(errno.EACCES, "")

    # --- texts

    def _mount_texts(self) -> Mapping[bytes, bytes]:
        """``/proc/mounts`` and its like: what Docker's containers read."""
        ro, rw = b"ro", b"rw"
        rows = [(b"overlay", b"/", b"overlay", ro if self.sandbox.read_only else rw)]
        rows += [
            (b"proc", b"/proc", b"proc", rw),
            (b"tmpfs", b"/dev", b"tmpfs", rw),
            (b"sysfs", b"/sys", b"sysfs", ro),
        ]
        rows += [(b"devpts", b"/dev/pts", b"devpts", rw), (b"shm", b"/dev/shm", b"tmpfs", rw)]
        for mount, place in zip(self.sandbox.mounts, self.mounts, strict=True):
            source, kind = (b"/dev/root", b"ext4") if mount.source else (b"tmpfs", b"tmpfs")
            rows.append((source, place.target, kind, ro if mount.read_only else rw))
        plain = b"".join(
            b"%s %s %s %s,relatime 0 0\n" % (source, target, kind, how) for source, target, kind, how in rows
        )
        numbered = b"".join(
            b"%d %d 0:%d / %s %s,relatime - %s %s %s\n"
            % (20 + i, 19 if not i else 20, 40 + i, target, how, kind, source, how)
            for i, (source, target, kind, how) in enumerate(rows)
        )
        statistics = b"".join(b"device %s mounted on %s with fstype %s\n" % row[:3] for row in rows)
        return {b"mounts": plain, b"mountinfo": numbered, b"mountstats": statistics}


DEVICE_NUMBERS = frozenset({(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 2)})


def wanted(flags: int) -> int:
    """What opening with these flags asks of a file's permissions."""
    access = {os.O_RDONLY: ownership.READ, os.O_WRONLY: WRITE}.get(flags & os.O_ACCMODE, ownership.READ | WRITE)
    return access | (WRITE if flags & os.O_TRUNC else 0)


def _descend(directory: int, name: bytes, *, make_directory: bool) -> int:
    """Opens ``name`` in ``directory``, made where it is missing. Closes ``directory``."""
    how = kernel.BENEATH | kernel.NO_LINKS
    try:
        try:
            return kernel.open_at(directory, name, O_PATH, how)
        except FileNotFoundError:
            if make_directory:
                os.mkdir(name, 0o755, dir_fd=directory)
            else:
                os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o755, dir_fd=directory))
            return kernel.open_at(directory, name, O_PATH, how)
    finally:
        os.close(directory)


def _chroot_is_refused() -> bool:
    """Whether a filter outside (Docker's, without capabilities) refuses ``chroot`` before we could answer it."""
    try:
        os.chroot("/nonexistent/nonexistent")
    except PermissionError:
        return True
    except OSError:
        return False
    return False
