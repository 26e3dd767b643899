"""Socket addresses of a container: what the kernel is told, and what the program sees."""

import socket
import struct
from pathlib import Path

import pytest

from kit.engine.isolators.contract import Sandbox
from kit.engine.isolators.supervisor.addresses import Network, name_servers

OWN = "127.66.3.4"


def v4(host: str, port: int) -> bytes:
    return struct.pack("=H", socket.AF_INET) + struct.pack(">H", port) + socket.inet_aton(host) + bytes(8)


def v6(host: str, port: int) -> bytes:
    packed = socket.inet_pton(socket.AF_INET6, host)
    return struct.pack("=H", socket.AF_INET6) + struct.pack(">HI", port, 0) + packed + bytes(4)


@pytest.fixture
def network() -> Network:
    return Network(socket.inet_aton(OWN), resolvers=frozenset({socket.inet_aton("127.0.0.53")}))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (v4("0.0.0.0", 80), v4(OWN, 80 + 64512)),
        (v4("127.0.0.1", 8080), v4(OWN, 8080)),
        (v6("::", 443), v6(f"::ffff:{OWN}", 443 + 64512)),
        (v6("::1", 5000), v6(f"::ffff:{OWN}", 5000)),
    ],
)
def test_a_bind_goes_to_the_own_address_and_is_reached_there(network: Network, given: bytes, told: bytes) -> None:
    assert network.outgoing(given, binds=True) == told
    assert network.outgoing(given, binds=False) == told


def test_a_client_that_wants_any_port_keeps_any_address(network: Network) -> None:
    assert network.outgoing(v4("0.0.0.0", 0), binds=True) is None


def test_what_nobody_has_bound_is_refused(network: Network) -> None:
    with socket.create_server(("0.0.0.0", 0)) as machine, pytest.raises(ConnectionRefusedError):
        network.outgoing(v4("127.0.0.1", machine.getsockname()[1]), binds=False)


def test_a_container_that_shares_the_address_is_reached(network: Network) -> None:
    with socket.create_server((OWN, 0)) as other:
        port = other.getsockname()[1]
        assert network.outgoing(v4("127.0.0.1", port), binds=False) == v4(OWN, port)


def test_other_containers_name_servers_and_the_world_are_reached_as_they_are(network: Network) -> None:
    assert network.outgoing(v4("127.66.9.9", 80), binds=False) == v4("127.66.9.9", 80 + 64512)
    assert network.outgoing(v4("127.0.0.53", 53), binds=False) is None
    assert network.outgoing(v4("192.0.2.1", 80), binds=False) is None
    assert network.outgoing(v6("2001:db8::1", 80), binds=False) is None


def test_the_program_sees_its_own_port(network: Network) -> None:
    assert network.incoming(v4(OWN, 80 + 64512)) == v4(OWN, 80)
    assert network.incoming(v6(f"::ffff:{OWN}", 443 + 64512)) == v6("::", 443)
    assert network.incoming(v4("192.0.2.1", 65000)) is None


def test_without_a_network_there_is_only_what_is_bound() -> None:
    alone = Network.of(Sandbox(Path("/"), Path("/"), network="none"), frozenset())
    with pytest.raises(OSError, match="101"):
        alone.outgoing(v4("192.0.2.1", 80), binds=False)
    with pytest.raises(ConnectionRefusedError):
        alone.outgoing(v4("127.0.0.1", 80), binds=False)
    bound = alone.outgoing(v4("0.0.0.0", 80), binds=True)
    assert alone.outgoing(v4("127.0.0.1", 80), binds=False) == bound


def test_the_network_of_the_machine_has_no_shifted_ports() -> None:
    network = Network.of(Sandbox(Path("/"), Path("/"), address="127.0.0.1"), frozenset())
    assert network.port_outside(80) == 80
    assert network.outgoing(v4("127.0.0.1", 80), binds=False) == v4("127.0.0.1", 80)


def test_name_servers_are_read_from_resolv_conf() -> None:
    lines = ["# none\n", "nameserver 127.0.0.53\n", "nameserver fe80::1\n", "search example\n"]
    assert name_servers(lines) == {socket.inet_aton("127.0.0.53")}
