"""Published ports: real sockets on loopback."""

import socket
import threading
from collections.abc import Iterator

import pytest

from kit.engine.containers.ports import Binding, Port, PortTaken, Publisher, parse, wanted
from kit.errors import Invalid


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    publisher = Publisher()
    yield publisher
    publisher.close()


@pytest.fixture
def echo() -> Iterator[tuple[str, int]]:
    """A server that sends back, in capitals, what it got to the end of its input."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                data = b""
                while piece := connection.recv(65536):
                    data += piece
                connection.sendall(data.upper())

    threading.Thread(target=serve, daemon=True).start()
    yield server.getsockname()
    server.close()


def ask(address: tuple[str, int], data: bytes) -> bytes:
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
        return answer


def test_a_published_port_leads_to_the_containers(publisher: Publisher, echo: tuple[str, int]) -> None:
    published = publisher.reserve([Binding(Port(80), "127.0.0.1")])
    publisher.serve(published, lambda number: echo)
    (binding,) = published.bindings
    assert ask(("127.0.0.1", binding.host_port), b"x" * 300_000) == b"X" * 300_000
    assert published.as_map() == {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(binding.host_port)}]}
    published.close()
    published.close()
    with pytest.raises(OSError):
        ask(("127.0.0.1", binding.host_port), b"")


def test_an_open_connection_ends_with_the_publication(publisher: Publisher, echo: tuple[str, int]) -> None:
    published = publisher.reserve([Binding(Port(80), "127.0.0.1")])
    publisher.serve(published, lambda number: echo)
    with socket.create_connection(("127.0.0.1", published.bindings[0].host_port), timeout=10) as connection:
        connection.sendall(b"half")
        published.close()
        with pytest.raises(ConnectionError):
            while connection.recv(100):
                pass
            raise ConnectionResetError


def test_udp_goes_both_ways(publisher: Publisher) -> None:
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))
    server.settimeout(10)
    published = publisher.reserve([Binding(Port(53, "udp"), "127.0.0.1")])
    publisher.serve(published, lambda number: server.getsockname())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(10)
        for word in (b"one", b"two"):
            client.sendto(word, ("127.0.0.1", published.bindings[0].host_port))
            data, sender = server.recvfrom(100)
            server.sendto(data.upper(), sender)
            assert client.recv(100) == word.upper()
    published.close()
    server.close()


def test_a_port_of_another_container_is_refused_in_dockers_words(publisher: Publisher) -> None:
    published = publisher.reserve([Binding(Port(80))])
    number = published.bindings[0].host_port
    with pytest.raises(PortTaken) as refusal:
        publisher.reserve([Binding(Port(81)), Binding(Port(80), "", number)])
    assert str(refusal.value) == f"Bind for 0.0.0.0:{number} failed: port is already allocated"
    published.close()
    publisher.reserve([Binding(Port(80), "", number)]).close()


def test_a_port_of_the_host_is_refused_too(publisher: Publisher, echo: tuple[str, int]) -> None:
    with pytest.raises(PortTaken, match="bind: address already in use"):
        publisher.reserve([Binding(Port(80), *echo)])


def test_what_is_asked_for_becomes_bindings() -> None:
    asked = {"80/tcp": [{"HostIp": "", "HostPort": "8080"}], "53/udp": None, "443": [{"HostPort": ""}]}
    assert wanted(asked, ["80/tcp", "9000/tcp"], publish_all=True) == [
        Binding(Port(80), "", 8080),
        Binding(Port(53, "udp")),
        Binding(Port(443)),
        Binding(Port(9000)),
    ]


@pytest.mark.parametrize("text", ["x", "x/tcp", "70000", "80/carrier-pigeon", "", "-1"])
def test_what_is_no_port_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        parse(text)
