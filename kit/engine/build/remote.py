"""What is fetched from elsewhere: a file by http, a tree by git.

Both are read into a pool like everything else that COPY takes from, so a download that breaks off, or whose
checksum is another, leaves nothing behind.

Source: Dockerfile reference, "ADD"; buildkit, source/http, source/git.
"""

import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import BinaryIO, cast

import httpx

from kit.dockerfile.sources import GitSource, file_name
from kit.engine.build.files import PooledFiles
from kit.engine.build.pool import Pool
from kit.errors import Invalid, NotFound, Unavailable
from kit.layer.headers import Readable
from kit.layer.tree import Entry, Kind, kind_of_mode
from kit.oci.digest import CHUNK, DigestMismatch

TIMEOUT = httpx.Timeout(30.0)
DOWNLOADED_MODE = 0o600
GIT_TIMEOUT = 600


class _Body:
    """A response's bytes, as they come."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._rest = pieces, b""

    def read(self, size: int = -1, /) -> bytes:
        while not self._rest or size < 0:
            piece = next(self._pieces, None)
            if piece is None:
                break
            self._rest += piece
        data, self._rest = (self._rest, b"") if size < 0 else (self._rest[:size], self._rest[size:])
        return data


@contextmanager
def download(url: str) -> Iterator[tuple[Readable, Mapping[str, str]]]:
    """The bytes at ``url`` and the response's headers.

    Raises:
        NotFound, Unavailable: also while it is read.
    """
    try:
        with httpx.stream("GET", url, follow_redirects=True, timeout=TIMEOUT) as answer:
            if answer.status_code >= 400:
                family = NotFound if answer.status_code == 404 else Unavailable
                raise family(f"failed to load {url}: invalid response status {answer.status_code}")
            yield _Body(answer.iter_raw(CHUNK)), answer.headers
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Unavailable(f"failed to load {url}: {error}") from error


def fetch_file(url: str, checksum: str, folder: Path) -> PooledFiles:
    """The file at ``url``, under its name; mode 600, its time as the server tells it.

    Raises:
        DigestMismatch: it is not what ``checksum`` says. NotFound, Unavailable: it can't be had.
    """
    pool = Pool(folder)
    with download(url) as (body, headers):
        digest, size = pool.add(body)
    if checksum and digest != checksum:
        pool.close()
        raise DigestMismatch(expected=checksum, got=digest)
    entry = Entry(Kind.FILE, DOWNLOADED_MODE, size=size, digest=digest, mtime=_time(headers))
    return PooledFiles({file_name(url): entry}, pool)


def _time(headers: Mapping[str, str]) -> float:
    try:
        return parsedate_to_datetime(headers["last-modified"]).timestamp()
    except (KeyError, ValueError):
        return 0.0


def fetch_git(source: GitSource, folder: Path, *, keep: bool = False, checksum: str = "") -> PooledFiles:
    """The tree of a repository's commit; ``keep`` with its ``.git``.

    Raises:
        Invalid: the commit is not the one that ``checksum`` begins, or there is no such directory.
        Unavailable: git says no; its words are in the text.
    """
    with tempfile.TemporaryDirectory(dir=folder) as place:
        _git(place, "init", "-q")
        _git(place, "remote", "add", "origin", source.remote)
        _fetch(place, source.ref)
        _git(place, "checkout", "-q", "FETCH_HEAD")
        commit = _git(place, "rev-parse", "HEAD").strip()
        wanted = checksum or source.checksum
        if wanted and not commit.startswith(wanted):
            raise Invalid(f"expected checksum to match {wanted}, got {commit}")
        if source.submodules:
            _git(place, "submodule", "update", "-q", "--init", "--recursive", "--depth=1")
        root = Path(place, source.subdir)
        if Path(place).resolve() not in (root.resolve(), *root.resolve().parents) or not root.is_dir():
            raise Invalid(f"{source.remote} has no directory {source.subdir!r}")
        return files_of_directory(root, folder, without=() if keep else (".git",))


def _fetch(place: str, ref: str) -> None:
    """One commit without history where the server allows it, else everything."""
    for arguments in (("--depth=1", "origin", ref or "HEAD"), ("--tags", "origin", ref or "HEAD")):
        try:
            _git(place, "fetch", "-q", *arguments)
            return
        except Unavailable as error:
            failure = error
    raise failure


def _git(place: str, *arguments: str) -> str:
    """Runs git without the user's settings, and without asking anybody anything."""
    quiet = {"GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_NOSYSTEM": "1", "HOME": place, "GIT_PROTOCOL_FROM_USER": "0"}
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=place,
            env={"PATH": os.environ.get("PATH", os.defpath), **quiet},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=GIT_TIMEOUT,
        )
    except FileNotFoundError as error:
        raise Unavailable("git is not installed: a git context needs it") from error
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"git {arguments[0]} took longer than {GIT_TIMEOUT} seconds") from error
    if done.returncode:
        raise Unavailable(f"failed to {arguments[0]} the repository: {done.stderr.strip()}")
    return done.stdout


def files_of_directory(root: Path, folder: Path, without: tuple[str, ...] = ()) -> PooledFiles:
    """What is in a directory of this machine, as root's. Sockets are left out; no symlink is followed."""
    pool = Pool(folder)
    tree: dict[str, Entry] = {}
    for above, directories, names in os.walk(root):
        prefix = os.path.relpath(above, root).removeprefix(".").lstrip("/")
        if not prefix:
            directories[:] = [name for name in directories if name not in without]
        for name in (*directories, *names):
            entry = _entry(f"{above}/{name}", pool)
            if entry is not None and (prefix or name not in without):
                tree[f"{prefix}/{name}".lstrip("/")] = entry
    return PooledFiles(tree, pool)


def _entry(path: str, pool: Pool) -> Entry | None:
    told = os.lstat(path)
    kind = kind_of_mode(told.st_mode)
    if kind is None:
        return None
    entry = Entry(kind, told.st_mode & 0o7777, mtime=float(told.st_mtime_ns // 10**9))
    if kind is Kind.SYMLINK:
        return Entry(kind, 0o777, target=os.readlink(path), mtime=entry.mtime)
    if kind is Kind.FILE:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(path, flags), "rb", buffering=0) as file:
            digest, size = pool.add(cast(BinaryIO, file))
        return Entry(kind, entry.mode, size=size, digest=digest, mtime=entry.mtime)
    if kind in (Kind.CHARACTER, Kind.BLOCK):
        return Entry(kind, entry.mode, device=(os.major(told.st_rdev), os.minor(told.st_rdev)), mtime=entry.mtime)
    return entry
