"""One COPY or ADD from start to layer: what is chosen, what identifies it, what it makes of the tree.

Choosing is cheap and comes first, because the digest of what was chosen is part of the cache key; bytes are
only touched when the cache has nothing.

Source: Dockerfile reference, "COPY", "ADD"; buildkit, frontend/dockerfile/dockerfile2llb/convert_copy.go.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from kit.dockerfile.sources import kind_of, parse_git
from kit.dockerfile.steps import CopyStep, Source
from kit.engine.build.archives import entries_of, is_archive
from kit.engine.build.copying import Chosen, Copier, Facts, Selection
from kit.engine.build.draft import Draft
from kit.engine.build.files import Files, Opener, PooledFiles
from kit.engine.build.modes import parse_mode
from kit.engine.build.pool import Pool
from kit.engine.build.remote import fetch_file, fetch_git
from kit.layer.tree import Entry, Kind, Tree


@dataclass(frozen=True)
class Part:
    """One source of a step, and what of it was chosen. ``unpack``: archives among it are unpacked."""

    files: Files
    chosen: tuple[Chosen, ...]
    unpack: bool = False


@dataclass(frozen=True)
class Transfer:
    """A COPY or ADD that knows what it copies."""

    step: CopyStep
    sources: tuple[Part, ...]
    facts: Facts
    folder: Path

    @property
    def digest(self) -> str:
        """Of everything that is copied."""
        return identity(chosen for source in self.sources for chosen in source.chosen)

    def listing(self) -> Iterator[tuple[str, str]]:
        """Each path that is copied, with its content and, after a space, its other facts, shortened."""
        for source in self.sources:
            for chosen in source.chosen:
                for rest, entry in (("", chosen.entry), *chosen.inner):
                    content = (entry.digest or entry.target)[-12:]
                    others = [entry.kind, entry.mode, entry.uid, entry.gid, entry.hardlink]
                    short = hashlib.sha256(json.dumps(others).encode()).hexdigest()[:6]
                    yield f"{chosen.path}/{rest}".strip("/"), f"{content} {short}"

    def draft(self, base: Tree) -> Draft:
        """The step done on ``base``, or, for ``--link``, on nothing.

        Raises:
            Invalid: something stands in the way, or an archive is bad.
        """
        draft = Draft({} if self.step.link else base)
        copier = Copier(draft, self.facts)
        for source in self.sources:
            opener = source.files.opener([path for chosen in source.chosen for path in chosen.files()])
            for chosen in source.chosen:
                if source.unpack and self._is_archive(chosen, opener):
                    self._unpack(copier, chosen, opener)
                else:
                    copier.copy(chosen, self.step.dest, opener)
        return draft

    def _is_archive(self, chosen: Chosen, opener: Opener) -> bool:
        if chosen.entry.kind is not Kind.FILE:
            return False
        with opener(chosen.path) as file:
            return is_archive(file)

    def _unpack(self, copier: Copier, chosen: Chosen, opener: Opener) -> None:
        with closing(opener(chosen.path)) as file:
            copier.unpack(entries_of(file, Pool(self.folder)), self.step.dest)


def identity(found: Iterable[Chosen]) -> str:
    """A digest of names, kinds, modes, owners and bytes; not of times."""
    digest = hashlib.sha256()
    for chosen in found:
        for rest, entry in (("", chosen.entry), *chosen.inner):
            digest.update(json.dumps(_facts(chosen.name, rest, entry)).encode())
    return digest.hexdigest()


def _facts(name: str, rest: str, entry: Entry) -> list[object]:
    xattrs = [(key, value.hex()) for key, value in entry.xattrs]
    facts = [entry.mode, entry.uid, entry.gid, entry.digest, entry.target, entry.hardlink, entry.device, xattrs]
    return [name, rest, entry.kind, *facts]


def prepare(
    step: CopyStep,
    *,
    files_of: Callable[[Source], Files],
    owner: tuple[int, int] | None,
    folder: Path,
    now: float,
) -> Transfer:
    """Finds what the step copies; downloads are made here.

    Raises:
        SourceNotFound, Invalid, Unavailable
    """
    selection = Selection(step.parents, step.exclude, "ADD" if step.add else "COPY")
    sources: list[Part] = []
    for text in step.sources:
        match kind_of(text) if step.add else "path":
            case "url":
                files: Files = fetch_file(text, step.checksum, folder)
                sources.append(Part(files, _everything(files), unpack=bool(step.unpack)))
            case "git":
                git = parse_git(text)
                keep = bool(git.keep_git_dir if step.keep_git_dir is None else step.keep_git_dir)
                files = fetch_git(git, folder, keep=keep, checksum=step.checksum)
                sources.append(Part(files, tuple(Selection(exclude=step.exclude).choose(files, "/"))))
            case _:
                files = files_of(step.from_)
                unpack = step.add and step.unpack is not False
                sources.append(Part(files, tuple(selection.choose(files, text)), unpack))
    for file in step.files:
        files = of_text(file.name, file.data, file.mode, folder, now)
        sources.append(Part(files, _everything(files)))
    mode = parse_mode(step.chmod) if step.chmod else None
    return Transfer(step, tuple(sources), Facts(owner, mode, now), folder)


def _everything(files: Files) -> tuple[Chosen, ...]:
    """The one file that a download or a heredoc is."""
    return tuple(Chosen(path, path, entry) for path, entry in files.tree.items() if entry.kind is Kind.FILE)


def of_text(name: str, data: str, mode: int, folder: Path, now: float) -> PooledFiles:
    """A small file that stands in the Dockerfile itself."""
    pool = Pool(folder)
    digest, size = pool.add(BytesIO(data.encode("utf-8", "surrogateescape")))
    name = name.strip("/").rpartition("/")[2]
    return PooledFiles({name: Entry(Kind.FILE, mode, size=size, digest=digest, mtime=now)}, pool)
