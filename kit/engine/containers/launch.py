"""From a container's settings to a running process tree.

First everything that can be refused is got ready (user, ports, address, files), then the isolator starts
process 1. If anything fails, what was got is given back.

Source: dockerd's "containerStart"; the texts of a failed start are runc's behind dockerd's.
"""

import os
import secrets
import socket
from contextlib import ExitStack

from kit.engine.containers import limits, linking, ports
from kit.engine.containers.container import Container, Run
from kit.engine.containers.identity import account_of
from kit.engine.containers.mounts import MountPoint
from kit.engine.containers.ports import Binding, Published
from kit.engine.containers.services import Services
from kit.engine.isolators import addresses
from kit.engine.isolators.contract import Mount, Process, Sandbox, StartFailed
from kit.errors import Conflict, Invalid, KitError

_BEFORE = "failed to create shim task: OCI runtime create failed: runc create failed: "
MACHINE = "127.0.0.1"
"""The address of a container with ``--network host``: what it listens on is found on the machine's loopback."""


class NotStarted(Invalid):
    """Process 1 could not be executed. ``code`` is the exit code that Docker records for it."""

    def __init__(self, error: StartFailed) -> None:
        unknown = "" if str(error).endswith("unknown") else ": unknown"
        super().__init__(f"{_BEFORE}unable to start container process: {error}{unknown}")
        self.code = error.code


class PortRefused(KitError):
    """A published port can't be had."""

    def __init__(self, container: Container, error: KitError) -> None:
        endpoint = secrets.token_hex(32)
        super().__init__(
            f"driver failed programming external connectivity on endpoint {container.name} ({endpoint}): {error}"
        )


def launch(services: Services, container: Container) -> Run:
    """Starts process 1. Under the container's lock; its console is open when this returns.

    Raises:
        NotStarted, PortRefused, UnknownUser and other KitErrors; nothing runs then.
    """
    with ExitStack() as undo:
        process = _process(services, container)
        address = _address(services, container)
        if address is not None:
            undo.callback(address.release)
        published = _reserve_ports(services, container)
        undo.callback(published.close)
        network_address = address.text if address is not None else _shared_address(services, container)
        linking.join(services, container, network_address)
        undo.callback(linking.leave, services, container)
        sandbox = _sandbox(services, container, network_address)
        console = container.open_console()
        container.log.open()
        undo.callback(container.log.close)
        try:
            running = services.isolator.start(sandbox, process, console.stdio)
        except StartFailed as error:
            raise NotStarted(error) from error
        undo.callback(running.kill)
        console.started()
        services.publisher.serve(published, running.port)
        undo.pop_all()
    return Run(running, published, address, network_address)


def land(services: Services, container: Container, run: Run) -> None:
    """Gives back what the run had, after its end. Under the container's lock."""
    run.published.close()
    linking.leave(services, container)
    if run.address is not None:
        run.address.release()
    container.log.close()


def _process(services: Services, container: Container) -> Process:
    settings = container.settings
    account = account_of(services.store, container, settings.user)
    return Process(
        argv=settings.argv,
        env=(*settings.environment(account.home), *linking.environment(services, container)),
        cwd=settings.cwd,
        uid=account.uid,
        gid=account.gid,
        groups=account.groups,
        tty=settings.tty,
        privileges=settings.privileges,
    )


def _sandbox(services: Services, container: Container, address: str) -> Sandbox:
    settings = container.settings
    rootfs = services.store.rootfs.open(container.id)
    return Sandbox(
        rootfs=rootfs.path,
        owners=rootfs.owners,
        hostname=hostname(container),
        network="none" if settings.network_mode == "none" else "host",
        address=address or addresses.GATEWAY,
        mounts=tuple(_mounts(container)),
        read_only=bool(settings.host["ReadonlyRootfs"]),
        pids=limits.pids(settings.host),
        memory=settings.host["Memory"] or None,
        ulimits=limits.ulimits(settings.host),
    )


def hostname(container: Container) -> str:
    """What the container calls itself: on the machine's network as the machine does."""
    return socket.gethostname() if container.settings.network_mode == "host" else container.settings.hostname


def _mounts(container: Container) -> list[Mount]:
    """Volumes and binds by depth, and the lent files where nothing else is mounted."""
    own = {mount.target: _mount(mount) for mount in container.mounts}
    tmpfs = {target: Mount("", target, "ro" in options.split(",")) for target, options in _tmpfs(container).items()}
    lent = {target: Mount(str(path), target) for target, path in linking.files(container).items()}
    return [found for _, found in sorted({**lent, **tmpfs, **own}.items())]


def _mount(mount: MountPoint) -> Mount:
    return Mount("" if mount.kind == "tmpfs" else mount.source, mount.target, mount.read_only)


def _tmpfs(container: Container) -> dict[str, str]:
    return dict(container.settings.host.get("Tmpfs") or {})


def _address(services: Services, container: Container) -> addresses.Address | None:
    """An address of its own, unless it shares one."""
    mode = container.settings.network_mode
    return None if mode in ("host", "none") or mode.startswith("container:") else addresses.claim()


def _shared_address(services: Services, container: Container) -> str:
    mode = container.settings.network_mode
    if mode == "host":
        return MACHINE
    if mode == "none":
        return ""
    other = services.roster.find(mode.removeprefix("container:"))
    if other.run is None:
        raise Conflict(f"cannot join network of a non running container: {other.id}")
    return other.run.network_address


def _reserve_ports(services: Services, container: Container) -> Published:
    settings = container.settings
    bindings: list[Binding] = []
    if settings.network_mode not in ("host", "none"):
        bindings = ports.wanted(
            settings.host["PortBindings"],
            settings.config.get("ExposedPorts") or (),
            publish_all=settings.host["PublishAllPorts"],
        )
    try:
        return services.publisher.reserve(bindings)
    except KitError as error:
        raise PortRefused(container, error) from error


def make_sources(container: Container) -> None:
    """Makes the directories of ``-v /here:/there`` that are missing, as Docker does.

    Raises:
        Invalid: that is not possible.
    """
    for mount in container.mounts:
        if mount.kind != "bind" or not mount.from_bind or os.path.exists(mount.source):
            continue
        try:
            os.makedirs(mount.source, exist_ok=True)
        except OSError as error:
            reason = (error.strerror or "").lower()
            raise Invalid(
                f"error while creating mount source path '{mount.source}': mkdir {mount.source}: {reason}"
            ) from error
