"""Where a registry lives: its name, as references have it, to addresses for HTTP.

https always; plain http too on loopback (127.0.0.0/8, ::1, localhost) and for hosts that the settings call insecure,
as Docker does. Docker tries https first there, too; we try http first on loopback, because a plain server may
wait for the rest of a TLS hello until the time-out. ``docker.io`` is a name, not an address, and may have a mirror.

Source: Docker's documentation, "Test an insecure registry", "registry-mirrors".
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field

from kit.errors import Invalid
from kit.oci.reference import DEFAULT_REGISTRY

DOCKER_HUB = "https://registry-1.docker.io"


@dataclass(frozen=True)
class Patience:
    """How long to wait and how often to try again. Seconds; Docker tries five times, too."""

    delays: tuple[float, ...] = (1, 2, 4, 8)
    connect: float = 15
    answer: float = 60


@dataclass(frozen=True)
class Settings:
    """What the owner of the machine decides. ``mirror`` is an address that is asked before docker.io."""

    mirror: str = ""
    insecure: tuple[str, ...] = ()
    patience: Patience = field(default_factory=Patience)

    @classmethod
    def of_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """From LAYERLAB_REGISTRY_MIRROR and LAYERLAB_INSECURE_REGISTRIES (hosts, separated by commas)."""
        mirror = environment.get("LAYERLAB_REGISTRY_MIRROR", "").rstrip("/")
        if mirror and "://" not in mirror:
            mirror = ("http://" if is_loopback(mirror) else "https://") + mirror
        if mirror and not mirror.startswith(("http://", "https://")):
            raise Invalid(f"LAYERLAB_REGISTRY_MIRROR is {mirror!r}: it must be an address with http:// or https://")
        hosts = environment.get("LAYERLAB_INSECURE_REGISTRIES", "").split(",")
        return cls(mirror, tuple(host.strip() for host in hosts if host.strip()))


@dataclass(frozen=True)
class Endpoint:
    """One address to try. ``verify``: its certificate must be good."""

    base: str
    verify: bool = True


def host_of(registry: str) -> str:
    """A registry's name without its port."""
    if registry.startswith("["):
        return registry[1:].partition("]")[0]
    return registry.partition(":")[0]


def is_loopback(registry: str) -> bool:
    """Whether the name can only mean this machine."""
    host = host_of(registry)
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def endpoints(registry: str, settings: Settings) -> list[Endpoint]:
    """The addresses of one registry, best first: the same registry, spoken to in different ways."""
    if registry == DEFAULT_REGISTRY:
        return [Endpoint(DOCKER_HUB)]
    plain, secret = Endpoint(f"http://{registry}", False), Endpoint(f"https://{registry}", False)
    if is_loopback(registry):
        return [plain, secret]
    if registry in settings.insecure or host_of(registry) in settings.insecure:
        return [secret, plain]
    return [Endpoint(f"https://{registry}")]


def mirror_endpoint(registry: str, settings: Settings) -> Endpoint | None:
    """Another registry that has copies of this one's images and may be asked first, to pull."""
    if registry != DEFAULT_REGISTRY or not settings.mirror:
        return None
    host = settings.mirror.partition("://")[2]
    return Endpoint(settings.mirror, verify=not (is_loopback(host) or host_of(host) in settings.insecure))
