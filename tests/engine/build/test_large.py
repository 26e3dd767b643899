"""Contexts of 2 GB and of 200,000 files are streamed: a builder in a process of its own, whose memory is measured."""

import io
import json
import resource
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kit.engine.build.builder import Builder
from kit.engine.build.options import BuildOptions
from kit.engine.isolators import choose
from kit.engine.store.store import Store
from tests.engine.build.conftest import no_pull

PROJECT = Path(__file__).parents[3]
DOCKERFILE = b"FROM scratch\nCOPY . /all\n"
PIECE = 1 << 20


class Made(io.RawIOBase):
    """A tar that is made while it is read: ``count`` files of ``size`` bytes, a thousand to a directory."""

    def __init__(self, count: int, size: int) -> None:
        self._pieces, self._ready = self._made(count, size), b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]
        self._ready = self._ready or next(self._pieces, b"")
        size = min(len(buffer), len(self._ready))
        buffer[:size], self._ready = self._ready[:size], self._ready[size:]
        return size

    def _made(self, count: int, size: int) -> Iterator[bytes]:
        yield self._header("Dockerfile", len(DOCKERFILE)) + DOCKERFILE.ljust(512, b"\0")
        for number in range(count):
            own = f"{number:32}".encode()  # no two files are the same
            block = own * (PIECE // len(own))
            pieces = [block[: min(PIECE, size - start)] for start in range(0, size, PIECE)]
            padding = b"\0" * (-size % 512)
            if size < PIECE:
                yield self._header(f"d{number // 1000}/f{number}", size) + pieces[0] + padding
            else:
                yield self._header(f"d{number // 1000}/f{number}", size)
                yield from pieces
                yield padding
        yield b"\0" * 1024

    @staticmethod
    def _header(name: str, size: int) -> bytes:
        info = tarfile.TarInfo(name)
        info.size = size
        return info.tobuf(tarfile.USTAR_FORMAT)


def main(count: str, size: str, root: str) -> None:
    """Builds; prints the entries of the image and how much the memory has grown, in MB."""
    store = Store(Path(root) / "store")
    found = next(row for row in choose.ROWS if row.probe().works)
    builder = Builder(store, found.make(), root=Path(root) / "build", pull=no_pull)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    context = io.BufferedReader(Made(int(count), int(size)), PIECE)
    events = [event.to_json() for event in builder.build(context, BuildOptions())]
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    (image,) = store.images.all()
    entries = len(store.layers.tree(store.images.get(image).diff_ids))
    print(json.dumps([entries, grown, [event for event in events if "error" in event]]))


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("count", "size", "most"), [(2, 1 << 30, 64), (200_000, 100, 600)])
def test_memory_does_not_grow_with_bytes_and_little_with_files(
    count: int, size: int, most: int, tmp_path: Path
) -> None:
    code = "import sys; from tests.engine.build.test_large import main; main(*sys.argv[1:])"
    words = [sys.executable, "-c", code, str(count), str(size), str(tmp_path)]
    done = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, timeout=1700)
    assert done.returncode == 0, done.stderr
    entries, grown, errors = json.loads(done.stdout)
    directories = 1 + (count + 999) // 1000
    assert not errors and entries == count + 1 + directories
    assert grown < most, f"{grown} MB more for {count} files of {size} bytes"
