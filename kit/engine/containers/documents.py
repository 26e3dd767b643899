"""A container as Docker's documents show it: ``docker inspect``, ``docker ps``, a network's members.

Source: Docker Engine API, "ContainerInspect" and "ContainerList"; the order and the empty values are dockerd's.
"""

from typing import Any

from kit.engine.containers import clock
from kit.engine.containers.container import Container, Endpoint
from kit.engine.containers.execs import Execs
from kit.engine.containers.services import Services
from kit.engine.containers.states import State
from kit.engine.isolators import addresses

Json = dict[str, Any]
_PREFIX_LENGTH = 16


def inspect(services: Services, execs: Execs, container: Container) -> Json:
    """``GET /containers/ID/json``. Under the container's lock."""
    settings, status = container.settings, container.status
    argv = settings.argv
    directory = container.directory
    running_execs = [found.id for found in execs.of(container)]
    rootfs = services.store.rootfs.open(container.id)
    return {
        "Id": container.id,
        "Created": clock.as_text(container.created),
        "Path": argv[0],
        "Args": list(argv[1:]),
        "State": state(container),
        "Image": container.image,
        "ResolvConfPath": str(directory / "resolv.conf"),
        "HostnamePath": str(directory / "hostname"),
        "HostsPath": str(directory / "hosts"),
        "LogPath": "" if settings.log_driver == "none" else str(directory / f"{container.id}-json.log"),
        "Name": f"/{container.name}",
        "RestartCount": status.restarts,
        "Driver": "layerlab",
        "Platform": "linux",
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": "",
        "ExecIDs": running_execs or None,
        "HostConfig": settings.host,
        "GraphDriver": {"Data": {"Dir": str(rootfs.path)}, "Name": "layerlab"},
        "Mounts": [mount.to_json() for mount in container.mounts],
        "Config": settings.config,
        "NetworkSettings": network_settings(container),
    }


def state(container: Container) -> Json:
    """Docker's ``State``."""
    status, run = container.status, container.run
    found: Json = {
        "Status": status.state.value,
        "Running": container.up,
        "Paused": status.state is State.PAUSED,
        "Restarting": status.state is State.RESTARTING,
        "OOMKilled": False,
        "Dead": status.state is State.DEAD,
        "Pid": run.running.pid if run is not None else 0,
        "ExitCode": status.exit_code,
        "Error": status.error,
        "StartedAt": clock.as_text(status.started),
        "FinishedAt": clock.as_text(status.finished),
    }
    if container.settings.health is not None:
        monitor = run.monitor if run is not None else None
        empty: Json = {"Status": "unhealthy" if status.started else "starting", "FailingStreak": 0, "Log": []}
        found["Health"] = monitor.verdict.to_json() if monitor is not None else empty
    return found


def network_settings(container: Container) -> Json:
    """Docker's ``NetworkSettings``; the fields beside ``Networks`` tell of the default bridge."""
    bridge = container.endpoints.get("bridge", Endpoint("bridge"))
    on_bridge = _endpoint(bridge)
    keys = (
        "EndpointID", "Gateway", "GlobalIPv6Address", "GlobalIPv6PrefixLen", "IPAddress", "IPPrefixLen",
        "IPv6Gateway", "MacAddress",
    )  # fmt: skip
    return {
        "Bridge": "",
        "SandboxID": container.id if container.run is not None else "",
        "HairpinMode": False,
        "LinkLocalIPv6Address": "",
        "LinkLocalIPv6PrefixLen": 0,
        "Ports": port_map(container),
        "SandboxKey": "",
        "SecondaryIPAddresses": None,
        "SecondaryIPv6Addresses": None,
        **{key: on_bridge[key] for key in keys},
        "Networks": networks(container),
    }


def networks(container: Container) -> Json:
    return {name: _endpoint(endpoint) for name, endpoint in container.endpoints.items()}


def _endpoint(endpoint: Endpoint) -> Json:
    here = bool(endpoint.address)
    return {
        "IPAMConfig": endpoint.ipam,
        "Links": None if endpoint.links is None else list(endpoint.links),
        "Aliases": None if endpoint.aliases is None else list(endpoint.aliases),
        "NetworkID": endpoint.network_id,
        "EndpointID": endpoint.endpoint_id,
        "Gateway": addresses.GATEWAY if here else "",
        "IPAddress": endpoint.address,
        "IPPrefixLen": _PREFIX_LENGTH if here else 0,
        "IPv6Gateway": "",
        "GlobalIPv6Address": "",
        "GlobalIPv6PrefixLen": 0,
        "MacAddress": endpoint.mac_address or _mac(endpoint.address),
        "DriverOpts": endpoint.driver_options,
    }


def _mac(address: str) -> str:
    """Docker's rule: 02:42 and the address."""
    return "02:42:" + ":".join(f"{int(part):02x}" for part in address.split(".")) if address else ""


def port_map(container: Container) -> Json:
    """Each exposed port and where it is published; None where it isn't. Empty while it doesn't run."""
    if container.run is None:
        return {}
    exposed: Json = dict.fromkeys(container.settings.config.get("ExposedPorts") or {})
    return {**exposed, **container.run.published.as_map()}


def summary(services: Services, container: Container, *, size: bool = False) -> Json:
    """A row of ``GET /containers/json``. Under the container's lock."""
    settings = container.settings
    row: Json = {
        "Id": container.id,
        "Names": [f"/{container.name}"],
        "Image": image_name(services, container),
        "ImageID": container.image,
        "Command": command(container),
        "Created": container.created // clock.SECOND,
        "Ports": _ports(container),
    }
    if size:
        row |= sizes(services, container)
    return row | {
        "Labels": settings.labels,
        "State": container.state.value,
        "Status": status_text(container),
        "HostConfig": {"NetworkMode": settings.host["NetworkMode"]},
        "NetworkSettings": {"Networks": networks(container)},
        "Mounts": [mount.to_json() for mount in container.mounts],
    }


def image_name(services: Services, container: Container) -> str:
    """What ``docker run`` was given, as long as it still names that image; then the image's id."""
    given = str(container.settings.config["Image"])
    if given and services.store.images.find(given) == container.image:
        return given
    return container.image


def command(container: Container) -> str:
    """As ``docker ps`` prints it: words with spaces in quotes."""
    argv = container.settings.argv
    rest = " ".join(f"'{word}'" if " " in word else word for word in argv[1:])
    return f"{argv[0]} {rest}".strip()


def _ports(container: Container) -> list[Json]:
    rows: list[Json] = []
    for text, targets in port_map(container).items():
        number, _, protocol = text.partition("/")
        bare = {"PrivatePort": int(number), "Type": protocol}
        for target in targets or ():
            rows.append({"IP": target["HostIp"], **bare, "PublicPort": int(target["HostPort"])})
        if not targets:
            rows.append(bare)
    return rows


def sizes(services: Services, container: Container) -> Json:
    """``SizeRw`` (what the container wrote) and ``SizeRootFs`` (with its image), bytes."""
    changes = services.store.rootfs.open(container.id).changeset()
    written = sum(entry.size for entry in changes.entries.values() if not entry.hardlink)
    return {"SizeRw": written, "SizeRootFs": written + services.store.images.size(container.image)}


def status_text(container: Container) -> str:
    """ "Up 3 minutes (healthy)", "Exited (0) 2 hours ago"."""
    status = container.status
    since_start = clock.duration((clock.now() - status.started) / clock.SECOND)
    since_end = clock.duration((clock.now() - status.finished) / clock.SECOND)
    if container.state is State.PAUSED:
        return f"Up {since_start} (Paused)"
    if container.state is State.RESTARTING:
        return f"Restarting ({status.exit_code}) {since_end} ago"
    if container.state is State.RUNNING:
        run = container.run
        verdict = run.monitor.verdict.status if run is not None and run.monitor is not None else ""
        note = {"": "", "starting": " (health: starting)"}.get(verdict, f" ({verdict})")
        return f"Up {since_start}{note}"
    if container.state is State.CREATED or not status.finished:
        return "Created"
    if container.state is State.REMOVING:
        return "Removal In Progress"
    if container.state is State.DEAD:
        return "Dead"
    return f"Exited ({status.exit_code}) {since_end} ago"


def member(container: Container, network: str) -> Json:
    """Its row in ``GET /networks/ID``."""
    endpoint = container.endpoints[network]
    return {
        "Name": container.name,
        "EndpointID": endpoint.endpoint_id,
        "MacAddress": endpoint.mac_address or _mac(endpoint.address),
        "IPv4Address": f"{endpoint.address}/{_PREFIX_LENGTH}" if endpoint.address else "",
        "IPv6Address": "",
    }
