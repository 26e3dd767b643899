"""``/proc`` and ``/sys`` as a container sees them: its own processes, and little of the machine.

Files are the machine's own, opened beneath the machine's ``/proc`` without following its magic links. Where these
would tell of the machine (paths, ids, mounts), a copy is made that tells of the container.

Source: proc(5), proc_pid_status(5), proc_pid_mountinfo(5); moby, oci/defaults.go (masked and read-only paths).
"""

import errno
import os
import stat
from collections.abc import Callable, Mapping
from typing import Protocol

from kit.engine.isolators.supervisor import kernel
from kit.engine.isolators.supervisor.ids import Identity
from kit.engine.isolators.supervisor.places import HOW_TO_OPEN, O_PATH, WithoutMagic, link_of, reopen
from kit.engine.isolators.supervisor.tasks import Process, Task, Tasks

_HIDDEN = frozenset(
    b"acpi asound bus config.gz driver iomem ioports interrupts kallsyms kcore keys key-users kmsg kpagecgroup"
    b" kpagecount kpageflags latency_stats modules mtrr sched_debug scsi slabinfo sysrq-trigger sysvipc timer_list"
    b" timer_stats vmallocinfo".split()
)
_AUDIT = frozenset((b"loginuid", b"sessionid"))  # A kernel without auditing has none; logins then go on.
_HIDDEN_IN_SYS = (b"firmware", b"devices/virtual/powercap", b"kernel/debug", b"kernel/tracing", b"kernel/security")
_WRITABLE = frozenset((b"comm", b"oom_score_adj", b"oom_adj", b"coredump_filter", b"timerslack_ns", b"clear_refs"))
_PRIVATE = 0o004  # Whoever may not read a file of /proc/PID by its mode must be the process's user, or root.


class Files(Protocol):
    """What the view needs of the rest of the container."""

    root_source: bytes

    def shown(self, host: bytes) -> bytes | None:
        """The container's path for a path of the machine."""

    def descriptor_link(self, host: bytes) -> bytes:
        """What a descriptor's link in ``/proc/PID/fd`` reads."""


class Proc:
    """The place ``/proc``. ``listing`` becomes a directory with the names of ``/proc``, once somebody looks."""

    target, read_only, can_make = b"/proc", False, False

    def __init__(
        self, tasks: Tasks, files: Files, listing: bytes, mounts: Callable[[], Mapping[bytes, bytes]]
    ) -> None:
        self._tasks, self._files, self.source, self._mounts = tasks, files, listing, mounts
        self._machine = os.open("/proc", O_PATH | os.O_DIRECTORY)
        self._network: Mapping[bytes, bytes] = {}
        self._shown: set[int] = set()

    def without_network(self) -> None:
        """``/proc/net`` tells of loopback only."""
        heading = b"Inter-|   Receive                                                |  Transmit\n face |bytes\n"
        self._network = {b"net/dev": heading + b"    lo: 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"}

    def find(self, task: Task, inner: bytes) -> int:
        if inner.startswith(b".held/") and inner[6:].isdigit() and int(inner[6:]) in task.process.held:
            return os.open(b"/proc/self/fd/" + inner[6:], O_PATH)
        name, _, _ = self._named(task, inner)
        if not name:
            return os.dup(self._machine)
        return kernel.open_at(
            self._machine, name, O_PATH | os.O_NOFOLLOW, kernel.BENEATH | kernel.NO_MAGIC_LINKS | kernel.NO_LINKS
        )

    def _named(self, task: Task, inner: bytes) -> tuple[bytes, Process | None, list[bytes]]:
        """The machine's name for a path, the process that it is about, and the path below that."""
        head, *rest = inner.split(b"/")
        if head in _HIDDEN:
            raise OSError(errno.ENOENT, "")
        if not head.isdigit():
            return inner, None, []
        pid = self._tasks.first if head == b"1" else int(head)
        process = self._tasks.process(pid)
        if process is None and pid in self._tasks.by_id:  # A thread's number works, though no list has it.
            process = self._tasks.by_id[pid].process
        if process is None or not process.executable:
            raise OSError(errno.ENOENT, "")
        if rest and rest[-1] in _AUDIT:
            raise OSError(errno.ENOENT, "")
        if rest[:1] == [b"task"] and rest[1:2]:
            thread = self._tasks.by_id.get(int(rest[1])) if rest[1].isdigit() else None
            if thread is None or thread.process is not process:
                raise OSError(errno.ENOENT, "")
        name = b"/".join([b"%d" % pid, *rest])
        return name, process, rest[2:] if rest[:1] == [b"task"] else rest

    def _list(self) -> None:
        """Makes the listing's names those of now."""
        if not os.path.isdir(self.source):
            os.mkdir(self.source, 0o755)
            for name in os.listdir(b"/proc"):
                if not name.isdigit() and name not in _HIDDEN:
                    _placeholder(b"/proc/" + name, self.source + b"/" + name)
        now = set(self._tasks.processes())
        for pid in self._shown - now:
            os.rmdir(self.source + b"/%d" % pid)
        for pid in now - self._shown:
            os.mkdir(self.source + b"/%d" % pid, 0o555)
        self._shown = now

    def link(self, task: Task, inner: bytes) -> bytes | None:
        if inner == b"self":
            return b"%d" % task.process.pid
        if inner == b"thread-self":
            return b"%d/task/%d" % (task.process.pid, task.id)
        if inner in (b"mounts", b"net"):
            return b"self/" + inner
        name, process, rest = self._named(task, inner)
        if process is None:
            return link_of(self, task, inner) if name else None
        if rest == [b"root"]:
            return b"/"
        if rest == [b"exe"]:
            return process.executable or None
        if rest == [b"cwd"]:
            return self._files.shown(os.readlink(b"/proc/%d/cwd" % process.pid)) or b"/"
        if rest[:1] == [b"fd"] and len(rest) == 2 and rest[1].isdigit():
            return self._files.descriptor_link(os.readlink(b"/proc/" + name))
        if rest[:1] in ([b"ns"], [b"map_files"]) and len(rest) == 2:
            return os.readlink(b"/proc/" + name)
        return None

    def is_magic(self, inner: bytes) -> bool:
        parts = inner.split(b"/")
        return len(parts) in (3, 5) and parts[-2] == b"fd" and parts[0].isdigit()

    def hold(self, task: Task, inner: bytes) -> int:
        name, _, _ = self._named(task, inner)
        return os.open(b"/proc/" + name, O_PATH)

    def open(self, task: Task, inner: bytes, descriptor: int, flags: int) -> int:
        if inner.startswith(b".held/"):
            return reopen(descriptor, flags)
        name, process, rest = self._named(task, inner)
        writes = flags & os.O_ACCMODE != os.O_RDONLY or flags & os.O_TRUNC
        if not name:
            self._list()
            return os.open(self.source, flags & HOW_TO_OPEN | os.O_CLOEXEC)
        if process is None:
            if writes:
                raise OSError(errno.EROFS if name.startswith(b"sys/") else errno.EACCES, "")
            return reopen(descriptor, flags)
        owner = self._tasks.by_id[process.pid].identity if process.pid in self._tasks.by_id else task.identity
        mode = kernel.status(descriptor).mode
        if stat.S_ISLNK(mode):
            raise OSError(errno.ELOOP, "")
        if not mode & _PRIVATE and not _may_look(task.identity, owner):
            raise OSError(errno.EACCES, "")
        if writes and (rest[-1] not in _WRITABLE and rest != [b"mem"]):
            raise OSError(errno.EACCES, "")
        text = None if writes else self._text(name, process, rest, owner)
        return reopen(descriptor, flags) if text is None else as_file(text)

    def _text(self, name: bytes, process: Process, rest: list[bytes], owner: Identity) -> bytes | None:
        """What is told instead of the machine's text."""
        what = b"/".join(rest)
        if what == b"status":
            return status_text(_read(name), owner, process.umask)
        if what == b"cmdline":
            words = _read(name).split(b"\0")
            if process.inserted == 3:  # LOADER --argv0 NAME PROGRAM …
                return b"\0".join([words[2], *words[4:]])
            return b"\0".join(words[process.inserted :])
        if what in (b"maps", b"smaps", b"numa_maps"):
            return _read(name).replace(self._files.root_source, b"")
        if what in (b"mounts", b"mountinfo", b"mountstats"):
            return self._mounts()[what]
        return self._network.get(what)


class Sys(WithoutMagic):
    """The place ``/sys``: the machine's, read-only."""

    target, source, read_only, can_make = b"/sys", b"/sys", True, False

    def __init__(self) -> None:
        self._machine = os.open("/sys", O_PATH | os.O_DIRECTORY)

    def find(self, task: Task, inner: bytes) -> int:
        if any(inner == hidden or inner.startswith(hidden + b"/") for hidden in _HIDDEN_IN_SYS):
            raise OSError(errno.ENOENT, "")
        how = kernel.BENEATH | kernel.NO_MAGIC_LINKS | kernel.NO_LINKS
        return kernel.open_at(self._machine, inner or b".", O_PATH | os.O_NOFOLLOW, how)

    def link(self, task: Task, inner: bytes) -> bytes | None:
        return link_of(self, task, inner)

    def open(self, task: Task, inner: bytes, descriptor: int, flags: int) -> int:
        if flags & os.O_ACCMODE != os.O_RDONLY:
            raise OSError(errno.EROFS, "")
        return reopen(descriptor, flags)


def status_text(text: bytes, who: Identity, umask: int) -> bytes:
    """``/proc/PID/status`` with the identity that the process has in the container."""
    held = who.capabilities
    told = {
        b"Uid": b"\t".join(b"%d" % uid for uid in who.user),
        b"Gid": b"\t".join(b"%d" % gid for gid in who.group),
        b"Groups": b" ".join(b"%d" % gid for gid in who.groups) + b" ",
        b"Umask": b"%04o" % umask,
        b"CapInh": b"%016x" % held.inheritable,
        b"CapPrm": b"%016x" % held.permitted,
        b"CapEff": b"%016x" % held.effective,
        b"CapBnd": b"%016x" % held.bounding,
        b"CapAmb": b"%016x" % held.ambient,
        b"NoNewPrivs": b"%d" % who.no_new_privileges,
        b"TracerPid": b"0",
    }
    lines = (line.partition(b":") for line in text.splitlines())
    return b"".join(b"%s:\t%s\n" % (key, told[key] if key in told else value.strip()) for key, _, value in lines)


def as_file(text: bytes) -> int:
    """A descriptor that reads ``text``, for reading only."""
    written = os.memfd_create("text", os.MFD_CLOEXEC)
    try:
        os.write(written, text)
        return os.open(b"/proc/self/fd/%d" % written, os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(written)


def _may_look(who: Identity, owner: Identity) -> bool:
    return who.user.effective in (0, *owner.user[:3])


def _read(name: bytes) -> bytes:
    with open(b"/proc/" + name, "rb") as file:
        return file.read()


def _placeholder(original: bytes, name: bytes) -> None:
    """Something of the same kind under the same name, to be listed."""
    try:
        mode = os.lstat(original).st_mode
    except OSError:
        return
    if stat.S_ISDIR(mode):
        os.mkdir(name, 0o555)
    elif stat.S_ISLNK(mode):
        os.symlink(b"self", name)
    else:
        os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444))
