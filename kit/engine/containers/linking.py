"""Names between containers: who is on which network, and the ``/etc/hosts`` that tells each about the others.

Source: dockerd and libnetwork: which names stand in ``/etc/hosts``; the variables of legacy links.
"""

import secrets
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from kit.engine.containers import hosts, ports
from kit.engine.containers.container import Container, Endpoint
from kit.engine.containers.networks import PREDEFINED
from kit.engine.containers.services import Services
from kit.engine.isolators import addresses
from kit.errors import Conflict, Denied, Invalid, KitError

_WRITING = threading.Lock()
"""Two containers that start at once write each other's files."""


class NotConnected(KitError):
    def __init__(self, container: str, network: str) -> None:
        super().__init__(f"container {container} is not connected to network {network}")


def files(container: Container) -> dict[str, Path]:
    """Path in the container to the file that the engine lends it."""
    return {f"/etc/{name}": container.directory / name for name in ("hosts", "hostname", "resolv.conf")}


def join(services: Services, container: Container, address: str) -> None:
    """The container is about to run at ``address`` ("" is none): its endpoints and the names of all are set."""
    for endpoint in container.endpoints.values():
        _connect(services, container, endpoint, address)
    own = files(container)
    container.directory.mkdir(parents=True, exist_ok=True)
    mode = container.settings.network_mode
    name = socket.gethostname() if mode == "host" else container.settings.hostname
    hosts.write_in_place(own["/etc/hostname"], f"{name}\n")
    hosts.write_in_place(own["/etc/resolv.conf"], hosts.resolv_text(container.settings.host))
    tell_names(services, container, also=container)


def _connect(services: Services, container: Container, endpoint: Endpoint, address: str) -> None:
    """Gives an endpoint its place; on a user network the short id becomes an alias, as in Docker only now."""
    if endpoint.network not in PREDEFINED:
        endpoint.aliases = tuple(dict.fromkeys((*(endpoint.aliases or ()), container.short_id)))
    network = services.networks.find(endpoint.network)
    endpoint.network_id, endpoint.endpoint_id = network["Id"], secrets.token_hex(32)
    endpoint.address = address if network["Driver"] == "bridge" else ""
    attributes = {"container": container.id, "name": network["Name"], "type": network["Driver"]}
    services.emit("network", "connect", network["Id"], attributes)


def leave(services: Services, container: Container) -> None:
    """The container runs no more: its address is nobody's, the others forget its names."""
    for endpoint in container.endpoints.values():
        if endpoint.endpoint_id:
            endpoint.address = endpoint.endpoint_id = ""
            attributes = {
                "container": container.id,
                "name": endpoint.network,
                "type": PREDEFINED.get(endpoint.network, "bridge"),
            }
            services.emit("network", "disconnect", endpoint.network_id, attributes)
    tell_names(services, container)


def tell_names(services: Services, changed: Container, also: Container | None = None) -> None:
    """Writes ``/etc/hosts`` of all that run and share a user network with ``changed``; of ``also`` too."""
    shared = {name for name in changed.endpoints if name not in PREDEFINED}
    for other in services.roster.all():
        if other is also or (other.run is not None and (other is changed or shared & set(other.endpoints))):
            with _WRITING:
                hosts.write_in_place(files(other)["/etc/hosts"], _hosts_of(services, other))
    if also is not None and also not in services.roster.all():
        hosts.write_in_place(files(also)["/etc/hosts"], _hosts_of(services, also))


def _hosts_of(services: Services, container: Container) -> str:
    settings = container.settings
    address = next((endpoint.address for endpoint in container.endpoints.values() if endpoint.address), "")
    fqdn = settings.fqdn
    own_names = fqdn if fqdn == settings.hostname else f"{fqdn} {settings.hostname}"
    own = [(address, own_names)] if address else []
    extra = [(ip, name) for name, _, ip in (line.partition(":") for line in settings.host["ExtraHosts"] or ())]
    extra = [(addresses.GATEWAY if ip == "host-gateway" else ip, name) for ip, name in extra]
    return hosts.hosts_text([*own, *extra], _others(services, container))


def _others(services: Services, container: Container) -> Iterator[tuple[str, Sequence[str]]]:
    for target, alias in _links(container):
        with_link = _find(services, target)
        if with_link is not None and with_link.run is not None:
            yield with_link.run.network_address, (alias, with_link.settings.hostname, with_link.name)
    for name in container.endpoints:
        if name in PREDEFINED:
            continue
        for other in services.roster.all():
            place = other.endpoints.get(name)
            if other is not container and place is not None and place.address:
                yield place.address, (other.name, *(place.aliases or ()), other.short_id)


def _links(container: Container) -> Iterator[tuple[str, str]]:
    """Container and alias of each link, the legacy ones and those of endpoints."""
    rows = [*(container.settings.host["Links"] or ())]
    for endpoint in container.endpoints.values():
        rows += endpoint.links or ()
    for row in rows:
        target, _, alias = row.partition(":")
        yield target, (alias or target).rpartition("/")[2]


def _find(services: Services, text: str) -> Container | None:
    try:
        return services.roster.find(text)
    except KitError:
        return None


def check_links(services: Services, host: Mapping[str, Any]) -> None:
    """
    Raises:
        Invalid: a legacy link names nobody.
    """
    for row in host["Links"] or ():
        target = row.partition(":")[0]
        if _find(services, target) is None:
            raise Invalid(f"could not get container for {target}")


def environment(services: Services, container: Container) -> tuple[str, ...]:
    """The variables that a legacy link gives: ``DB_PORT_5432_TCP_ADDR`` and their like."""
    lines = []
    for row in container.settings.host["Links"] or ():
        target, _, alias = row.partition(":")
        alias = (alias or target).rpartition("/")[2]
        other = _find(services, target)
        if other is None or other.run is None:
            raise Conflict(
                f"Cannot link to a non running container: /{target.lstrip('/')} AS /{container.name}/{alias}"
            )
        if "bridge" not in other.endpoints:
            raise Conflict(f"Cannot link to /{other.name}, as it does not belong to the default network")
        lines += _link_lines(container, alias, other, other.run.network_address)
    return tuple(lines)


def _link_lines(container: Container, alias: str, other: Container, address: str) -> list[str]:
    prefix = alias.upper().replace("-", "_")
    exposed = sorted(ports.parse(text) for text in other.settings.config.get("ExposedPorts") or ())
    lines = []
    for index, port in enumerate(exposed):
        url = f"{port.protocol}://{address}:{port.number}"
        stem = f"{prefix}_PORT_{port.number}_{port.protocol.upper()}"
        if index == 0:
            lines.append(f"{prefix}_PORT={url}")
        lines += [
            f"{stem}={url}",
            f"{stem}_ADDR={address}",
            f"{stem}_PORT={port.number}",
            f"{stem}_PROTO={port.protocol}",
        ]
    lines.append(f"{prefix}_NAME=/{container.name}/{alias}")
    own = ("PATH", "HOME", "HOSTNAME")
    for line in other.settings.config["Env"] or ():
        if line.partition("=")[0] not in own:
            lines.append(f"{prefix}_ENV_{line}")
    return lines


def endpoints_of(services: Services, container: Container, asked: Mapping[str, Any]) -> dict[str, Endpoint]:
    """The endpoints of a new container, by network name. ``asked`` is ``EndpointsConfig``.

    Raises:
        Invalid: more networks than a container can be made with.
    """
    mode = container.settings.network_mode
    if mode.startswith("container:"):
        return {}
    if len(asked) > 1:
        names = ", ".join(sorted(asked))
        raise Invalid(f"Container cannot be connected to network endpoints: {names}")
    if container.settings.config.get("NetworkDisabled"):
        return {}
    try:
        name = services.networks.find(mode)["Name"]
    except KitError:
        name = mode
    wanted = {_name_of(services, key): value or {} for key, value in asked.items()}
    return {name: endpoint_of(container, name, wanted.get(name, {}))}


def _name_of(services: Services, text: str) -> str:
    try:
        return str(services.networks.find(text)["Name"])
    except KitError:
        return text


def endpoint_of(container: Container, network: str, asked: Mapping[str, Any]) -> Endpoint:
    """An endpoint as asked."""
    aliases: tuple[str, ...] | None = tuple(asked["Aliases"]) if asked.get("Aliases") else None
    if network in PREDEFINED and aliases:
        raise Invalid("network-scoped alias is supported only for containers in user defined networks")
    return Endpoint(
        network,
        aliases=aliases,
        links=tuple(asked["Links"]) if asked.get("Links") else None,
        ipam=asked.get("IPAMConfig"),
        driver_options=asked.get("DriverOpts"),
        mac_address=asked.get("MacAddress") or container.settings.config.get("MacAddress") or "",
    )


def connect(services: Services, container: Container, text: str, asked: Mapping[str, Any]) -> None:
    """``docker network connect``. Under the container's lock.

    Raises:
        NoSuchNetwork, Invalid, Denied
    """
    network = services.networks.find(text)
    name, mode = network["Name"], container.settings.network_mode
    if "host" in (name, mode):
        raise Invalid("container cannot be disconnected from host network or connected to host network")
    if mode.startswith("container:"):
        raise Conflict(
            "container sharing network namespace with another container or host "
            "cannot be connected to any other network"
        )
    if "none" in {name, *container.endpoints} and set(container.endpoints) - {name}:
        raise Invalid(
            "container cannot be connected to multiple networks with one of the networks in private (none) mode"
        )
    if name in container.endpoints and container.run is not None:
        raise Denied(f"endpoint with name {container.name} already exists in network {name}")
    endpoint = container.endpoints[name] = endpoint_of(container, name, asked)
    endpoint.network_id = network["Id"] if container.run is not None else ""
    if container.run is not None:
        _connect(services, container, endpoint, container.run.network_address)
        tell_names(services, container)


def disconnect(services: Services, container: Container, text: str, *, force: bool) -> None:
    """``docker network disconnect``. Under the container's lock.

    Raises:
        NoSuchNetwork: not with ``force`` when the container is still on a network that is gone.
        NotConnected, Invalid
    """
    try:
        name = services.networks.find(text)["Name"]
    except KitError:
        if not force or text not in container.endpoints:
            raise
        name = text
    if name == "host" and container.settings.network_mode == "host":
        raise Invalid("container cannot be disconnected from host network or connected to host network")
    endpoint = container.endpoints.pop(name, None)
    if endpoint is None:
        raise NotConnected(container.id, name)
    if endpoint.endpoint_id:
        attributes = {"container": container.id, "name": name, "type": PREDEFINED.get(name, "bridge")}
        services.emit("network", "disconnect", endpoint.network_id, attributes)
    container.endpoints[name] = endpoint  # the others forget it while it still shares the network
    endpoint.address = ""
    tell_names(services, container)
    del container.endpoints[name]
    tell_names(services, container)
