"""A container's own loopback address on a network that it shares with the machine.

The processes of a container ask its supervisor before they bind or connect. What is meant for "any address"
or for loopback goes to the container's own address, 127.66.x.y, where only it listens: two containers can
both have port 80, and each finds itself at ``localhost``. Everything else goes its way unchanged.

The supervisor acts on a duplicate of the process's socket, so nothing that the process changes in its memory
meanwhile can matter.

Source: seccomp_unotify(2), pidfd_getfd(2), ip(7), ipv6(7).
"""

import ctypes
import errno
import ipaddress
import os
import socket
import struct
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from kit.engine.isolators.namespaces import linux
from kit.engine.isolators.namespaces.notify import Asked

_BIND, _CONNECT, _SEND_TO = (49, 361, 200), (42, 362, 203), (44, 369, 206)
_LOOPBACK, _CONTAINERS = ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("127.66.0.0/16")
_ONLY_IPV6 = (socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
_MAPPED = b"\0" * 10 + b"\xff" * 2
_libc = ctypes.CDLL(None, use_errno=True)


class Address(NamedTuple):
    """A socket address as the kernel takes it, read as far as we need."""

    family: int
    port: int
    host: ipaddress.IPv4Address | ipaddress.IPv6Address

    def at(self, own: ipaddress.IPv4Address) -> bytes:
        """The same port at the container's own address, in the same family."""
        if self.family == socket.AF_INET:
            return struct.pack("=H", self.family) + struct.pack("!H", self.port) + own.packed + bytes(8)
        port = struct.pack("!HI", self.port, 0)
        return struct.pack("=H", self.family) + port + _MAPPED + own.packed + bytes(4)


def parse(raw: bytes) -> Address | None:
    """None for a family that stays untouched."""
    family = struct.unpack_from("=H", raw)[0] if len(raw) >= 2 else -1
    if family == socket.AF_INET and len(raw) >= 8:
        return Address(family, struct.unpack_from("!H", raw, 2)[0], ipaddress.IPv4Address(raw[4:8]))
    if family == socket.AF_INET6 and len(raw) >= 24:
        return Address(family, struct.unpack_from("!H", raw, 2)[0], ipaddress.IPv6Address(raw[8:24]))
    return None


def is_own(address: Address, *, resolvers: frozenset[str] = frozenset()) -> bool:
    """Whether the container means itself: "any", loopback; but neither another container nor a name server."""
    host = address.host
    if isinstance(host, ipaddress.IPv6Address):
        if host.ipv4_mapped is None:
            return host.is_unspecified or host.is_loopback
        host = host.ipv4_mapped
    if address.port == 53 and str(host) in resolvers:
        return False
    return host.is_unspecified or (host in _LOOPBACK and host not in _CONTAINERS)


def name_servers(resolv_conf: str) -> frozenset[str]:
    lines = (line.split() for line in resolv_conf.splitlines())
    return frozenset(words[1] for words in lines if len(words) > 1 and words[0] == "nameserver")


def loopback_resolver() -> bool:
    """Whether this machine asks a name server on loopback."""
    return any(server.startswith("127.") for server in _machines_name_servers())


def _machines_name_servers() -> frozenset[str]:
    try:
        with open("/etc/resolv.conf") as file:
            return name_servers(file.read())
    except OSError:
        return frozenset()


class Network:
    """Answers ``bind``, ``connect`` and ``sendto`` for one container.

    ``proc`` is the machine's ``/proc``. ``shift``: its ports below 1024 lie that much higher, where the machine
    lets only root have them. ``strict``: no wall stands behind us, so an address that we have read is used by
    us, never read again by the kernel.
    """

    def __init__(self, own: str, proc: int, *, shift: int = 0, strict: bool = False) -> None:
        self._own, self._proc, self._shift, self._strict = ipaddress.IPv4Address(own), proc, shift, strict
        self._resolvers = _machines_name_servers()

    def handle(self, call: Asked) -> None:
        try:
            self._handle(call)
        except OSError as problem:
            if self._strict:
                call.refuse(problem)
            else:
                call.go_on()

    def _handle(self, call: Asked) -> None:
        place, size = (4, 5) if call.what in _SEND_TO else (1, 2)
        raw = read(self._proc, call.pid, call.arguments[place], min(call.unsigned(size), 128))
        binds = call.what in _BIND
        target = self._target(raw, binds=binds)
        if target is None and not self._strict:
            return call.go_on()
        copy = socket.socket(fileno=fetch(self._proc, call.pid, call.unsigned(0)))
        if not call.waits():
            return None
        if copy.family not in (socket.AF_INET, socket.AF_INET6):
            return call.go_on()
        if target is not None and not binds and not self._is_bound(target):
            return call.refuse(ConnectionRefusedError(errno.ECONNREFUSED, ""))
        if target is not None and binds and copy.family == socket.AF_INET6 and copy.getsockopt(*_ONLY_IPV6):
            address = parse(raw)
            if address and address.host.is_loopback and address.port == 0:
                target = None
            else:
                # IPv6 has one loopback address for all: the IPv4 listener beside it gets the traffic.
                target = struct.pack("=HHI", socket.AF_INET6, 0, 0) + ipaddress.IPv6Address("::1").packed + bytes(4)
        if target is None and not self._strict:
            return call.go_on()
        return self._act(call, copy, raw if target is None else target)

    def _target(self, raw: bytes, *, binds: bool) -> bytes | None:
        """Which address is meant, if it is another one than is named."""
        address = parse(raw)
        if address is None:
            return None
        if binds and address.port == 0 and address.host.is_unspecified:
            return None  # A client that wants any port: it may be about to reach out.
        shift = self._shift if 0 < address.port < 1024 else 0
        if is_own(address, resolvers=frozenset() if binds else self._resolvers):
            return address._replace(port=address.port + shift).at(self._own)
        if shift and (host := as_version_4(address.host)) in _CONTAINERS:
            return address._replace(port=address.port + shift).at(host)
        return None

    def _is_bound(self, target: bytes) -> bool:
        """Whether a socket is bound to exactly this: one that listens everywhere is the machine's, no container's."""
        address = parse(target)
        if address is None or (host := as_version_4(address.host)) not in _CONTAINERS:
            return True
        wanted = b"%08X:%04X" % (int.from_bytes(host.packed, sys.byteorder), address.port)
        for name in ("tcp", "tcp6", "udp", "udp6"):
            with (
                suppress(FileNotFoundError),
                open(os.open(f"self/net/{name}", os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._proc), "rb") as table,
            ):
                if any(line.split()[1].endswith(wanted) for line in table):
                    return True
        return False

    def _act(self, call: Asked, copy: socket.socket, target: bytes) -> None:
        if call.what in _BIND:
            return _act(call, copy, lambda: _libc.bind(copy.fileno(), target, len(target)))
        if call.what in _SEND_TO:
            data = read(self._proc, call.pid, call.arguments[1], min(call.arguments[2], 1 << 17))
            flags = call.unsigned(3)
            return _act(call, copy, lambda: _libc.sendto(copy.fileno(), data, len(data), flags, target, len(target)))

        def connect() -> int:
            return int(_libc.connect(copy.fileno(), target, len(target)))

        if copy.type != socket.SOCK_STREAM or not os.get_blocking(copy.fileno()):
            return _act(call, copy, connect)
        threading.Thread(target=_act, args=(call, copy, connect), daemon=True).start()
        return None


def as_version_4(host: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address:
    """The IPv4 address that is meant; 0.0.0.0 if none is."""
    mapped = host.ipv4_mapped if isinstance(host, ipaddress.IPv6Address) else host
    return mapped or ipaddress.IPv4Address(0)


def _act(call: Asked, copy: socket.socket, act: Callable[[], int]) -> None:
    """Answers with what the act gives: its result, or its errno."""
    result = act()
    error = ctypes.get_errno() if result < 0 else 0
    copy.close()
    if error:
        call.refuse(OSError(error, ""))
    else:
        call.answer(result)


def read(proc: int, task: int, address: int, size: int) -> bytes:
    """Memory of a task."""
    memory = os.open(f"{task}/mem", os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc)
    try:
        return os.pread(memory, size, address)
    except OverflowError as error:
        raise OSError(errno.EFAULT, "no such address") from error
    finally:
        os.close(memory)


def fetch(proc: int, task: int, number: int) -> int:
    """A duplicate of the task's descriptor: of its process, since descriptors belong to all threads."""
    with open(os.open(f"{task}/status", os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc)) as status:
        process = next(int(line.split()[1]) for line in status if line.startswith("Tgid:"))
    pidfd = os.pidfd_open(process)
    try:
        return linux.get_descriptor(pidfd, number)
    finally:
        os.close(pidfd)
