"""What a build begins with: its context, wherever it comes from, and the text of its Dockerfile.

Everything that is wrong here is told before the build's first event, so a client gets it as a refusal.

Source: Docker Engine API, "ImageBuild", parameter "remote"; moby builder/remotecontext "Detect".
"""

import posixpath
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from kit.dockerfile.instructions import Dockerfile
from kit.dockerfile.parse import parse_dockerfile
from kit.dockerfile.sources import kind_of, parse_git
from kit.engine.build.archives import is_archive
from kit.engine.build.context import Context, of_files, read_context
from kit.engine.build.options import BuildOptions
from kit.engine.build.remote import download, fetch_git
from kit.errors import Invalid
from kit.layer.headers import Readable

NAME = "Dockerfile"
STDIN = "client-session"
LARGEST_REMOTE = 16 << 20
"""Bytes of an address's answer that are looked at before it is taken for a tar."""


@dataclass(frozen=True)
class Intake:
    """A build's input. ``name`` is where the Dockerfile stands in the context."""

    context: Context
    dockerfile: Dockerfile
    name: str


def take_in(body: Readable | None, options: BuildOptions, folder: Path) -> Intake:
    """Reads the context to its end and the Dockerfile in it.

    Raises:
        Invalid: a context or a Dockerfile that can't be used (DockerfileError, UnsafePath, …).
        NotFound, Unavailable: a remote context that can't be had.
    """
    name = _name(options.dockerfile or NAME)
    context = _context(body, options.remote, name, folder)
    try:
        text = context.dockerfile(name)
        if not text.strip():
            raise Invalid(f"the Dockerfile ({name}) cannot be empty")
        return Intake(context, parse_dockerfile(text, posixpath.basename(name)), name)
    except BaseException:
        context.close()
        raise


def _name(path: str) -> str:
    clean = posixpath.normpath(path)
    if clean == ".." or clean.startswith("../"):
        raise Invalid(f"forbidden path outside the build context: {path} ()")
    return clean.lstrip("/")


def _context(body: Readable | None, remote: str, name: str, folder: Path) -> Context:
    if remote and remote != STDIN:
        return _remote(remote, name, folder)
    if body is None:
        raise Invalid("a build needs a context: send a tar, or give the address of one")
    return read_context(body, folder)


def _remote(address: str, name: str, folder: Path) -> Context:
    """A repository, a tar, or a Dockerfile alone."""
    kind = kind_of(address)
    if kind == "git" or (kind == "path" and address.startswith("github.com/")):
        source = parse_git(address if kind == "git" else f"https://{address.removesuffix('.git')}.git")
        files = fetch_git(source, folder)
        return Context(files.tree, files.pool)
    if kind != "url":
        raise Invalid(f"unable to prepare context: {address!r} is no address of a context")
    with download(address) as (answer, _):
        first = _Peeked(answer)
        if is_archive(BytesIO(first.peek(LARGEST_REMOTE))):
            return read_context(first, folder)
        return of_files([(name, first.peek(LARGEST_REMOTE))], folder)


class _Peeked:
    """A stream whose beginning can be looked at."""

    def __init__(self, source: Readable) -> None:
        self._source, self._seen = source, b""

    def peek(self, size: int) -> bytes:
        while len(self._seen) < size and (data := self._source.read(size - len(self._seen))):
            self._seen += data
        return self._seen

    def read(self, size: int = -1, /) -> bytes:
        if not self._seen:
            return self._source.read(size)
        data, self._seen = (self._seen, b"") if size < 0 else (self._seen[:size], self._seen[size:])
        return data
