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
import fcntl
import ipaddress
import os
import select
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from kit.engine.isolators.namespaces import linux

_RECEIVE, _SEND, _STILL_VALID = 0xC0502100, 0xC0182101, 0x40082102
_CONTINUE = 1
_BIND, _CONNECT, _SEND_TO = (49, 361, 200), (42, 362, 203), (44, 369, 206)
_LOOPBACK, _CONTAINERS = ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("127.66.0.0/16")
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


class _Call(NamedTuple):
    """A system call that waits for our answer."""

    identity: int
    task: int
    number: int
    arguments: tuple[int, ...]


class Supervisor:
    """Answers the calls of one container until ``arrivals`` is closed.

    ``arrivals`` brings a filter's listener with each process that was started in the container.
    """

    def __init__(self, own: str, arrivals: socket.socket) -> None:
        self._own = ipaddress.IPv4Address(own)
        self._arrivals = arrivals
        self._resolvers = _machines_name_servers()

    def serve(self) -> None:
        poll = select.poll()
        poll.register(self._arrivals, select.POLLIN)
        while True:
            for descriptor, events in poll.poll():
                if descriptor != self._arrivals.fileno():
                    if events & select.POLLIN:
                        self._serve_one(descriptor)
                    else:
                        poll.unregister(descriptor)
                        os.close(descriptor)
                    continue
                _, listeners, _, _ = socket.recv_fds(self._arrivals, 1, 1)
                if not listeners:
                    return
                poll.register(listeners[0], select.POLLIN)

    def _serve_one(self, listener: int) -> None:
        buffer = bytearray(80)
        try:
            fcntl.ioctl(listener, _RECEIVE, buffer)
        except OSError:  # The process was killed before we looked.
            return
        identity, task, _, number, _, _, *arguments = struct.unpack("=QIIiIQ6Q", buffer)
        call = _Call(identity, task, number, tuple(arguments))

        def answer(result: int | None, error: int = 0) -> None:
            reply = struct.pack("=QqiI", identity, result or 0, -error, _CONTINUE if result is None else 0)
            with suppress(OSError):
                fcntl.ioctl(listener, _SEND, bytearray(reply))

        try:
            self._handle(call, answer, lambda: fcntl.ioctl(listener, _STILL_VALID, struct.pack("=Q", identity)))
        except OSError:
            answer(None)

    def _handle(self, call: _Call, answer: Callable[..., None], check: Callable[[], object]) -> None:
        place, size = (4, 5) if call.number in _SEND_TO else (1, 2)
        raw = _read(call.task, call.arguments[place], min(call.arguments[size] & 0xFFFFFFFF, 128))
        address = parse(raw)
        if address is None or not is_own(
            address, resolvers=self._resolvers if call.number not in _BIND else frozenset()
        ):
            return answer(None)
        if call.number in _BIND and address.port == 0 and address.host.is_unspecified:
            return answer(None)  # A client that wants any port: it may be about to reach out.
        copy = socket.socket(fileno=_fetch(call.task, call.arguments[0] & 0xFFFFFFFF))
        check()
        target = address.at(self._own)
        if address.family == socket.AF_INET6 and copy.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY):
            if call.number not in _BIND or (address.host.is_loopback and address.port == 0):
                return answer(None)
            # IPv6 has one loopback address for all: the IPv4 listener beside it gets the traffic, this one nothing.
            target = struct.pack("=HHI", socket.AF_INET6, 0, 0) + ipaddress.IPv6Address("::1").packed + bytes(4)
        if call.number in _BIND:
            return _act(answer, copy, lambda: _libc.bind(copy.fileno(), target, len(target)))
        if call.number in _SEND_TO:
            data = _read(call.task, call.arguments[1], min(call.arguments[2], 1 << 17))
            flags = call.arguments[3] & 0xFFFFFFFF
            return _act(
                answer, copy, lambda: _libc.sendto(copy.fileno(), data, len(data), flags, target, len(target))
            )

        def connect() -> int:
            return int(_libc.connect(copy.fileno(), target, len(target)))

        if copy.type != socket.SOCK_STREAM or not os.get_blocking(copy.fileno()):
            return _act(answer, copy, connect)
        threading.Thread(target=_act, args=(answer, copy, connect), daemon=True).start()


def _act(answer: Callable[..., None], copy: socket.socket, call: Callable[[], int]) -> None:
    """Answers with what the call gives: its result, or its errno."""
    result = call()
    error = ctypes.get_errno() if result < 0 else 0
    copy.close()
    answer(0 if error else result, error)


def _read(task: int, address: int, size: int) -> bytes:
    with open(f"/proc/{task}/mem", "rb", buffering=0) as memory:
        try:
            memory.seek(address)
            return memory.read(size)
        except (OverflowError, ValueError) as error:
            raise OSError(errno.EFAULT, "no such address") from error


def _fetch(task: int, number: int) -> int:
    """A duplicate of the task's descriptor: of its process, since descriptors belong to all threads."""
    with open(f"/proc/{task}/status") as status:
        process = next(int(line.split()[1]) for line in status if line.startswith("Tgid:"))
    pidfd = os.pidfd_open(process)
    try:
        return linux.get_descriptor(pidfd, number)
    finally:
        os.close(pidfd)
