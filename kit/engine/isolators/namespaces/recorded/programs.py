"""Executing programs, signals between processes, and who is at the other end of a socket.

The kernel executes; what a set-id bit or a file's capabilities make of a process is recorded just before. A file
that the kernel can't execute after all (too many arguments, no interpreter) is the one case where that is wrong.

Source: execve(2), kill(2); unix(7), SO_PEERCRED.
"""

import errno
import os
import socket
import stat
import struct

from kit.engine.isolators.namespaces.network import fetch
from kit.engine.isolators.namespaces.recorded.call import Call
from kit.engine.isolators.namespaces.recorded.finding import Where, check_parent, check_way, where
from kit.engine.isolators.supervisor import ids, ownership
from kit.engine.isolators.supervisor.call import NATIVE
from kit.engine.isolators.supervisor.ids import FileRights
from kit.engine.isolators.supervisor.kernel import AT_CWD
from kit.engine.isolators.supervisor.ownership import CAPABILITY, EXECUTE, WRITE, group_of_new, shown


def execute(call: Call, place: Where, *, follow: bool = True) -> int:
    check_way(call, place, follow=follow)
    status = place.status(follow=follow)
    face = call.box.face(status, place)
    if not stat.S_ISREG(face.mode) or not face.mode & 0o111:
        raise OSError(errno.EACCES, "")
    ownership.check(face, call.who, EXECUTE)
    record = call.box.owners.find(status)
    rights = FileRights(stat.S_IMODE(face.mode), face.uid, face.gid)
    if record is not None:
        rights = rights._replace(capability=record.xattrs.get(CAPABILITY, b""))
    if rights.mode & 0o6000 or rights.capability:
        rights = rights if _is_a_program(place) else FileRights()
    call.task.identity, _ = ids.after_execution(call.who, rights)
    return NATIVE


def _is_a_program(place: Where) -> bool:
    """Scripts give no rights away."""
    held = place.open(os.O_RDONLY | os.O_NONBLOCK)
    try:
        return os.pread(held, 4, 0) == b"\x7fELF"
    finally:
        os.close(held)


def signal(call: Call) -> int:
    """``kill`` and its like: the first argument is a process, or a task."""
    target = call.number(0)
    if call.who.has(ids.KILL) or target == 0:
        return NATIVE
    if target < 0:  # Groups: who may not signal everybody signals nobody.
        raise OSError(errno.EPERM, "")
    other = call.box.people.named(b"%d" % target)
    if other is not None and not ids.may_signal(call.who, other.identity):
        raise OSError(errno.EPERM, "")
    return NATIVE


def peer_credentials(call: Call) -> int:
    """``getsockopt`` with SO_PEERCRED."""
    proc, where_to, length = call.box.proc, call.arguments[3], call.arguments[4]
    with socket.socket(fileno=fetch(proc, call.pid, call.unsigned(0))) as copy:
        pid, _, _ = struct.unpack("=iII", copy.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    if pid <= 0:
        return NATIVE
    with open(os.open(f"{pid}/status", os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc)) as file:
        inside = next(int(line.split()[-1]) for line in file if line.startswith("NSpid:"))
    who = call.box.people.of(pid)
    (room,) = struct.unpack("=I", call.task.memory.read_all(length, 4))
    told = struct.pack("=iII", inside, who.user.effective, who.group.effective)[:room]
    call.task.memory.write(where_to, told)
    call.task.memory.write(length, struct.pack("=I", len(told)))
    return 0


def bind_unix(call: Call, address: bytes) -> int:
    """A socket in the file system is a file that somebody makes."""
    path = address[2:].partition(b"\0")[0]
    place = where(call, AT_CWD, path)
    above = check_parent(call, place)
    if call.is_above and group_of_new(above, call.who) == 0:
        return NATIVE
    mode = 0o777 & ~call.task.umask
    directory = place.parent.open(os.O_PATH)
    try:
        with socket.socket(fileno=fetch(call.box.proc, call.pid, call.unsigned(0))) as copy:
            os.fchdir(directory)
            copy.bind(os.path.basename(path))
    finally:
        os.chdir("/")
        os.close(directory)
    status = place.status(follow=False)
    os.chmod(place.path, shown(mode, False), dir_fd=place.at)
    call.box.owners.born(status, call.who.user.files, group_of_new(above, call.who), mode)
    return 0


def connect_unix(call: Call, address: bytes) -> int:
    if not call.is_above:
        place = where(call, AT_CWD, address[2:].partition(b"\0")[0])
        check_way(call, place)
        ownership.check(call.box.face(place.status()), call.who, WRITE)
    return NATIVE
