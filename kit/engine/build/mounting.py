"""``RUN --mount``: what a command sees that is no part of the image.

A bind shows files of another stage, an image or a context; a cache is a directory that later builds find
again; a secret is a file that leaves no trace. Mount points that had to be made are taken away again, so a
mount never shows in a layer.

Source: Dockerfile reference, "RUN --mount"; buildkit, executor/stubs.go "MountStubsCleaner".
"""

import os
import secrets
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from kit.dockerfile.steps import InlineFile, RunStep, Scratch, Source
from kit.dockerfile.steps import Mount as Wanted
from kit.engine.build.cancel import Cancel
from kit.engine.build.files import Files, LayeredFiles
from kit.engine.build.workspace import PREFIX
from kit.engine.isolators.contract import Mount
from kit.engine.store.files import remove_tree, temporary_name
from kit.engine.store.inside import Inside, PathNotFound
from kit.engine.store.rootfs import RootFilesystem
from kit.engine.store.store import Store
from kit.errors import NotFound
from kit.layer.changeset import Changeset
from kit.layer.tree import Kind
from kit.oci.digest import digest_of, hex_of

FilesOf = Callable[[Source], Files]
_UNKNOWN = ": /build, Docker's classic way to ask for a build, can't bring secrets or SSH keys along"
AGENT = "/run/buildkit/ssh_agent.0"


class CacheMounts:
    """The directories behind ``--mount=type=cache``, by id; they outlive builds."""

    def __init__(self, root: Path) -> None:
        self._root, self._guard = root, threading.Lock()
        self._users: dict[str, int] = {}
        self._locks: dict[str, threading.Lock] = {}
        root.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def using(self, wanted: Wanted, fill: Callable[[Path], None], cancel: Cancel) -> Iterator[Path]:
        """The directory of ``wanted``; ``fill`` makes a new one.

        shared: with others at once; locked: after them; private: another one, if somebody uses it.
        """
        name = hex_of(digest_of((wanted.id or wanted.target).encode()))
        with ExitStack() as stack:
            if wanted.sharing == "locked":
                lock = self._locks.setdefault(name, threading.Lock())
                while not lock.acquire(timeout=0.1):
                    cancel.check()
                stack.callback(lock.release)
            with self._guard:
                number = 0
                while wanted.sharing == "private" and self._users.get(f"{name}.{number}"):
                    number += 1
                name = f"{name}.{number}"
                self._users[name] = self._users.get(name, 0) + 1
                stack.callback(self._leave, name)
                folder = self._root / name
                if not folder.exists():
                    building = temporary_name(self._root)
                    building.mkdir(0o700)
                    fill(building)
                    building.rename(folder)
            yield folder

    def _leave(self, name: str) -> None:
        with self._guard:
            self._users[name] -= 1

    def prune(self) -> None:
        """Deletes those that nobody uses."""
        with self._guard:
            for folder in self._root.iterdir():
                if not self._users.get(folder.name):
                    remove_tree(folder)


@dataclass
class Mounting:
    """Gets ready the mounts of one build's commands. ``folder`` is the build's own and goes with it."""

    store: Store
    real_owners: bool
    folder: Path
    caches: CacheMounts
    secrets: Mapping[str, bytes | Path]
    ssh: Mapping[str, Path]
    cancel: Cancel

    @contextmanager
    def ready(
        self, step: RunStep, rootfs: RootFilesystem, files_of: FilesOf
    ) -> Iterator[tuple[tuple[Mount, ...], tuple[str, ...]]]:
        """The mounts, by depth, and the environment that comes with them. ``files_of`` opens a bind's source.

        Raises:
            NotFound, Invalid: a source, or a secret that is required, is not there.
        """
        with ExitStack() as stack:
            mounts: list[Mount] = []
            env: list[str] = []
            for wanted in step.mounts:
                for one in self._one(wanted, files_of, stack):
                    (mounts if isinstance(one, Mount) else env).append(one)  # type: ignore[arg-type]
            if step.script:
                mounts.append(self._script(step.script))
            stubs = [_Stub.before(rootfs, mount.target) for mount in mounts]
            try:
                yield tuple(sorted(mounts, key=lambda mount: mount.target.count("/"))), tuple(env)
            finally:
                for stub in reversed(stubs):
                    stub.clear(rootfs)

    def _one(self, wanted: Wanted, files_of: FilesOf, stack: ExitStack) -> Iterator[Mount | str]:
        match wanted.type:
            case "tmpfs":
                yield Mount("", wanted.target)
            case "bind":
                source = self._source(wanted, files_of, stack)
                yield Mount(str(source), wanted.target, read_only=wanted.readonly)
            case "cache":
                folder = stack.enter_context(
                    self.caches.using(wanted, lambda new: self._fill(new, wanted, files_of), self.cancel)
                )
                yield Mount(str(folder), wanted.target, read_only=wanted.readonly)
            case "secret":
                yield from self._secret(wanted)
            case "ssh":
                yield from self._agent(wanted)

    def _source(self, wanted: Wanted, files_of: FilesOf, stack: ExitStack) -> Path:
        rootfs = self._materialised(files_of(wanted.from_), stack)
        try:
            return rootfs.path / rootfs.where(wanted.source)
        except PathNotFound as error:
            raise NotFound(f'failed to compute cache key: "{wanted.source}" not found') from error

    def _materialised(self, files: Files, stack: ExitStack) -> RootFilesystem:
        """The files on disk, in a place of their own; they go with ``stack``."""
        name = PREFIX + secrets.token_hex(8)
        if isinstance(files, LayeredFiles):
            diff_ids = files.diff_ids
        else:
            paths = [path for path, entry in files.tree.items() if entry.kind is Kind.FILE]
            diff_ids = (self.store.layers.put(Changeset(files.tree), files.opener(paths)).diff_id,)
            self.store.images.hold(name, diff_ids)
            stack.callback(self.store.images.let_go, name)
        stack.callback(self.store.rootfs.delete, name)
        return self.store.rootfs.create(name, diff_ids, real_owners=self.real_owners, ignore=())

    def _fill(self, folder: Path, wanted: Wanted, files_of: FilesOf) -> None:
        """A new cache: empty, or with what its source holds."""
        if not isinstance(wanted.from_, Scratch):
            with ExitStack() as stack:
                shutil.copytree(self._source(wanted, files_of, stack), folder, symlinks=True, dirs_exist_ok=True)
        if self.real_owners:
            os.chown(folder, wanted.uid or 0, wanted.gid or 0)
        folder.chmod(0o755 if wanted.mode is None else wanted.mode)

    def _secret(self, wanted: Wanted) -> Iterator[Mount | str]:
        name = wanted.id or wanted.source
        value = self.secrets.get(name)
        if value is None:
            if wanted.required:
                raise NotFound(f"secret {name}: not found{_UNKNOWN}")
            return
        data = value.read_bytes() if isinstance(value, Path) else value
        if wanted.env:
            yield f"{wanted.env}={data.decode(errors='surrogateescape')}"
        if wanted.target:
            mode = 0o400 if wanted.mode is None else wanted.mode
            yield Mount(str(self._file(data, mode, wanted.uid or 0, wanted.gid or 0)), wanted.target, read_only=True)

    def _agent(self, wanted: Wanted) -> Iterator[Mount | str]:
        socket = self.ssh.get(wanted.id or "default")
        if socket is None:
            if wanted.required:
                raise NotFound(f"unset ssh forward key {wanted.id or 'default'}{_UNKNOWN}")
            return
        target = wanted.target or AGENT
        yield Mount(str(socket), target)
        yield f"SSH_AUTH_SOCK={target}"

    def _script(self, script: InlineFile) -> Mount:
        return Mount(str(self._file(script.data.encode(), 0o755, 0, 0)), f"/dev/pipes/{script.name}", read_only=True)

    def _file(self, data: bytes, mode: int, uid: int, gid: int) -> Path:
        """A file that goes with the build."""
        path = self.folder / secrets.token_hex(8)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:
            file.write(data)
            if self.real_owners:
                os.chown(descriptor, uid, gid)
            os.chmod(descriptor, mode)
        return path


@dataclass(frozen=True)
class _Stub:
    """The mount point of a mount: what of its path was missing before, shortest first, and its parent's times."""

    missing: tuple[str, ...]
    times: tuple[int, int] = (0, 0)

    @classmethod
    def before(cls, rootfs: RootFilesystem, target: str) -> "_Stub":
        inside = Inside(rootfs.path)
        places, place = [], ""
        for part in filter(None, target.split("/")):
            place = f"{place}/{part}"
            places.append(place)
        for number, place in enumerate(places):
            try:
                os.close(inside.open(place, os.O_PATH))
            except PathNotFound:
                with inside.parent(place) as (directory, _):
                    told = os.stat(f"/proc/self/fd/{directory}")
                return cls(tuple(places[number:]), (told.st_atime_ns, told.st_mtime_ns))
        return cls(())

    def clear(self, rootfs: RootFilesystem) -> None:
        """Removes what is still empty."""
        inside = Inside(rootfs.path)
        for place in reversed(self.missing):
            with suppress(PathNotFound, OSError), inside.parent(place) as (directory, name):
                if os.path.isdir(f"/proc/self/fd/{directory}/{name}"):
                    os.rmdir(name, dir_fd=directory)
                elif not os.stat(name, dir_fd=directory, follow_symlinks=False).st_size:
                    os.unlink(name, dir_fd=directory)
        if self.missing:
            with suppress(PathNotFound), inside.parent(self.missing[0]) as (directory, name):
                if not os.path.lexists(f"/proc/self/fd/{directory}/{name}"):
                    os.utime(f"/proc/self/fd/{directory}", ns=self.times)
