"""Calls with socket addresses: the supervisor changes what the kernel reads, then what the program reads.

The changed address lies below the program's stack. A second thread could still change it in between; what it
could reach then is what ``walls`` leaves.

Source: bind(2), connect(2), sendto(2), getsockname(2), unix(7).
"""

import contextlib
import errno
import os
import socket
import struct
from collections.abc import Callable

from kit.engine.isolators.supervisor import kernel, ownership
from kit.engine.isolators.supervisor.call import Call
from kit.engine.isolators.supervisor.ownership import WRITE
from kit.engine.isolators.supervisor.paths import is_named
from kit.engine.isolators.supervisor.registers import Registers
from kit.engine.isolators.supervisor.scratch import put

After = Callable[[Registers], None]
_LONGEST = 128
_LONGEST_UNIX_PATH = 107
_UNIX = struct.pack("=H", socket.AF_UNIX)
_INTERNET = (struct.pack("=H", socket.AF_INET), struct.pack("=H", socket.AF_INET6))


def nothing(registers: Registers) -> None:
    """After a call of which the program shall notice nothing."""


def bind(call: Call, registers: Registers) -> After | None:
    address = call.task.process.memory.read(call.arguments[1], min(call.arguments[2], _LONGEST))
    if address[:2] == _UNIX and address[2:3] not in (b"", b"\0"):
        return _bind_unix(call, registers, address)
    new = call.box.network.outgoing(address, binds=True) if len(address) > 2 else None
    if new is None:
        return None
    _replace(call, registers, 1, new)

    def after(done: Registers) -> None:
        if done.result == -errno.EINVAL and address[:2] == _INTERNET[1]:
            done.result = 0  # For IPv6 only: the IPv4 listener beside it gets the traffic.

    return after


def connect(call: Call, registers: Registers) -> After | None:
    return _reach(call, registers, 1)


def sendto(call: Call, registers: Registers) -> After | None:
    return _reach(call, registers, 4)


def _reach(call: Call, registers: Registers, place: int) -> After | None:
    address = call.task.process.memory.read(call.arguments[place], min(call.arguments[place + 1], _LONGEST))
    if len(address) <= 2:
        return None
    if address[:2] == _UNIX and address[2:3] != b"\0":
        new: bytes | None = _unix_outside(call, address)
    else:
        new = call.box.network.outgoing(address, binds=False)
    if new is None:
        return None
    _replace(call, registers, place, new)
    return nothing


def _replace(call: Call, registers: Registers, place: int, address: bytes) -> None:
    registers.set_argument(place, put(call.task, registers, address))
    registers.set_argument(place + 1, len(address))


def _unix_path(address: bytes) -> bytes:
    return address[2:].partition(b"\0")[0]


def _unix_outside(call: Call, address: bytes) -> bytes:
    path = call.box.paths.absolute(call.task, kernel.AT_CWD, _unix_path(address))
    with call.box.find(call.task, path) as found:
        ownership.check(call.box.owners.face(found.status()), call.task.identity, WRITE)
        if not found.place.can_make or not is_named(found):
            raise OSError(errno.ECONNREFUSED, "")
        return _short(call, found.host)


def _bind_unix(call: Call, registers: Registers, address: bytes) -> After:
    box, task = call.box, call.task
    path = box.paths.absolute(task, kernel.AT_CWD, _unix_path(address))
    parent = box.paths.parent(task, path)
    with parent.directory as directory:
        if os.path.lexists(parent.at()):
            raise OSError(errno.EADDRINUSE, "")
        above = box.check_directory(task, directory)
        host = directory.host + b"/" + parent.name
    _replace(call, registers, 1, _short(call, host))

    def after(done: Registers) -> None:
        if done.result:
            return
        with contextlib.suppress(OSError):
            status = kernel.status(kernel.AT_CWD, host, kernel.AT_NO_FOLLOW)
            mode = 0o777 & ~task.process.umask
            who = task.identity
            shown = ownership.shown(mode, False)
            hidden = mode if shown != mode else None
            box.owners.born(status, who.user.files, ownership.group_of_new(above, who), hidden)
            os.chmod(host, shown)

    return after


def _short(call: Call, host: bytes) -> bytes:
    """The address of a socket on the machine. Long paths go through a symlink to their place."""
    if len(host) > _LONGEST_UNIX_PATH:
        for source, alias in call.box.aliases:
            if host.startswith(source + b"/"):
                host = alias + host[len(source) :]
                break
    if len(host) > _LONGEST_UNIX_PATH:
        raise OSError(errno.ENAMETOOLONG, "")
    return _UNIX + host + b"\0"


def own_name(call: Call, registers: Registers) -> After | None:
    """``getsockname`` and ``getpeername``."""
    memory, where, length = call.task.process.memory, call.arguments[1], call.arguments[2]
    (room,) = struct.unpack("=I", memory.read_all(length, 4))

    def after(done: Registers) -> None:
        if done.result:
            return
        with contextlib.suppress(OSError):
            (size,) = struct.unpack("=I", memory.read_all(length, 4))
            address = memory.read(where, min(size, room)) if min(size, room) else b""
            if address[:2] == _UNIX and address[2:3] not in (b"", b"\0"):
                new: bytes | None = _UNIX + _unix_inside(call, _unix_path(address)) + b"\0"
            else:
                new = call.box.network.incoming(address)
            if new is not None:
                memory.write(where, new[:room])
                memory.write(length, struct.pack("=I", len(new)))

    return after


def _unix_inside(call: Call, host: bytes) -> bytes:
    for source, alias in call.box.aliases:
        if host.startswith(alias + b"/"):
            host = source + host[len(alias) :]
    return call.box.paths.shown(host) or host


def peer_credentials(call: Call, registers: Registers) -> After | None:
    """``getsockopt`` with SO_PEERCRED."""
    memory, where = call.task.process.memory, call.arguments[3]

    def after(done: Registers) -> None:
        if done.result:
            return
        with contextlib.suppress(OSError):
            (pid,) = struct.unpack("=i", memory.read_all(where, 4))
            peer = call.box.tasks.by_id.get(pid)
            if peer is not None:
                who = peer.identity
                memory.write(where, struct.pack("=iII", pid, who.user.effective, who.group.effective))

    return after


def send_message(call: Call, registers: Registers) -> After | None:
    """``sendmsg`` and ``sendmmsg`` where there is no network: nothing leaves for elsewhere."""
    memory = call.task.process.memory
    name, size = struct.unpack("=QI", memory.read_all(call.arguments[1], 12))
    if name and size > 2:
        address = memory.read(name, min(size, _LONGEST))
        if address[:2] in _INTERNET:
            new = call.box.network.outgoing(address, binds=False)
            if new is not None and new != address:
                memory.write(name, new[:size])
    return None
