"""The supervisor of a container in a user namespace: every call that comes, and who answers it.

It is root of the container's user namespace and has the container's root directory for its own, but it is in none
of the container's process lists. Before it goes in, it forgets where Python's modules lie: from there on a path
names a file of the container's.

Source: the kernel's unistd tables for the order of arguments.
"""

import errno
import json
import os
import stat
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import cast

from kit.engine.isolators.namespaces.network import Network, read
from kit.engine.isolators.namespaces.notify import Asked
from kit.engine.isolators.namespaces.recorded import asked, facts, files, programs
from kit.engine.isolators.namespaces.recorded.call import Call
from kit.engine.isolators.namespaces.recorded.finding import Where, descriptor, either, named
from kit.engine.isolators.namespaces.recorded.people import People
from kit.engine.isolators.supervisor import ids, kernel, people
from kit.engine.isolators.supervisor.call import ANSWERED, NATIVE
from kit.engine.isolators.supervisor.call import Call as CallOfSeccomp
from kit.engine.isolators.supervisor.ids import Identity
from kit.engine.isolators.supervisor.kernel import AT_CWD, AT_EMPTY_PATH, AT_FOLLOW, AT_NO_FOLLOW, Status
from kit.engine.isolators.supervisor.ownership import Face, Owners
from kit.engine.isolators.supervisor.proc import status_text
from kit.engine.isolators.supervisor.status import as_stat, as_statx
from kit.layer.ownership import FileIdentity, Ownership, read_journal, to_line

Handler = Callable[[Call], int]

NOBODY = 65534
"""How the kernel shows whoever a user namespace does not know: here that is the machine's root."""
_BIRTH = 0x800
# The kernel gives the same answer for what it does not find, and finds more than we do: /proc/self.
_THE_KERNELS_TO_SAY = (
    errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EBADF, errno.EFAULT, errno.ESRCH,
)  # fmt: skip
_EFFECTIVE = 0x200
_UNIX = b"\1\0"


class Recorder:
    """One container's owners and identities. ``journal`` is read and appended to (``kit.layer.ownership``)."""

    def __init__(self, journal: Path, network: Network | None, proc: int) -> None:
        self.proc, self.people = proc, People()
        self.tasks = self.people
        self.owners, records = _open_journal(journal)
        self.has_devices = any(record.st_mode is not None for record in records)
        self.somebody_changed_root = self.somebody_masks_owners = False
        self.knows_births = True
        self._network = network
        self._starting: dict[int, tuple[Identity, bytes]] = {}
        self._is_inside = False
        numbers = asked.numbers()
        self._handlers = {numbers[name]: handler for name, handler in _HANDLERS.items() if name in numbers}
        self._execute = {numbers[name] for name in ("execve", "execveat")}
        self._addresses = {numbers["bind"]: (1, 2), numbers["connect"]: (1, 2), numbers["sendto"]: (4, 5)}
        self._bind = numbers["bind"]
        self._kernels_own: set[tuple[int, int]] = set()

    def welcome(self, message: bytes, brought: Sequence[int]) -> None:
        """A process is about to start and has brought its root; ``message`` says as whom, and what it executes."""
        told = json.loads(message)
        listener, root = brought
        if not self._is_inside:
            self._go_inside(root)
        os.close(root)
        who = ids.starting(told["uid"], told["gid"], tuple(told["groups"]), privileges=told["privileges"])
        self._starting[listener] = who, os.path.normpath(os.fsencode(told["program"]))

    def handle(self, question: Asked) -> None:
        """Answers one call."""
        if question.listener in self._starting and question.what not in self._execute:
            return question.go_on()  # The helper's own last steps, as real root of the namespace.
        try:
            if question.listener in self._starting:
                result = self._begin(question, *self._starting.pop(question.listener))
            else:
                result = self._answer(question)
        except OSError as problem:
            return question.go_on() if problem.errno in _THE_KERNELS_TO_SAY else question.refuse(problem)
        if result == NATIVE:
            return question.go_on()
        return question.answer(result) if result != ANSWERED else None

    def _begin(self, question: Asked, who: Identity, program: bytes) -> int:
        """The program begins. Until now nobody may look into the process, so what it executes was told before."""
        self.people.become(question.pid, who)
        return programs.execute(Call(question, self), Where(AT_CWD, program))

    def _answer(self, question: Asked) -> int:
        if question.what in self._addresses:
            return self._with_address(question)
        return self._handlers[question.what](Call(question, self))

    def _with_address(self, question: Asked) -> int:
        """A socket of the file system is a file; the others are the network's business."""
        place, size = self._addresses[question.what]
        address = read(self.proc, question.pid, question.arguments[place], min(question.unsigned(size), 128))
        if address[:2] == _UNIX and address[2:3] not in (b"", b"\0"):
            act = programs.bind_unix if question.what == self._bind else programs.connect_unix
            return act(Call(question, self), address)
        if self._network is None:
            return NATIVE
        self._network.handle(question)
        return ANSWERED

    def _go_inside(self, root: int) -> None:
        sys.path.clear()
        sys.meta_path[:] = [finder for finder in sys.meta_path if "PathFinder" not in repr(finder)]
        os.fchdir(root)
        os.chroot(".")
        os.umask(0)
        self.knows_births = bool(kernel.status(AT_CWD, b"/", 0).mask & _BIRTH)
        for name in (b"/proc", b"/sys"):
            status = kernel.status(AT_CWD, name, 0)
            self._kernels_own.add((status.holder_major, status.holder_minor))
        self._is_inside = True

    # --- what handlers ask

    def is_of_the_kernel(self, status: Status) -> bool:
        return (status.holder_major, status.holder_minor) in self._kernels_own

    def can_record(self, status: Status) -> bool:
        """Whether the file lies on a disk, and not in the kernel."""
        kind = stat.S_IFMT(status.mode)
        if kind in (stat.S_IFCHR, stat.S_IFBLK) or self.is_of_the_kernel(status):
            return False
        return kind not in (stat.S_IFIFO, stat.S_IFSOCK) or bool(status.mask & _BIRTH)

    def face(self, status: Status, place: Where | None = None) -> Face:
        """What the container sees of a file; ``place`` lets the files of processes have their owners."""
        face = self.owners.face(status)
        if face.uid == NOBODY or face.gid == NOBODY:
            face = face._replace(uid=face.uid % NOBODY, gid=face.gid % NOBODY)
        if place is not None and self.is_of_the_kernel(status) and status.uid == 0:
            process = self.people.named(self._process(place))
            if process is not None:
                return face._replace(uid=process.identity.user.effective, gid=process.identity.group.effective)
        return face

    def _process(self, place: Where) -> bytes:
        """The number of the process that a file in ``/proc`` tells of."""
        held = place.open(os.O_PATH)
        try:
            parts = os.readlink(b"self/fd/%d" % held, dir_fd=self.proc).split(b"/")
        finally:
            os.close(held)
        return parts[2] if len(parts) > 2 and parts[1] == b"proc" else b""

    def status_text(self, place: Where) -> bytes | None:
        """``/proc/PID/status`` with the identity that the process has; None for another file of that name."""
        process = self.people.named(self._process(place))
        if process is None:
            return None
        with open(place.open(os.O_RDONLY), "rb") as file:
            text = file.read()
        umask = next((line.split()[1] for line in text.splitlines() if line.startswith(b"Umask:")), b"22")
        return status_text(text, process.identity, int(umask, 8)) if b"\nUid:" in text else None

    def as_file(self, text: bytes) -> int:
        """A descriptor that reads ``text``, for reading only."""
        written = os.memfd_create("text", os.MFD_CLOEXEC)
        try:
            os.write(written, text)
            return os.open(b"self/fd/%d" % written, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self.proc)
        finally:
            os.close(written)

    def attributes_on_disk(self, held: int) -> list[str]:
        again = os.open(b"self/fd/%d" % held, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=self.proc)
        try:
            return [name for name in os.listxattr(again) if not name.startswith(("security.", "trusted."))]
        finally:
            os.close(again)


def _open_journal(journal: Path) -> tuple[Owners, list[Ownership]]:
    descriptor = os.open(journal, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with open(os.dup(descriptor), errors="replace") as lines:
        records = read_journal(lines)

    def put(identity: FileIdentity, record: Ownership) -> None:
        os.write(descriptor, to_line(identity, record).encode())

    return Owners(records, put, uid=0, gid=0), list(records.values())


# --- which function answers which call


def _of_people(answer: Callable[[CallOfSeccomp], int]) -> Handler:
    """These look at nothing of a call but its numbers, its memory and its identity."""
    return lambda call: answer(cast(CallOfSeccomp, call))


def _umask(call: Call) -> int:
    call.box.somebody_masks_owners |= bool(call.unsigned(0) & 0o700)
    return NATIVE


def _chroot(call: Call) -> int:
    if not call.who.has(ids.SYS_CHROOT):
        raise OSError(errno.EPERM, "")
    call.box.somebody_changed_root = True
    return NATIVE


def _open_how(call: Call) -> int:
    flags, mode = files.how(call, 2, call.arguments[3])
    return files.open_file(call, call.number(0), call.text(1), flags, mode)


def _stat_at(call: Call) -> int:
    flags = call.number(3)
    return files.stat_file(call, either(call, 1, call.number(0), flags), 2, as_stat, follow=not flags & AT_NO_FOLLOW)


def _statx(call: Call) -> int:
    flags = call.number(2)
    return files.stat_file(call, either(call, 1, call.number(0), flags), 4, as_statx, follow=not flags & AT_NO_FOLLOW)


def _chown_at(call: Call) -> int:
    flags = call.number(4)
    place = either(call, 1, call.number(0), flags)
    return facts.chown(call, place, call.unsigned(2), call.unsigned(3), follow=not flags & AT_NO_FOLLOW)


def _access(call: Call, index: int, directory: int, flags: int) -> int:
    if call.is_above:
        return NATIVE
    place = either(call, index, directory, flags & AT_EMPTY_PATH)
    effective = bool(flags & _EFFECTIVE)
    return files.access(call, place, call.number(index + 1), effective=effective, follow=not flags & AT_NO_FOLLOW)


def _link_at(call: Call) -> int:
    if call.is_above:
        return NATIVE
    flags = call.number(4)
    return files.link(call, either(call, 1, call.number(0), flags & ~AT_FOLLOW), named(call, 3, call.number(2)))


def _execute_at(call: Call) -> int:
    flags = call.number(4)
    return programs.execute(call, either(call, 1, call.number(0), flags), follow=not flags & AT_NO_FOLLOW)


def _above_or(answer: Handler) -> Handler:
    """For calls that only permissions stand before."""
    return lambda call: NATIVE if call.is_above else answer(call)


def _xattrs() -> dict[str, Handler]:
    verbs = {
        "set": facts.set_attribute, "get": facts.get_attribute,
        "list": facts.list_attributes, "remove": facts.remove_attribute,
    }  # fmt: skip
    found: dict[str, Handler] = {}
    for verb, act in verbs.items():
        found[f"{verb}xattr"] = lambda call, act=act: act(call, named(call, 0))  # type: ignore[misc]
        found[f"l{verb}xattr"] = lambda call, act=act: act(call, named(call, 0), follow=False)  # type: ignore[misc]
        found[f"f{verb}xattr"] = lambda call, act=act: act(call, descriptor(call, call.number(0)))  # type: ignore[misc]
    return found


_CREAT = os.O_CREAT | os.O_WRONLY | os.O_TRUNC

_HANDLERS: Mapping[str, Handler] = {
    "open": lambda call: files.open_file(call, AT_CWD, call.text(0), call.unsigned(1), call.unsigned(2)),
    "openat": lambda call: files.open_file(
        call, call.number(0), call.text(1), call.unsigned(2), call.unsigned(3)
    ),
    "openat2": _open_how,
    "creat": lambda call: files.open_file(call, AT_CWD, call.text(0), _CREAT, call.unsigned(1)),
    "stat": lambda call: files.stat_file(call, named(call, 0), 1, as_stat, follow=True),
    "lstat": lambda call: files.stat_file(call, named(call, 0), 1, as_stat, follow=False),
    "fstat": lambda call: files.stat_file(call, descriptor(call, call.number(0)), 1, as_stat, follow=True),
    "newfstatat": _stat_at,
    "statx": _statx,
    "access": lambda call: _access(call, 0, AT_CWD, 0),
    "faccessat": lambda call: _access(call, 1, call.number(0), 0),
    "faccessat2": lambda call: _access(call, 1, call.number(0), call.number(3)),
    "mkdir": lambda call: files.mkdir(call, named(call, 0), call.unsigned(1)),
    "mkdirat": lambda call: files.mkdir(call, named(call, 1, call.number(0)), call.unsigned(2)),
    "mknod": lambda call: files.mknod(call, named(call, 0), call.unsigned(1), call.unsigned(2)),
    "mknodat": lambda call: files.mknod(call, named(call, 1, call.number(0)), call.unsigned(2), call.unsigned(3)),
    "symlink": lambda call: files.symlink(call, named(call, 1)),
    "symlinkat": lambda call: files.symlink(call, named(call, 2, call.number(1))),
    "link": _above_or(lambda call: files.link(call, named(call, 0), named(call, 1))),
    "linkat": _link_at,
    "unlink": _above_or(lambda call: files.remove(call, named(call, 0))),
    "rmdir": _above_or(lambda call: files.remove(call, named(call, 0))),
    "unlinkat": _above_or(lambda call: files.remove(call, named(call, 1, call.number(0)))),
    "rename": _above_or(lambda call: files.rename(call, named(call, 0), named(call, 1))),
    **dict.fromkeys(
        ("renameat", "renameat2"),
        _above_or(lambda call: files.rename(call, named(call, 1, call.number(0)), named(call, 3, call.number(2)))),
    ),
    "truncate": _above_or(lambda call: files.truncate(call, named(call, 0))),
    "chdir": _above_or(lambda call: files.enter(call, named(call, 0))),
    "fchdir": _above_or(lambda call: files.enter(call, descriptor(call, call.number(0)))),
    "chroot": _chroot,
    "umask": _umask,
    "chmod": lambda call: facts.chmod(call, named(call, 0), call.unsigned(1)),
    "fchmodat": lambda call: facts.chmod(call, named(call, 1, call.number(0)), call.unsigned(2)),
    "fchmod": lambda call: facts.chmod(call, descriptor(call, call.number(0)), call.unsigned(1)),
    "chown": lambda call: facts.chown(call, named(call, 0), call.unsigned(1), call.unsigned(2)),
    "lchown": lambda call: facts.chown(call, named(call, 0), call.unsigned(1), call.unsigned(2), follow=False),
    "fchownat": _chown_at,
    "fchown": lambda call: facts.chown(
        call, descriptor(call, call.number(0)), call.unsigned(1), call.unsigned(2)
    ),
    "utime": lambda call: facts.set_times(call, named(call, 0), call.arguments[1]),
    "utimes": lambda call: facts.set_times(call, named(call, 0), call.arguments[1]),
    "futimesat": lambda call: facts.set_times(call, either(call, 1, call.number(0), 0), call.arguments[2]),
    "utimensat": lambda call: facts.set_times(
        call, either(call, 1, call.number(0), call.number(3)), call.arguments[2],
        follow=not call.number(3) & AT_NO_FOLLOW,
    ),
    **_xattrs(),
    "execve": lambda call: programs.execute(call, named(call, 0)),
    "execveat": _execute_at,
    **dict.fromkeys(("kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"), programs.signal),
    "getsockopt": programs.peer_credentials,
    "getuid": lambda call: call.who.user.real,
    "geteuid": lambda call: call.who.user.effective,
    "getgid": lambda call: call.who.group.real,
    "getegid": lambda call: call.who.group.effective,
    "getresuid": lambda call: people.get_three(cast(CallOfSeccomp, call), call.who.user),
    "getresgid": lambda call: people.get_three(cast(CallOfSeccomp, call), call.who.group),
    **{
        name: _of_people(getattr(people, name))
        for name in (
            *("setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setfsuid", "setfsgid"),
            *("setgroups", "getgroups", "capget", "capset", "prctl"),
        )
    },
}  # fmt: skip
