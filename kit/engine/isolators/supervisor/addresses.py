"""Socket addresses: what a program means, what the kernel is told, and what the program sees. Values only.

A container owns one loopback address, 127.66.x.y. "Any address" and loopback are that address; its ports below
1024, which an ordinary user may not have, lie at port + 64512 there. Both ways are stateless.

A service of the machine that listens on "any address" would answer there, too. So only ports are reached that
somebody has bound at this very address.

Source: ip(7), ipv6(7).
"""

import errno
import os
import socket
import struct
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field

from kit.engine.isolators.contract import Sandbox

SHIFT = 64512
_CONTAINERS = b"\x7f\x42"
_ANY, _ANY6, _LOOPBACK6 = bytes(4), bytes(16), bytes(15) + b"\1"
_MAPPED = bytes(10) + b"\xff\xff"
_DNS = 53


@dataclass
class Network:
    """One container's addresses. ``alone``: it reaches nothing but itself."""

    own: bytes
    alone: bool = False
    resolvers: frozenset[bytes] = frozenset()
    bound: set[bytes] = field(default_factory=set)
    """Ports, as on the machine."""

    @classmethod
    def of(cls, sandbox: Sandbox, resolvers: frozenset[bytes]) -> "Network":
        if sandbox.network != "none":
            return cls(socket.inet_aton(sandbox.address), False, resolvers)
        number = os.getpid()  # Nobody else on this machine has it while we live.
        return cls(bytes((127, 67 + (number >> 16 & 63), number >> 8 & 255, number & 255)), True)

    @property
    def _shifts(self) -> bool:
        return self.own[:2] == _CONTAINERS or self.alone

    def port_outside(self, port: int) -> int:
        """The machine's port for a port of the container."""
        return port + SHIFT if 0 < port < 1024 and self._shifts else port

    def port_inside(self, port: int) -> int:
        return port - SHIFT if port >= SHIFT and self._shifts else port

    def outgoing(self, address: bytes, *, binds: bool) -> bytes | None:
        """The address for the kernel; None: as it is.

        Raises:
            OSError: the container has no such network.
        """
        family = struct.unpack_from("=H", address)[0]
        if family == socket.AF_INET and len(address) >= 8:
            target = self._target(address[2:4], address[4:8], binds)
            return target and address[:2] + target + address[8:]
        if family == socket.AF_INET6 and len(address) >= 24:
            host = address[8:24]
            if host in (_ANY6, _LOOPBACK6):
                host4: bytes | None = _ANY if host == _ANY6 else b"\x7f\0\0\1"
            else:
                host4 = host[12:] if host[:12] == _MAPPED else None
            if host4 is None:
                self._refuse_outside(binds)
                return None
            target = self._target(address[2:4], host4, binds)
            if target is None:
                return None
            return address[:2] + target[:2] + address[4:8] + _MAPPED + target[2:] + address[24:]
        return None

    def _target(self, port: bytes, host: bytes, binds: bool) -> bytes | None:
        """Port and IPv4 address for the kernel."""
        number = int.from_bytes(port, "big")
        if host[0] != 127 and host != _ANY:
            self._refuse_outside(binds)
            return None
        if not binds and number == _DNS and host in self.resolvers:
            return None
        if binds and number == 0 and host == _ANY and not self.alone:
            return None  # A client that wants any port: it may be about to reach out.
        if binds or self.alone or host[:2] != _CONTAINERS:
            host = self.own
        shifted = self.port_outside(number) if host[:2] == _CONTAINERS or self.alone else number
        target = shifted.to_bytes(2, "big") + host
        if binds:
            self.bound.add(target[:2])
        elif host == self.own and self._shifts and target[:2] not in self.bound and not self._is_shared(shifted):
            raise OSError(errno.ECONNREFUSED, "")
        return target

    def _is_shared(self, port: int) -> bool:
        """Whether another container at the same address (``--network container:…``) has bound the port."""
        return not self.alone and is_bound(self.own, port)

    def _refuse_outside(self, binds: bool) -> None:
        if self.alone:
            raise OSError(errno.EADDRNOTAVAIL if binds else errno.ENETUNREACH, "")

    def incoming(self, address: bytes) -> bytes | None:
        """The kernel's address as the program shall see it; None: as it is."""
        family = struct.unpack_from("=H", address)[0] if len(address) >= 2 else -1
        if family == socket.AF_INET and address[4:8] in (self.own, _ANY):
            self.bound.add(address[2:4])
        if family == socket.AF_INET6 and address[8:24] in (_MAPPED + self.own, _ANY6):
            self.bound.add(address[2:4])
        if family == socket.AF_INET and address[4:8] == self.own:
            return address[:2] + self._port_shown(address) + address[4:]
        if family == socket.AF_INET6 and address[8:24] == _MAPPED + self.own:
            return address[:2] + self._port_shown(address) + address[4:8] + _ANY6 + address[24:]
        return None

    def _port_shown(self, address: bytes) -> bytes:
        return self.port_inside(int.from_bytes(address[2:4], "big")).to_bytes(2, "big")


def is_bound(address: bytes, port: int) -> bool:
    """Whether a socket of this machine is bound to exactly this IPv4 address and port."""
    wanted = b"%08X:%04X" % (int.from_bytes(address, sys.byteorder), port)
    for name in ("tcp", "tcp6", "udp", "udp6"):
        try:
            with open(f"/proc/net/{name}", "rb") as file:
                if any(line.split()[1].endswith(wanted) for line in file):
                    return True
        except OSError:
            continue
    return False


def name_servers(lines: Iterable[str] | None = None) -> frozenset[bytes]:
    """The IPv4 name servers of ``resolv.conf``."""
    if lines is None:
        try:
            with open("/etc/resolv.conf") as file:
                lines = file.readlines()
        except OSError:
            lines = ()
    words = (line.split() for line in lines)
    found = (row[1] for row in words if len(row) > 1 and row[0] == "nameserver" and ":" not in row[1])
    return frozenset(socket.inet_aton(server) for server in found)
