"""Bytes of many files in one: written once, found again by digest.

A context of 200,000 files is one file without a name, so reading it in takes no memory and no inodes, and an
engine that is killed leaves nothing behind.
"""

import hashlib
import io
import os
from pathlib import Path
from tempfile import TemporaryFile
from threading import Lock
from typing import BinaryIO, NamedTuple, cast

from kit.errors import NotFound
from kit.layer.headers import Readable
from kit.oci.digest import CHUNK, Digest


class _Place(NamedTuple):
    offset: int
    size: int


class Pool:
    """Files by the digest of their bytes. Many threads may read and one at a time may add."""

    def __init__(self, folder: Path) -> None:
        self._file = TemporaryFile(dir=folder)  # noqa: SIM115 close() closes it
        self._places: dict[Digest, _Place] = {}
        self._end, self._lock = 0, Lock()

    def add(self, contents: Readable) -> tuple[Digest, int]:
        """Reads ``contents`` to its end; its digest, and its bytes' count."""
        with self._lock:
            found, size = hashlib.sha256(), 0
            while data := contents.read(CHUNK):
                found.update(data)
                _write(self._file.fileno(), data, self._end + size)
                size += len(data)
            digest = Digest("sha256:" + found.hexdigest())
            if digest not in self._places:
                self._places[digest] = _Place(self._end, size)
                self._end += size
            return digest, size

    def has(self, digest: Digest | None) -> bool:
        return digest in self._places

    def open(self, digest: Digest | None) -> BinaryIO:
        """The bytes, from their start.

        Raises:
            NotFound: they were never added.
        """
        place = self._places.get(digest) if digest else None
        if place is None:
            raise NotFound(f"no file has the digest {digest}")
        return cast(BinaryIO, io.BufferedReader(_Slice(self._file.fileno(), *place)))

    def close(self) -> None:
        self._file.close()


def _write(descriptor: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        done = os.pwrite(descriptor, view, offset)
        view, offset = view[done:], offset + done


class _Slice(io.RawIOBase):
    """``size`` bytes from ``offset``; the position is this reader's own."""

    def __init__(self, descriptor: int, offset: int, size: int) -> None:
        self._descriptor, self._start, self._size, self._position = descriptor, offset, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        self._position = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        return self._position

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]
        wanted = max(0, min(len(buffer), self._size - self._position))
        data = os.pread(self._descriptor, wanted, self._start + self._position)
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)
