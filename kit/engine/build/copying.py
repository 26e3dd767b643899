"""COPY and ADD as arithmetic on trees: which entry lands where, with which facts.

A directory gives its contents, a file lands in a directory or under a new name; owners and modes are kept or
set, times are kept. Directories that a destination needs are made with mode 755.

Source: Dockerfile reference, "COPY", "ADD"; buildkit, solver/llbsolver/file "docopy"; tonistiigi/fsutil, copy.
"""

import posixpath
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from kit.dockerfile.ignore import Matcher, parse_patterns
from kit.engine.build.draft import Contents, Draft
from kit.engine.build.files import Files, Opener, below, find_real
from kit.engine.build.modes import Change
from kit.engine.build.patterns import glob, has_wildcard
from kit.errors import NotFound
from kit.layer.changeset import parent_of, parents_of
from kit.layer.tree import Entry, Kind

DIRECTORY_MODE = 0o755
Test = Callable[[str], bool]


class Unpacked(NamedTuple):
    """One member of an archive that ADD unpacks."""

    path: str
    entry: Entry
    contents: Contents | None


class SourceNotFound(NotFound):
    """COPY names what is not in its source."""

    def __init__(self, path: str, instruction: str = "COPY") -> None:
        name = path.lstrip("/")
        super().__init__(
            f"{instruction} failed: file not found in build context or excluded by .dockerignore: "
            f"stat {name}: file does not exist"
        )
        self.path = path


@dataclass(frozen=True)
class Facts:
    """What the step says of everything that it copies.

    ``owner``: (uid, gid) instead of the source's. ``now`` is the time of directories that are made, ``time``
    (if any) that of everything.
    """

    owner: tuple[int, int] | None = None
    mode: Change | None = None
    now: float = 0.0
    time: float | None = None

    def of(self, entry: Entry) -> Entry:
        """``entry`` as it lands."""
        uid, gid = self.owner or (entry.uid, entry.gid)
        mode = entry.mode
        if self.mode is not None and entry.kind is not Kind.SYMLINK:
            mode = self.mode(entry.mode, entry.kind is Kind.DIRECTORY)
        return replace(entry, uid=uid, gid=gid, mode=mode, mtime=entry.mtime if self.time is None else self.time)

    @property
    def directory(self) -> Entry:
        """A directory that is made because something must lie in it."""
        uid, gid = self.owner or (0, 0)
        return Entry(Kind.DIRECTORY, DIRECTORY_MODE, uid, gid, mtime=self.now if self.time is None else self.time)


@dataclass(frozen=True)
class Chosen:
    """One thing to copy: ``name`` is what a directory calls it, ``inner`` what lies in it by path from there."""

    name: str
    path: str
    entry: Entry
    inner: tuple[tuple[str, Entry], ...] = ()

    def files(self) -> Iterator[str]:
        """Paths in the source whose bytes are wanted."""
        for rest, entry in (("", self.entry), *self.inner):
            if entry.kind is Kind.FILE:
                yield f"{self.path}/{rest}".strip("/")


@dataclass(frozen=True)
class Selection:
    """What COPY takes from its source. ``parents`` keeps the directories above, ``exclude`` leaves out."""

    parents: bool = False
    exclude: tuple[str, ...] = ()
    instruction: str = "COPY"

    def choose(self, files: Files, source: str) -> list[Chosen]:
        """What ``source`` means.

        Raises:
            SourceNotFound: it is not there. (A pattern may match nothing.)
        """
        if self.parents:
            return [self._with_parents(files, source)]
        excluded = parse_patterns(self.exclude)
        chosen = []
        for path in _matches(files, source):
            found = self._chosen(files, path, excluded)
            if found.entry.kind is Kind.DIRECTORY or not excluded.excludes(found.name):
                chosen.append(found)
        return chosen

    def _chosen(self, files: Files, path: str, excluded: Matcher) -> Chosen:
        real = find_real(files.tree.get, path)
        entry = files.tree.get(real) if real else files.tree.get("") or Entry(Kind.DIRECTORY)
        if entry is None:
            raise SourceNotFound(path, self.instruction)
        inner: tuple[tuple[str, Entry], ...] = ()
        if entry.kind is Kind.DIRECTORY:
            inner = tuple(_with_those_above(files, real, lambda rest: not excluded.excludes(rest)))
        return Chosen(posixpath.basename(path.rstrip("/")), real, entry, inner)

    def _with_parents(self, files: Files, source: str) -> Chosen:
        """All that the pattern behind ``/./`` (or the whole) matches, from the directory before it."""
        pivot, found, pattern = source.partition("/./")
        pivot, pattern = (pivot, pattern) if found else ("", source)
        pattern = posixpath.normpath("/" + pattern).lstrip("/")
        root = find_real(files.tree.get, pivot)
        included, excluded = parse_patterns([pattern or "**"]), parse_patterns(self.exclude)

        def is_wanted(rest: str) -> bool:
            return included.excludes(rest) and not excluded.excludes(rest)

        wanted = [*_with_those_above(files, root, is_wanted)]
        if not wanted and not has_wildcard(source):
            raise SourceNotFound(posixpath.join(pivot, pattern), self.instruction)
        return Chosen("", root, Entry(Kind.DIRECTORY), tuple(wanted))


def _with_those_above(files: Files, root: str, wanted: Test) -> Iterator[tuple[str, Entry]]:
    """What of ``root``'s contents is wanted, with the directories above it."""
    inner = dict(below(files.tree, root))
    chosen = {rest for rest in inner if wanted(rest)}
    if len(chosen) < len(inner):
        chosen |= {parent for rest in chosen for parent in parents_of(rest)}
    return ((rest, entry) for rest, entry in inner.items() if rest in chosen)


def _matches(files: Files, source: str) -> list[str]:
    """The paths that ``source`` names: itself, or in order what its pattern matches."""
    clean = posixpath.normpath("/" + source).lstrip("/")
    if not has_wildcard(clean):
        return [clean]
    parts = clean.split("/")
    first = next(number for number, part in enumerate(parts) if has_wildcard(part))
    root = find_real(files.tree.get, "/".join(parts[:first]))
    matches = glob("/".join(parts[first:]))
    depth = len(parts) - first
    found = [rest for rest, _ in below(files.tree, root) if rest.count("/") < depth and matches(rest)]
    return [f"{root}/{rest}".lstrip("/") for rest in found]


@dataclass
class Copier:
    """Puts what was chosen into a draft."""

    draft: Draft
    facts: Facts
    links: dict[str, str] = field(default_factory=dict)

    def copy(self, chosen: Chosen, dest: str, opener: Opener) -> None:
        """``dest`` is absolute; a slash at its end says that it is a directory.

        Raises:
            Invalid: something stands in the way.
        """
        self.links = {}
        head, _, tail = dest.rpartition("/")
        self._make(self.draft.real(head if tail not in ("", ".") else dest))
        target = self.draft.real(dest)
        is_directory = chosen.entry.kind is Kind.DIRECTORY
        if not is_directory and self.draft.is_directory(target):
            target = f"{target}/{chosen.name}".lstrip("/")
        if is_directory:
            self._make(target)
        for rest, entry in chosen.inner if is_directory else (("", chosen.entry),):
            source, place = (f"{base}/{rest}".strip("/") for base in (chosen.path, target))
            self._land(source, place, entry, opener)

    def _make(self, path: str) -> None:
        if path:
            self.draft.make_directories(path, self.facts.directory)

    def _land(self, source: str, place: str, entry: Entry, opener: Opener) -> None:
        first = self.links.setdefault(entry.hardlink or source, place)
        landed = replace(self.facts.of(entry), hardlink="" if first == place else first)
        if entry.kind is Kind.DIRECTORY:
            self.draft.put_directory(place, landed)
        elif entry.kind is Kind.FILE:
            self.draft.put(place, landed, lambda: opener(source))
        else:
            self.draft.put(place, landed)

    def unpack(self, members: Iterator[Unpacked], dest: str) -> None:
        """An archive's entries below the directory ``dest``. They replace what is there, as ``tar -x`` does."""
        root = self.draft.real(dest)
        self._make(root)
        for path, entry, contents in members:
            if not path:
                continue
            place = self.draft.real(f"{root}/{path}", follow_last=False)
            self._make(parent_of(place))
            landed = replace(self.facts.of(entry), mode=entry.mode)
            if entry.hardlink:
                landed = replace(landed, hardlink=self.draft.real(f"{root}/{entry.hardlink}", follow_last=False))
            self._clear_way(place, landed)
            if entry.kind is Kind.DIRECTORY:
                self.draft.put_directory(place, landed)
            else:
                self.draft.put(place, landed, contents)

    def _clear_way(self, place: str, entry: Entry) -> None:
        old = self.draft.find(place)
        if old is not None and (old.kind is Kind.DIRECTORY) != (entry.kind is Kind.DIRECTORY):
            self.draft.remove(place)
