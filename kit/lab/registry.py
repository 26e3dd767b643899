"""A real registry on this machine: CNCF Distribution, as a process of your own on loopback.

Its configuration, log and images live in ``HOME/registry``. It is started once and found again by everybody who asks;
its port is remembered, because the names of images hold it (``127.0.0.1:5000/you/app``). Where Debian's
``docker-registry`` is not installed but an engine is at hand, the same program runs as a container of ``registry:3``.

Source: CNCF Distribution, "Configuring a registry"; bcrypt is the one hash that its htpasswd file may have.
"""

import fcntl
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from kit.errors import Unavailable
from kit.lab import registry_container
from kit.lab.passwords import bcrypt
from kit.lab.registry_log import Asked, read_requests
from kit.oci.reference import parse_reference

PROGRAMS = ("docker-registry", "registry")
"""What Debian calls the program, and what it is called elsewhere."""
USUAL_PORT = 5000
PATIENCE = 15.0
"""Seconds for a start or a stop; it takes less than a tenth of one."""
LEAVING = 0.5
"""Seconds that a port gets to come free, before another one is taken."""


class RegistryUnavailable(Unavailable):
    """There is nothing to run as a registry, or it does not start."""


@dataclass(frozen=True)
class LocalRegistry:
    """The registry that runs now. ``name`` begins the names of its images; ``user`` "" lets everybody in."""

    port: int
    pid: int = 0
    born: str = ""
    container: str = ""
    user: str = ""

    @property
    def name(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.name}"


def start_registry(
    home: Path, port: int = USUAL_PORT, *, login: tuple[str, str] | None = None, engine: Any | None = None
) -> str:
    """The address of the local registry (``http://127.0.0.1:5000``), started if it is not running.

    ``port`` counts at the first start only; when it is taken, a free one is used and kept. With ``login`` (user,
    password) it lets only that user in; a running registry with another user is started anew. ``engine`` is a docker
    client, for where no registry program is installed.

    Raises:
        RegistryUnavailable: with what to install, or with the end of the log.
    """
    place = _place(home)
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _alone(place):
        running = _running(place, engine)
        if running and running.user == (login[0] if login else "") and _status(running.url, login) == 200:
            return running.url
        program = _program(login, engine)
        if running:
            _end(place, running, engine)
        return _start(place, _remembered(place).get("port", port), program, login, engine).url


def stop_registry(home: Path, *, engine: Any | None = None) -> bool:
    """End the local registry; its images stay. False when none was running."""
    place = _place(home)
    if not place.is_dir():
        return False
    with _alone(place):
        running = _running(place, engine)
        if running:
            _end(place, running, engine)
        return running is not None


def registry_status(home: Path, *, engine: Any | None = None) -> LocalRegistry | None:
    """The local registry, or None when it is not running."""
    return _running(_place(home), engine)


def forget(home: Path, repository: str, *, engine: Any | None = None) -> bool:
    """Take a repository, or all below a namespace, out of the local registry. False when it has none of that name.

    Blobs that other repositories hold are still theirs; the others stay on disk, and nobody can find them.
    """
    name = parse_reference(f"localhost/{repository}").repository
    path = f"docker/registry/v2/repositories/{name}"
    running = _running(_place(home), engine)
    if running and running.container:
        return registry_container.remove(engine, running.container, path)
    place = _place(home)
    if not (place / "data" / path).is_dir():
        return False
    shutil.rmtree(place / "data" / path)
    so_far = len(read_requests(log_of(home).read_text(errors="replace"))) if log_of(home).exists() else 0
    _write_private(place / "forgotten.json", json.dumps(_forgotten(place) | {name: so_far}))
    return True


def _forgotten(place: Path) -> dict[str, int]:
    """How many requests had been answered when a repository was last forgotten, by its name."""
    try:
        data = json.loads((place / "forgotten.json").read_text())
    except (OSError, ValueError):
        return {}
    return {str(name): int(count) for name, count in data.items()} if isinstance(data, dict) else {}


def log_of(home: Path) -> Path:
    """The file that the registry writes its log to."""
    return _place(home) / "log"


def requests_of(home: Path, *, engine: Any | None = None) -> list[Asked]:
    """What the local registry was asked since its log began, in the order of its answers.

    Not what it was asked about a repository that was forgotten later.
    """
    place, log = _place(home), log_of(home)
    running = _running(place, engine)
    if running and running.container:
        return read_requests(registry_container.log(engine, running.container))
    if running:
        _let_it_catch_up(running, log)
    forgotten = _forgotten(place)
    asked = enumerate(read_requests(log.read_text(errors="replace") if log.exists() else ""))
    return [one for number, one in asked if number >= _last_forgotten(forgotten, one.repository)]


def _let_it_catch_up(registry: LocalRegistry, log: Path) -> None:
    """A registry writes a line after its answer: wait until the line of a question asked now is there."""
    mark, end = f"now={secrets.token_hex(8)}", time.monotonic() + PATIENCE
    _status(registry.url, query=f"?{mark}")
    while mark not in log.read_text(errors="replace") and time.monotonic() < end:
        time.sleep(0.02)


def _last_forgotten(forgotten: Mapping[str, int], repository: str) -> int:
    """The number of requests before which those about a repository, or about a namespace above it, count no more."""
    above = [repository, *map(str, PurePosixPath(repository).parents)]
    return max((forgotten.get(name, 0) for name in above), default=0)


def _place(home: Path) -> Path:
    """Absolute: the registry does not stand where we stand."""
    return (home / "registry").absolute()


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    """One starter or stopper at a time."""
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _program(login: tuple[str, str] | None, engine: Any | None) -> str | None:
    """The installed program, or None when the engine may run it as a container."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None and engine is None:
        raise RegistryUnavailable(
            "no registry program is installed, and no engine to run one in: `sudo apt install docker-registry`, "
            "or start Docker or Podman and try again"
        )
    if program is None and login:
        raise RegistryUnavailable("a registry with a password needs the program: `sudo apt install docker-registry`")
    return program


def _start(
    place: Path, port: int, program: str | None, login: tuple[str, str] | None, engine: Any | None
) -> LocalRegistry:
    port = port if _comes_free(port) else _any_port()
    if program is None:
        container = registry_container.start(engine, port)
        registry = LocalRegistry(port, container=container)
    else:
        config = write_config(place, port, login)
        pid = _spawn([program, "serve", str(config)], place / "log")
        registry = LocalRegistry(port, pid, _born(pid), user=login[0] if login else "")
    _remember(place, registry)
    _await_answer(place, registry, engine)
    return registry


def write_config(place: Path, port: int, login: tuple[str, str] | None) -> Path:
    """What a registry on loopback is started with. JSON is YAML, and needs no care with quotes."""
    config: dict[str, Any] = {
        "version": 0.1,
        "log": {"level": "info", "formatter": "text"},
        "storage": {"filesystem": {"rootdirectory": str(place / "data")}, "delete": {"enabled": True}},
        "http": {"addr": f"127.0.0.1:{port}", "secret": secrets.token_hex(16)},
    }
    if login:
        passwords = place / "htpasswd"
        _write_private(passwords, f"{login[0]}:{bcrypt(login[1])}\n")
        config["auth"] = {"htpasswd": {"realm": "Layerlab", "path": str(passwords)}}
    path = place / "config.yml"
    _write_private(path, json.dumps(config, indent=2) + "\n")
    return path


def _write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)


def _spawn(command: list[str], log: Path) -> int:
    """Start a program that outlives us and belongs to nobody; returns its pid."""
    script = '"$@" >>"$0" 2>&1 </dev/null & echo $!'
    started = subprocess.run(
        ["/bin/sh", "-c", script, str(log), *command],
        cwd=log.parent,
        stdout=subprocess.PIPE,
        start_new_session=True,
        check=True,
    )
    return int(started.stdout)


def _await_answer(place: Path, registry: LocalRegistry, engine: Any | None) -> None:
    end = time.monotonic() + PATIENCE
    while _status(registry.url) not in (200, 401):
        if time.monotonic() > end or not _alive(registry, engine):
            log = _last_lines(place / "log")
            _end(place, registry, engine)
            raise RegistryUnavailable(
                f"the registry does not start on port {registry.port}. The end of its log:\n{log}"
            )
        time.sleep(0.02)


def _status(url: str, login: tuple[str, str] | None = None, query: str = "") -> int:
    """What the registry says to a first request; 0 when nobody answers."""
    proof = {"Authorization": "Basic " + b64encode(":".join(login).encode()).decode()} if login else {}
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy leads to other machines
    try:
        with direct.open(urllib.request.Request(f"{url}/v2/{query}", headers=proof), timeout=2) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def _last_lines(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-5:]) if log.exists() else "(there is none)"


# ---- what runs


def _remembered(place: Path) -> dict[str, Any]:
    """What was written about the last start; {} when nothing readable was."""
    try:
        data = json.loads((place / "state.json").read_text())
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) and isinstance(data.get("port"), int) else {}


def _remember(place: Path, registry: LocalRegistry) -> None:
    new = place / "state.json.new"
    new.write_text(json.dumps(asdict(registry)))
    new.replace(place / "state.json")


def _running(place: Path, engine: Any | None) -> LocalRegistry | None:
    known = _remembered(place)
    try:
        registry = LocalRegistry(**known) if known else None
    except TypeError:
        return None
    return registry if registry and _alive(registry, engine) else None


def _alive(registry: LocalRegistry, engine: Any | None) -> bool:
    """Whether it is still the same process: a pid alone may belong to somebody else by now."""
    if registry.container:
        return engine is not None and registry_container.runs(engine, registry.container)
    return registry.pid > 0 and bool(registry.born) and _born(registry.pid) == registry.born


def _born(pid: int) -> str:
    """When a process started, as the kernel counts it; "" when there is none or it only waits to be buried."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    fields = text.rpartition(")")[2].split()
    return "" if fields[0] in "ZX" else fields[19]


def _end(place: Path, registry: LocalRegistry, engine: Any | None) -> None:
    if registry.container:
        registry_container.stop(engine, registry.container)
    else:
        _kill(registry)
    _remember(place, LocalRegistry(registry.port))


def _kill(registry: LocalRegistry) -> None:
    """Politely, then not."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        end = time.monotonic() + PATIENCE
        while _alive(registry, None) and time.monotonic() < end:
            os.kill(registry.pid, sign)
            time.sleep(0.02)


def _comes_free(port: int) -> bool:
    """Whether nobody has the port, or whoever has it is just leaving: a killed process gives up its sockets last."""
    end = time.monotonic() + LEAVING
    while not _free(port):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _any_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
