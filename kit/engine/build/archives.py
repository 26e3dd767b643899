"""Local archives that ADD unpacks: a tar, plain or packed with gzip, bzip2, xz or zstd.

What an archive is tell its bytes, not its name. Its entries keep their owners and modes.

Source: Dockerfile reference, "ADD", "Adding local tar archives"; moby pkg/archive "Untar".
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO, cast

from kit.engine.build.copying import Unpacked
from kit.engine.build.draft import Contents
from kit.engine.build.pool import Pool
from kit.engine.store.compression import BadCompression, unpacked
from kit.layer.headers import BadTar, Readable, read_header
from kit.layer.tarball import members
from kit.layer.tree import Entry, Kind
from kit.oci.digest import Digest


def is_archive(file: BinaryIO) -> bool:
    """Whether ``file`` begins as an archive does."""
    try:
        return read_header(cast(Readable, unpacked(cast(Readable, file))[0])) is not None
    except (BadTar, BadCompression):
        return False


def entries_of(file: BinaryIO, pool: Pool) -> Iterator[Unpacked]:
    """The members of an archive; their bytes go to ``pool``.

    Raises:
        BadTar, UnsafePath, BadCompression: at the member that is wrong.
    """
    digests: dict[str, Entry] = {}
    plain, _ = unpacked(cast(Readable, file))
    for path, entry, contents in members(cast(Readable, plain)):
        if entry.kind is Kind.FILE and not entry.hardlink:
            digest, size = pool.add(cast(Readable, contents))
            entry = replace(entry, digest=digest, size=size)
        elif entry.hardlink and entry.hardlink in digests:
            entry = replace(entry, digest=digests[entry.hardlink].digest)
        digests[path] = entry
        yield Unpacked(path, entry, _opening(pool, entry.digest) if entry.kind is Kind.FILE else None)


def _opening(pool: Pool, digest: Digest | None) -> Contents:
    return lambda: pool.open(digest)
