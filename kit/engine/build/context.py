"""The build context: what the client sent, read once.

A tar, packed in any way, becomes a tree and a pool of bytes. Whatever leaves its root is refused before a
build begins. Everything belongs to root and has no extended attributes, as with BuildKit; ``.dockerignore`` is
applied here too, because not every client does.

Source: Docker Engine API, "ImageBuild"; docker/cli, "build/context.go"; Dockerfile reference, ".dockerignore".
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import cast

from kit.dockerfile.ignore import Matcher, parse_ignore
from kit.engine.build.files import PooledFiles, with_parents
from kit.engine.build.pool import Pool
from kit.engine.store.compression import BadCompression, unpacked
from kit.errors import Invalid
from kit.layer.changeset import parents_of
from kit.layer.headers import BadTar, Readable
from kit.layer.tarball import members
from kit.layer.tree import Entry, Kind, Tree

LARGEST_DOCKERFILE = 16 << 20
"""Bytes. BuildKit refuses more, too."""


class DockerfileNotFound(Invalid):
    def __init__(self, name: str) -> None:
        super().__init__(f"Cannot locate specified Dockerfile: {name}")
        self.name = name


@dataclass(frozen=True)
class Context:
    """All that came, and the part of it that COPY may see."""

    tree: Tree
    pool: Pool

    def read(self, path: str) -> bytes | None:
        """A small file; None if there is no such file."""
        entry = self.tree.get(path.removeprefix("./").lstrip("/"))
        if entry is None or entry.kind is not Kind.FILE:
            return None
        if entry.size > LARGEST_DOCKERFILE:
            raise Invalid(f"{path} is larger than {LARGEST_DOCKERFILE} bytes")
        with self.pool.open(entry.digest) as file:
            return file.read()

    def dockerfile(self, name: str) -> str:
        """The Dockerfile's text.

        Raises:
            DockerfileNotFound
        """
        data = self.read(name)
        if data is None:
            raise DockerfileNotFound(name)
        return data.decode("utf-8-sig", errors="replace")

    def visible(self, dockerfile: str) -> PooledFiles:
        """What COPY sees: less what ``<dockerfile>.dockerignore``, or else ``.dockerignore``, names.

        Raises:
            Invalid: a line there is no pattern.
        """
        for name in (f"{dockerfile}.dockerignore", ".dockerignore"):
            rules = self.read(name)
            if rules is not None:
                return PooledFiles(_kept(self.tree, parse_ignore(rules, name)), self.pool)
        return PooledFiles(self.tree, self.pool)

    def close(self) -> None:
        self.pool.close()


def _kept(tree: Tree, matcher: Matcher) -> Tree:
    """What no pattern keeps out, and the directories above an exception."""
    kept = {path for path in tree if not matcher.excludes(path)}
    kept |= {parent for path in kept for parent in parents_of(path)}
    left = {path: entry for path, entry in tree.items() if path in kept}
    for path, entry in left.items():
        if entry.hardlink and entry.hardlink not in left:
            left[path] = replace(entry, hardlink="")
    return left


def read_context(tar: Readable, folder: Path) -> Context:
    """Reads a tar to its end; its bytes go to ``folder``, under no name.

    Raises:
        Invalid: it is no tar, or something in it leaves the root; nothing is kept.
    """
    pool = Pool(folder)
    entries: dict[str, Entry] = {}
    try:
        plain, _ = unpacked(tar)
        for path, entry, contents in members(plain):
            own = replace(entry, uid=0, gid=0, xattrs=())
            if entry.hardlink:
                own = replace(own, digest=entries[entry.hardlink].digest) if entry.hardlink in entries else own
            elif entry.kind is Kind.FILE:
                digest, size = pool.add(cast(Readable, contents))
                own = replace(own, digest=digest, size=size)
            entries[path] = own
        while plain.read(1 << 20):
            pass
    except BadTar as error:
        pool.close()
        raise Invalid(f"unexpected error reading Dockerfile or context: {error}") from error
    except (Invalid, BadCompression):
        pool.close()
        raise
    _check_links(entries)
    return Context(with_parents(entries), pool)


def of_files(files: Iterable[tuple[str, bytes]], folder: Path) -> Context:
    """A context of a few files that are at hand: a Dockerfile from a URL or from standard input."""
    pool = Pool(folder)
    entries = {}
    for path, data in files:
        digest, size = pool.add(BytesIO(data))
        entries[path] = Entry(Kind.FILE, 0o600, size=size, digest=digest)
    return Context(with_parents(entries), pool)


def _check_links(entries: dict[str, Entry]) -> None:
    for path, entry in entries.items():
        if entry.hardlink and entry.digest is None:
            raise Invalid(f"{path!r} is a hard link to {entry.hardlink!r}, which the context does not hold")
