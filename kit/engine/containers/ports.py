"""Publishing: a port of the host that leads to a port of the container.

``wanted`` turns what the client asked for into bindings, ``reserve`` opens the host's ports (so a taken one is
refused before the container runs), ``serve`` lets the connections through, ``close`` ends it all. One thread
with one event loop carries the bytes of every published port.

Source: Docker Engine API, "PortMap"; the refusals are dockerd's.
"""

import asyncio
import contextlib
import errno
import re
import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, cast

from kit.errors import Conflict, Invalid, KitError

PROTOCOLS = ("tcp", "udp", "sctp")
LARGEST_PORT = 65535
_BUFFER = 64 * 1024
_UDP_IDLE = 90.0
"""Seconds after which a silent UDP client is forgotten (the figure of docker-proxy)."""


class Port(NamedTuple):
    """A port of the container."""

    number: int
    protocol: str = "tcp"

    @property
    def text(self) -> str:
        return f"{self.number}/{self.protocol}"


class Binding(NamedTuple):
    """A port of the container and where on the host it shall be. Host port 0 is any free one."""

    port: Port
    host_ip: str = ""
    host_port: int = 0


class InvalidPort(Invalid):
    def __init__(self, text: object) -> None:
        super().__init__(f'invalid port specification: "{text}"')


class PortTaken(Conflict):
    """The host's port is in use: by another container, or by a program of the host."""

    def __init__(self, ip: str, number: int, *, by_container: bool) -> None:
        address = f"{ip}:{number}"
        super().__init__(
            f"Bind for {address} failed: port is already allocated"
            if by_container
            else f"Error starting userland proxy: listen tcp4 {address}: bind: address already in use"
        )


class CannotPublish(KitError):
    """The host refuses the port for another reason."""


def parse(text: str) -> Port:
    """``80`` or ``80/udp``.

    Raises:
        InvalidPort
    """
    number, slash, protocol = str(text).partition("/")
    protocol = protocol.lower() if slash else "tcp"
    if not number.isdecimal() or int(number) > LARGEST_PORT:
        raise InvalidPort(number)
    if protocol not in PROTOCOLS:
        raise Invalid(f"invalid proto: {protocol}")
    return Port(int(number), protocol)


def wanted(bindings: Mapping[str, Any], exposed: Iterable[str], *, publish_all: bool) -> list[Binding]:
    """The bindings of HostConfig; with ``publish_all`` also one for each exposed port that has none."""
    found = []
    for key, targets in bindings.items():
        port = parse(key)
        for target in targets or [{}]:
            text = str(target.get("HostPort") or "0")
            first = re.fullmatch(r"(\d+)(?:-\d+)?", text)
            if first is None or int(first[1]) > LARGEST_PORT:
                raise InvalidPort(text)
            found.append(Binding(port, target.get("HostIp") or "", int(first[1])))
    if publish_all:
        covered = {binding.port for binding in found}
        found += [Binding(port) for port in map(parse, exposed) if port not in covered]
    return found


class Published:
    """Open ports of the host. Nothing gets through before ``serve``."""

    def __init__(self, sockets: list[tuple[Binding, socket.socket]], forget: Callable[["Published"], None]) -> None:
        self.sockets = sockets
        self._forget = forget
        self.relays: list[asyncio.DatagramTransport] = []

    @property
    def bindings(self) -> list[Binding]:
        """As they are: with the host's address and port filled in."""
        return [binding for binding, _ in self.sockets]

    def as_map(self) -> dict[str, list[dict[str, str]]]:
        """Docker's ``NetworkSettings.Ports``."""
        found: dict[str, list[dict[str, str]]] = {}
        for binding in self.bindings:
            row = {"HostIp": binding.host_ip, "HostPort": str(binding.host_port)}
            found.setdefault(binding.port.text, []).append(row)
        return found

    def close(self) -> None:
        """Closes the ports and what runs through them. May be repeated."""
        self._forget(self)


class Publisher:
    """All published ports of the engine."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: set[tuple[str, int, str]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: dict[Published, set[asyncio.Task[None]]] = {}

    def reserve(self, bindings: Iterable[Binding]) -> Published:
        """Opens every host port, or none.

        Raises:
            PortTaken, CannotPublish
        """
        published = Published([], self._close)
        with self._lock:
            try:
                for binding in bindings:
                    published.sockets.append(self._open(binding))
            except BaseException:
                self._release(published)
                raise
        return published

    def _open(self, binding: Binding) -> tuple[Binding, socket.socket]:
        ip = binding.host_ip or "0.0.0.0"
        protocol = binding.port.protocol
        for other in {ip, "0.0.0.0"} if ip != "0.0.0.0" else {key[0] for key in self._taken} | {ip}:
            if binding.host_port and (other, binding.host_port, protocol) in self._taken:
                raise PortTaken(ip, binding.host_port, by_container=True)
        family = socket.AF_INET6 if ":" in ip else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM)
        try:
            if protocol != "udp":
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((ip, binding.host_port))
            if protocol != "udp":
                sock.listen(128)
        except OSError as error:
            sock.close()
            if error.errno == errno.EADDRINUSE:
                raise PortTaken(ip, binding.host_port, by_container=False) from error
            raise CannotPublish(
                f"Error starting userland proxy: listen tcp4 {ip}:{binding.host_port}: {error.strerror}"
            ) from error
        sock.setblocking(False)
        number = sock.getsockname()[1]
        self._taken.add((ip, number, protocol))
        return Binding(binding.port, ip, number), sock

    def serve(self, published: Published, reach: Callable[[int], tuple[str, int]]) -> None:
        """Lets connections through; ``reach`` tells where the container's port is on the host."""
        if not published.sockets:
            return
        loop = self._running_loop()
        asyncio.run_coroutine_threadsafe(self._serve(published, reach), loop).result()

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="published-ports", daemon=True).start()
            return self._loop

    async def _serve(self, published: Published, reach: Callable[[int], tuple[str, int]]) -> None:
        tasks = self._tasks[published] = set()
        for binding, sock in published.sockets:
            address = reach(binding.port.number)
            if binding.port.protocol == "udp":
                await self._serve_datagrams(published, sock, address)
            else:
                asyncio.get_running_loop().add_reader(sock, self._accept, sock, address, tasks)

    def _accept(self, sock: socket.socket, address: tuple[str, int], tasks: set[asyncio.Task[None]]) -> None:
        try:
            connection, _ = sock.accept()
        except OSError:  # the client has gone again
            return
        connection.setblocking(False)
        task = asyncio.get_running_loop().create_task(_forward(connection, address))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        task.add_done_callback(lambda _: connection.close())

    async def _serve_datagrams(self, published: Published, sock: socket.socket, address: tuple[str, int]) -> None:
        loop = asyncio.get_running_loop()
        relay, _ = await loop.create_datagram_endpoint(lambda: _Relay(address), sock=sock)
        published.relays.append(relay)

    def _close(self, published: Published) -> None:
        if self._loop is not None and published in self._tasks:
            asyncio.run_coroutine_threadsafe(self._stop(published), self._loop).result()
        with self._lock:
            self._release(published)

    async def _stop(self, published: Published) -> None:
        for binding, sock in published.sockets:
            if binding.port.protocol != "udp":
                asyncio.get_running_loop().remove_reader(sock)
        for relay in published.relays:
            relay.close()
        tasks = self._tasks.pop(published, set())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        published.relays = []

    def _release(self, published: Published) -> None:
        for binding, sock in published.sockets:
            sock.close()
            self._taken.discard((binding.host_ip, binding.host_port, binding.port.protocol))
        published.sockets = []

    def close(self) -> None:
        """Ends the thread."""
        with self._lock:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._loop.stop)
                self._loop = None


async def _forward(connection: socket.socket, address: tuple[str, int]) -> None:
    """One connection, both ways, each until its own end. Who called closes ``connection``."""
    reader, writer = await asyncio.open_connection(sock=connection, limit=_BUFFER)
    try:
        inner_reader, inner_writer = await asyncio.open_connection(*address, limit=_BUFFER)
    except OSError:
        writer.transport.abort()  # nobody listens in the container
        return
    try:
        await asyncio.gather(_copy(reader, inner_writer), _copy(inner_reader, writer))
    finally:
        for end in (writer, inner_writer):
            end.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(_BUFFER):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
        await writer.drain()


class _Relay(asyncio.DatagramProtocol):
    """One published UDP port: each client gets a socket of its own towards the container."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self._clients: dict[Any, asyncio.DatagramTransport] = {}
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if addr in self._clients:
            self._clients[addr].sendto(data)
        else:
            task = asyncio.ensure_future(self._new_client(addr, data))
            task.add_done_callback(lambda done: done.exception())

    async def _new_client(self, addr: Any, first: bytes) -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: _Answers(self._transport, addr), remote_addr=self._address
        )
        self._clients[addr] = transport
        transport.sendto(first)
        loop.call_later(_UDP_IDLE, self._forget, addr)

    def _forget(self, addr: Any) -> None:
        if addr in self._clients:
            self._clients.pop(addr).close()

    def connection_lost(self, exc: Exception | None) -> None:
        for client in list(self._clients):
            self._forget(client)


class _Answers(asyncio.DatagramProtocol):
    """What the container sends back to one UDP client."""

    def __init__(self, outside: asyncio.DatagramTransport | None, client: Any) -> None:
        self._outside, self._client = outside, client

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if self._outside is not None:
            self._outside.sendto(data, self._client)
