"""What the engine's own process may do for a stranger: speak to the class registry, and write while there is room.

A registry may send a client elsewhere, a manifest names foreign layers, ADD names any address. So the wall does not
ask who wants something; it stands where the process asks the system: no name is looked up, nothing is connected to
and no git is started beyond the terms. Python calls the hook before each of these, and nothing can take it away.

Source: PEP 578; the texts are those of Go's net package, as dockerd tells them.
"""

import errno
import ipaddress
import os
import socket
import sys
from collections.abc import Callable
from typing import Any

from kit.engine.isolators import addresses
from kit.engine.lock.terms import Terms
from kit.errors import Invalid, Unavailable

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_CONTAINERS = ipaddress.ip_network(addresses.SUBNET)


def build(terms: Terms, *, home: str, full: Callable[[], bool]) -> None:
    """Puts the wall up, for as long as the process lives. ``full`` tells whether the disk quota is used up.

    Raises:
        Invalid: the terms speak of a network with nothing but loopback, and there is more.
    """
    others = [name for _, name in socket.if_nameindex() if name != "lo"]
    if terms.network == "loopback" and others:
        raise Invalid(f"the lock wants a network with loopback alone, and here is {', '.join(others)}, too")
    hosts = {_host(registry) for registry in terms.registries}
    places = {(host, int(port)) for host, port in map(_split, terms.registries)}

    def connect(_: socket.socket, address: Any) -> None:
        if not isinstance(address, tuple) or address[:2] in places or _is_container(terms, address[0]):
            return
        raise OSError(errno.ENETUNREACH, f"dial tcp {address[0]}:{address[1]}: connect: network is unreachable")

    def look_up(host: Any, *_: object) -> None:
        name = host.decode(errors="replace") if isinstance(host, bytes) else host
        if name is not None and name not in hosts and not _is_address(name):
            raise socket.gaierror(socket.EAI_NONAME, f"dial tcp: lookup {name}: no such host")

    def start(executable: Any, words: Any, *_: object) -> None:
        if os.path.basename(os.fsdecode(executable or words[0])) == "git":
            raise Unavailable("failed to fetch the repository: Could not resolve host")

    def write(path: Any, _: object, flags: int) -> None:
        if flags & _WRITES and isinstance(path, str) and path.startswith(home) and full():
            raise OSError(errno.ENOSPC, "no space left on device", path)

    stones: dict[str, Callable[..., None]] = {
        "socket.connect": connect,
        "socket.getaddrinfo": look_up,
        "socket.gethostbyname": look_up,
        "subprocess.Popen": start,
        "open": write,
    }

    def wall(event: str, arguments: tuple[Any, ...]) -> None:
        stone = stones.get(event)
        if stone is not None:
            stone(*arguments)

    sys.addaudithook(wall)


def _split(registry: str) -> tuple[str, str]:
    host, _, port = registry.rpartition(":")
    if not host or not port.isdecimal():
        raise Invalid(f"the lock's registry {registry!r} must be host:port")
    return host, port


def _host(registry: str) -> str:
    return _split(registry)[0]


def _is_address(name: str) -> bool:
    """Nothing has to be asked for it; whether it may be reached is asked later."""
    try:
        return bool(ipaddress.ip_address(name))
    except ValueError:
        return False


def _is_container(terms: Terms, host: object) -> bool:
    """A container of this engine, which has an address on the shared network."""
    try:
        return terms.network == "loopback" and ipaddress.ip_address(str(host)) in _CONTAINERS
    except ValueError:
        return False
