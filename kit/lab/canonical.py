"""A root file system tar in one form: the same files give the same bytes, whoever packed them and when.

Entries are sorted, no time is later than the source date and directories have just that, since theirs tell the
order of work. What only a running container has is left out, as are the backups and locks of Debian's tools.

Source: reproducible-builds.org, "Archives".
"""

import re
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, BinaryIO, cast

from kit.layer.changeset import Changeset
from kit.layer.tarball import pack, scan
from kit.layer.tree import Entry, Kind, Tree

_MOUNTED = frozenset({".dockerenv", "etc/hostname", "etc/hosts", "etc/resolv.conf", "etc/mtab"})
_KERNELS = ("dev/", "proc/", "sys/")
_LEFTOVERS = re.compile(
    r"var/(cache/debconf/.*-old|cache/apt/archives/lock|lib/dpkg/.*-old|lib/dpkg/lock.*|lib/apt/extended_states"
    r"|lib/apt/lists/lock|lib/apt/lists/auxfiles|cache/ldconfig/.*|log/.*\.log)"
)


def write(source: Path, target: Path, *, latest: int) -> None:
    """Writes the tar ``source`` anew as ``target``; times are at most ``latest`` (seconds since 1970)."""
    with source.open("rb") as raw:
        entries = dict(_kept(scan(raw).entries, latest))
    with tarfile.open(source) as tar, target.open("wb") as out:
        members = {member.name.removeprefix("./").strip("/"): member for member in tar}

        def contents(path: str) -> BinaryIO:
            file: IO[bytes] | None = tar.extractfile(members[path])
            return cast(BinaryIO, file)

        pack(Changeset(entries), contents, out)


def _kept(tree: Tree, latest: int) -> Iterator[tuple[str, Entry]]:
    for path, entry in tree.items():
        if path and path not in _MOUNTED and not path.startswith(_KERNELS) and not _LEFTOVERS.fullmatch(path):
            time = latest if entry.kind is Kind.DIRECTORY else min(int(entry.mtime), latest)
            yield path, replace(entry, mtime=time)
