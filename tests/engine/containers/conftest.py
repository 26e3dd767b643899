"""Containers for real: a store with ``busybox:1``, and every isolator that this machine allows."""

import io
import tarfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from kit.engine.containers.containers import Containers
from kit.engine.containers.filters import Filters
from kit.engine.isolators import choose
from kit.engine.isolators.contract import Isolator
from kit.engine.store.store import Store
from kit.lab.parents import root_tar
from kit.oci.config import History, ImageConfig, RunConfig
from kit.oci.digest import ImageID
from kit.oci.reference import parse_reference

Json = dict[str, Any]


class Result(NamedTuple):
    id: str
    code: int
    output: str


class Room:
    """Containers, and short ways to use them. ``events`` are (type, action, id) so far."""

    def __init__(self, root: Path, isolator: Isolator) -> None:
        self.root, self.isolator = root, isolator
        self.events: list[tuple[str, str, str]] = []
        self._open()

    def _open(self) -> None:
        self.store = Store(self.root / "store")
        self.containers = Containers(
            self.store, self.isolator, root=self.root / "room", emit=lambda *event: self.events.append(event[:3])
        )

    def reopen(self) -> None:
        """Another engine takes over what a killed one has left."""
        self.isolator.close()
        self.store.close()
        self._open()
        self.containers.restore()

    def close(self) -> None:
        for row in self.containers.list(Filters()):  # nobody asks them to stop: that takes its time
            self.containers.remove(row["Id"], force=True)
        self.containers.close()
        self.isolator.close()
        self.store.close()

    def image(self, name: str, *tars: bytes | Path, run: RunConfig = RunConfig()) -> ImageID:
        """An image of these layers, with a name."""
        diff_ids = []
        for tar in tars:
            with open(tar, "rb") if isinstance(tar, Path) else io.BytesIO(tar) as file:
                diff_ids.append(self.store.layers.add(file).diff_id)
        config = ImageConfig.of(run=run, diff_ids=diff_ids, history=[History(created_by="ADD") for _ in diff_ids])
        image = self.store.images.put(config)
        self.store.images.tag(parse_reference(name), image)
        return image

    def create(
        self, *argv: str, name: str = "", image: str = "busybox:1", host: Json | None = None, **more: Any
    ) -> str:
        body = {"Image": image, "Cmd": list(argv) or None, "HostConfig": host or {}, **more}
        return self.containers.create(body, name)[0]

    def begin(self, *argv: str, **how: Any) -> str:
        """A container that runs."""
        key = self.create(*argv, **how)
        self.containers.start(key)
        return key

    def run(self, *argv: str, **how: Any) -> Result:
        """A container that has run to its end."""
        key = self.create(*argv, **how)
        wait = self.containers.waiter(key, "next-exit")
        attachment = self.containers.attach(key, stdin=False, stdout=True, stderr=True)
        self.containers.start(key)
        output = b"".join(frame.data for frame in attachment.frames())
        return Result(key, wait(), output.decode())

    def sh(self, script: str, **how: Any) -> str:
        """What a script prints that must succeed."""
        result = self.run("sh", "-c", script, **how)
        assert result.code == 0, result.output
        return result.output

    def exec(self, key: str, *argv: str, **how: Any) -> tuple[int | None, str]:
        """Exit code and output of one more process."""
        found = self.containers.execs.create(
            key, {"Cmd": list(argv), "AttachStdout": True, "AttachStderr": True, **how}
        )
        output = b"".join(frame.data for frame in self.containers.execs.start(found.id).frames())
        assert found.ended.wait(10)
        return found.exit_code, output.decode()

    def state(self, key: str) -> Json:
        found: Json = self.containers.inspect(key)["State"]
        return found

    def actions(self, key: str) -> list[str]:
        return [action for kind, action, which in self.events if kind == "container" and which == key]


@pytest.fixture(params=[row.name for row in choose.ROWS])
def room(request: pytest.FixtureRequest, tmp_path: Path, cache: Path) -> Iterator[Room]:
    row = next(row for row in choose.ROWS if row.name == request.param)
    found = row.probe()
    if not found.works:
        pytest.skip(f"{row.name}: {found.why}")
    room = Room(tmp_path, row.make())
    room.image("busybox:1", root_tar("busybox:1", cache), run=RunConfig(cmd=("sh",)))
    yield room
    room.close()


def tar_of(files: Mapping[str, bytes], *others: tarfile.TarInfo) -> io.BytesIO:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        for info in others:
            tar.addfile(info)
    out.seek(0)
    return out


@pytest.fixture
def make_tar() -> Callable[..., io.BytesIO]:
    return tar_of
