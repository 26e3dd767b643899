"""Save, load, push and pull of an image of 500 MB, and the most memory that the engine held meanwhile.

skopeo does the same between an OCI layout on the disk, an archive and the registry.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.builds import context
from benchmarks.peers import Peer, forget_peak, peak
from benchmarks.table import Run, by_turns, head, row
from kit.lab.registry import forget, start_registry, stop_registry

LAYERS, PIECE = 5, 4096
SIZE = 500_000_000
NAME = "bench-large"


def table(others: Sequence[Peer], ours: Sequence[Peer]) -> None:
    daemon, own = others[0], ours[0]
    with tempfile.TemporaryDirectory() as place, _registry(Path(place)) as registry:
        home = Path(place)
        archive = _archive(daemon, home)
        trades = {peer.name: _Trades(peer, archive, home, registry) for peer in (daemon, own)}
        skopeo = _Skopeo(archive, home, registry)
        memory: dict[str, dict[str, float]] = {}
        head("500 MB", [daemon.name, "skopeo"], [own.name])
        for work in ("load", "save", "push", "pull"):
            for each in trades.values():
                forget_peak(each.peer.pid)
            runs: dict[str, Run] = {name: getattr(each, work) for name, each in trades.items()}
            taken = by_turns(runs | {"skopeo": getattr(skopeo, work)}, 2)
            memory[work] = {name: peak(each.peer.pid) / 1e6 for name, each in trades.items()}
            row(work, {name: taken[name] for name in (daemon.name, "skopeo")}, {own.name: taken[own.name]})
        head("500 MB: most memory", [daemon.name], [own.name])
        for work, most in memory.items():
            row(work, {daemon.name: most[daemon.name]}, {own.name: most[own.name]}, "MB")
        for each in trades.values():
            _remove(each.peer)


@contextmanager
def _registry(place: Path) -> Iterator[str]:
    try:
        yield start_registry(place).removeprefix("http://")
    finally:
        stop_registry(place)


def _archive(daemon: Peer, place: Path) -> Path:
    """What ``docker save`` makes of the image. Half of its bytes can be compressed away."""
    below = "scratch"
    for number in range(LAYERS):
        image = f"{NAME}-layers:{number}" if number < LAYERS - 1 else f"{NAME}:1"
        data = b"".join(os.urandom(PIECE) + bytes(PIECE) for _ in range(SIZE // LAYERS // PIECE // 2))
        daemon.build(context(f"FROM {below}\nCOPY f /f{number}\n", {"f": data}), cache=False, image=image)
        below = image
    with (place / "image.tar").open("wb") as out:
        out.writelines(daemon.client.images.get(below).save(named=True))
    return place / "image.tar"


def _remove(peer: Peer) -> None:
    for image in peer.client.api.images():
        for tag in image["RepoTags"] or ():
            if NAME in tag:
                peer.client.images.remove(tag, force=True)


@dataclass(frozen=True)
class _Trades:
    """One engine's. Each gives, for the number of a round, what is timed."""

    peer: Peer
    archive: Path
    home: Path
    registry: str

    @property
    def repository(self) -> str:
        return f"{NAME}-{self.peer.name}"

    def load(self, number: int) -> Callable[[], object]:
        _remove(self.peer)
        return self._load

    def _load(self) -> None:
        with self.archive.open("rb") as tar:
            self.peer.client.images.load(tar)

    def save(self, number: int) -> Callable[[], object]:
        return lambda: sum(map(len, self.peer.client.images.get(f"{NAME}:1").save(named=True)))

    def push(self, number: int) -> Callable[[], object]:
        forget(self.home, self.repository)
        name = f"{self.registry}/{self.repository}"
        self.peer.client.images.get(f"{NAME}:1").tag(name, "1")

        def run() -> None:
            for line in self.peer.client.images.push(name, "1", stream=True, decode=True):
                assert "error" not in line, line["error"]

        return run

    def pull(self, number: int) -> Callable[[], object]:
        _remove(self.peer)
        return lambda: self.peer.client.images.pull(f"{self.registry}/{self.repository}", "1")


@dataclass(frozen=True)
class _Skopeo:
    """The same between files: ``layout`` is its store."""

    archive: Path
    home: Path
    registry: str

    @property
    def layout(self) -> Path:
        return self.home / "layout"

    @property
    def _remote(self) -> str:
        return f"docker://{self.registry}/{NAME}-skopeo:1"

    def load(self, number: int) -> Callable[[], object]:
        shutil.rmtree(self.layout, ignore_errors=True)
        return lambda: _skopeo(f"docker-archive:{self.archive}", f"oci:{self.layout}:1")

    def save(self, number: int) -> Callable[[], object]:
        saved = self.home / "saved.tar"
        saved.unlink(missing_ok=True)
        return lambda: _skopeo(f"oci:{self.layout}:1", f"docker-archive:{saved}")

    def push(self, number: int) -> Callable[[], object]:
        forget(self.home, f"{NAME}-skopeo")
        return lambda: _skopeo(f"oci:{self.layout}:1", self._remote)

    def pull(self, number: int) -> Callable[[], object]:
        shutil.rmtree(self.home / "pulled", ignore_errors=True)
        return lambda: _skopeo(self._remote, f"oci:{self.home / 'pulled'}:1")


def _skopeo(source: str, target: str) -> None:
    words = ["skopeo", "copy", "-q", "--src-tls-verify=false", "--dest-tls-verify=false", source, target]
    subprocess.run(words, check=True)
