"""Finding an engine: what Docker's settings name, else what answers on this machine, else our own.

The order is the one that the ``docker`` command has, with two places added at its end: Podman's sockets, and the
embedded engine, which is started when nothing else answers. ``LAYERLAB_ENGINE`` overrides: "embedded", "docker",
or an address such as ``unix:///run/user/1000/docker.sock``.

Source: docker/cli, "docker context"; podman-system-service(1) for the sockets.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import docker
import requests
from docker.context import ContextAPI

from kit.errors import Denied, Invalid, Unavailable
from kit.lab.engine import EngineStatus, ping, start_engine
from kit.lab.home import Home, find_home
from kit.views.blocks import View
from kit.views.models.engine import EngineCard

TIMEOUT = 600
"""Seconds that one request may be silent: a step of a build prints nothing while it compiles."""
_SETTINGS = ("LAYERLAB_ENGINE", "LAYERLAB_HOME", "LAYERLAB_ISOLATOR", "DOCKER_HOST", "DOCKER_CONTEXT")
_MORE_SETTINGS = (
    "DOCKER_TLS_VERIFY",
    "DOCKER_CERT_PATH",
    "DOCKER_CONFIG",
    "XDG_RUNTIME_DIR",
    "XDG_DATA_HOME",
    "HOME",
)


class NoEngine(Unavailable):
    """The engine that was asked for does not answer."""


class Address(NamedTuple):
    """Where an engine is said to be, and who says so. ``options`` as the SDK's client takes them."""

    host: str
    because: str
    options: Mapping[str, Any] = {}


@dataclass(frozen=True, repr=False)
class Lab(View):
    """An engine that answers: the Docker SDK's ``client`` for it, and what it is.

    ``kind`` is "Docker", "Podman" or "Layerlab" (the embedded engine); ``because`` says why this one.
    """

    client: docker.DockerClient
    docker_host: str
    kind: str
    version: str
    because: str
    home: Home
    platform: str = ""
    isolator: str = ""
    buildkit: bool = False
    passed_over: tuple[str, ...] = field(default=())

    @property
    def card(self) -> EngineCard:
        return EngineCard(
            self.kind, self.version, self.docker_host, self.because, self.platform, self.isolator, self.passed_over
        )

    def blocks(self) -> Iterator[Any]:
        return self.card.blocks()


def connect() -> Lab:
    """The engine to work with, found as described above; the embedded one is started if there is no other.

    May be called as often as you like: as long as the same engine answers, the answer is the same.

    Raises:
        NoEngine: the engine that was asked for does not answer. EngineFailed: the embedded one does not start.
    """
    settings = tuple((name, os.environ[name]) for name in (*_SETTINGS, *_MORE_SETTINGS) if name in os.environ)
    lab = _remembered(settings)
    try:
        lab.client.ping()
    except (docker.errors.DockerException, requests.RequestException):
        _remembered.cache_clear()
        lab = _remembered(settings)
    return lab


@lru_cache(maxsize=4)
def _remembered(settings: tuple[tuple[str, str], ...]) -> Lab:
    return find_engine(dict(settings))


def find_engine(environment: Mapping[str, str]) -> Lab:
    """The engine that ``environment`` leads to. The same as ``connect``, without a memory."""
    home, wanted = find_home(environment), environment.get("LAYERLAB_ENGINE", "")
    if wanted == "embedded":
        return _embedded(home, environment, "LAYERLAB_ENGINE asks for it")
    if "://" in wanted:
        return _open(Address(wanted, "LAYERLAB_ENGINE names it"), home)
    if wanted not in ("", "docker"):
        raise Invalid(f"LAYERLAB_ENGINE is 'embedded', 'docker' or an address such as unix:///…, not {wanted!r}")
    named = _named(environment)
    if named:
        return _open(named, home)
    passed_over: list[str] = []
    for path in sockets(environment):
        try:
            if ping(path):
                return _open(Address(f"unix://{path}", "it answers on this machine"), home)
            passed_over.append(f"{path}: nobody answers")
        except Denied:
            passed_over.append(f"{path}: you may not use it (are you in the group docker?)")
    if wanted == "docker":
        tried = "; ".join(passed_over) or "no socket of Docker or Podman is here"
        raise NoEngine(f"LAYERLAB_ENGINE asks for Docker or Podman, but none answers: {tried}")
    because = "no Docker or Podman answers on this machine"
    return _embedded(home, environment, because, tuple(passed_over))


def _named(environment: Mapping[str, str]) -> Address | None:
    """What Docker's own settings name, as the ``docker`` command reads them."""
    if environment.get("DOCKER_HOST"):
        options = docker.utils.kwargs_from_env(environment=dict(environment))
        return Address(environment["DOCKER_HOST"], "DOCKER_HOST names it", options)
    name = environment.get("DOCKER_CONTEXT", "") or docker.context.config.get_current_context_name()
    if name in ("", "default"):
        return None
    context = ContextAPI.get_context(name)
    if context is None:
        raise NoEngine(f"the Docker context {name!r} does not exist: `docker context ls` lists them")
    options = {"base_url": context.Host, **({"tls": context.TLSConfig} if context.TLSConfig else {})}
    return Address(context.Host, f"the Docker context {name!r} names it", options)


def sockets(environment: Mapping[str, str]) -> Iterator[Path]:
    """The sockets of Docker and Podman that exist here, Docker's first."""
    runtime = environment.get("XDG_RUNTIME_DIR") or f"/run/user/{os.geteuid()}"
    places = (
        Path("/var/run/docker.sock"),
        Path(runtime, "docker.sock"),
        Path(environment.get("HOME", "/"), ".docker/run/docker.sock"),
        Path(environment.get("HOME", "/"), ".docker/desktop/docker.sock"),
        Path(runtime, "podman/podman.sock"),
        Path("/run/podman/podman.sock"),
    )
    return (place for place in places if os.path.exists(place))


def _embedded(home: Home, environment: Mapping[str, str], because: str, passed_over: tuple[str, ...] = ()) -> Lab:
    status = start_engine(home, environment.get("LAYERLAB_ISOLATOR", ""))
    return _open(Address(status.docker_host, because), home, status, passed_over)


def _open(address: Address, home: Home, status: EngineStatus | None = None, passed_over: tuple[str, ...] = ()) -> Lab:
    options = {"base_url": address.host, **address.options}
    try:
        client = docker.DockerClient(version="auto", timeout=TIMEOUT, **options)
        version = client.version()
        answer = client.api._get(client.api._url("/_ping"))
    except (docker.errors.DockerException, requests.RequestException) as error:
        raise NoEngine(
            f"no engine answers at {address.host} ({address.because}): {_why(error)}. Start it or unset the setting; "
            "with LAYERLAB_ENGINE=embedded Layerlab brings its own."
        ) from error
    return Lab(
        client,
        address.host,
        _kind(version),
        str(version.get("Version", "")),
        address.because,
        home,
        platform=f"{version.get('Os', '')}/{version.get('Arch', '')}",
        isolator=status.isolator if status else "",
        buildkit=answer.headers.get("Builder-Version") == "2",
        passed_over=passed_over,
    )


def _kind(version: Mapping[str, Any]) -> str:
    names = " ".join(str(part.get("Name", "")) for part in version.get("Components") or ())
    names += " " + str((version.get("Platform") or {}).get("Name", ""))
    return next((kind for kind in ("Podman", "Layerlab") if kind.lower() in names.lower()), "Docker")


def _why(error: BaseException) -> str:
    """The innermost reason: the SDK wraps an OSError four times."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    return str(error.args[-1] if isinstance(error, OSError) and error.args else error)
