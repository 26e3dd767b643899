"""Which addresses are a container's own, as values."""

import ipaddress
import socket
import struct

import pytest

from kit.engine.isolators.namespaces.network import Address, is_own, name_servers, parse

OWN = ipaddress.IPv4Address("127.66.3.4")


def raw(host: str, port: int) -> bytes:
    if ":" in host:
        packed = ipaddress.IPv6Address(host).packed
        return struct.pack("=H", socket.AF_INET6) + struct.pack("!HI", port, 0) + packed + bytes(4)
    packed = ipaddress.IPv4Address(host).packed
    return struct.pack("=H", socket.AF_INET) + struct.pack("!H", port) + packed + bytes(8)


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "127.0.0.1", "127.9.9.9", "::", "::1", "::ffff:127.0.0.1", "::ffff:0.0.0.0"]
)
def test_any_address_and_loopback_are_the_containers_own(host: str) -> None:
    address = parse(raw(host, 80))
    assert address and is_own(address)
    moved = parse(address.at(OWN))
    assert moved == Address(address.family, 80, OWN if ":" not in host else ipaddress.IPv6Address(f"::ffff:{OWN}"))


@pytest.mark.parametrize(
    "host", ["127.66.0.9", "10.0.0.1", "8.8.8.8", "2001:db8::1", "::ffff:10.0.0.1", "::ffff:127.66.1.1"]
)
def test_other_containers_and_the_world_are_left_alone(host: str) -> None:
    address = parse(raw(host, 80))
    assert address and not is_own(address)


def test_a_name_server_on_loopback_stays_reachable() -> None:
    resolvers = name_servers("# local\nnameserver 127.0.0.53\nsearch home\nnameserver 1.1.1.1\nnameserver\n")
    assert resolvers == {"127.0.0.53", "1.1.1.1"}
    query, other = parse(raw("127.0.0.53", 53)), parse(raw("127.0.0.53", 80))
    assert query and not is_own(query, resolvers=resolvers)
    assert other and is_own(other, resolvers=resolvers)


@pytest.mark.parametrize(
    "data", [b"", b"\2", b"\2\0\0\x50", struct.pack("=H", socket.AF_UNIX) + b"/run/x\0", b"\n\0" + bytes(20)]
)
def test_other_families_and_short_addresses_are_not_read(data: bytes) -> None:
    assert parse(data) is None
