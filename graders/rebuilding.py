"""Building the learner's context again, with changes of the grader's: does the image follow?

    first = rebuild()
    again = rebuild({"server.js": "// another day"})
    assert again.image.layers[1].diff_id == first.image.layers[1].diff_id

A context is a stranger's directory. Its symbolic links are sent as links and never followed, what is neither file,
directory nor link is left out, and there is a limit to what is copied. Each build gets a name of its own, which is
taken away at the end.
"""

import os
import shutil
import stat
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import kit
from graders.facts import Image

MOST_BYTES, MOST_FILES = 200_000_000, 20_000
"""Of a context: more than any exercise needs, less than a disk."""
_LONGEST = 2_000
"""Characters of a failed build that are told: its end, where the reason stands."""
_READ_HERE = ("Dockerfile", ".dockerignore")
"""Files that we read ourselves, so they must be files."""


@dataclass(frozen=True)
class Rebuilt:
    """An image that was built again under the name ``reference``; ``ran`` steps did not come from the cache."""

    reference: str
    ran: int

    @property
    def image(self) -> Image:
        return kit.image(self.reference)


class Rebuilding:
    """Builds ``context`` again and again; ``clear`` takes the images' names away."""

    def __init__(self, context: Path | None) -> None:
        self._context, self._names = context, list[str]()

    def build(
        self, changes: Mapping[str, str | bytes | None] = {}, *, args: Mapping[str, str] = {}, nocache: bool = False
    ) -> Rebuilt:
        """The context with ``changes`` (path to new content, None leaves a file out), built.

        Raises:
            AssertionError: there is no context, it is too large, or it does not build; with advice.
            Unavailable: the engine is gone.
        """
        assert self._context is not None, "Say which directory you build from: context=… beside your answers."
        gone = {path for path, content in changes.items() if content is None}
        new = {path: (content, 0o644) for path, content in changes.items() if content is not None}
        name = f"layerlab-rebuild/{uuid.uuid4().hex}:1"
        with tempfile.TemporaryDirectory(prefix="layerlab-rebuild-") as directory:
            copy = Path(directory, "context")
            _copy(self._context, copy, gone)
            ignored = kit.context(copy).ignored  # what is given to a build by hand would be sent all the same
            added = {path: file for path, file in new.items() if path not in ignored}
            try:
                built = kit.build(copy, files=added, args=args, nocache=nocache, tag=name)
            except (kit.StepFailed, kit.NotFound, kit.Invalid) as error:
                raise AssertionError(f"It does not build again:\n{str(error)[-_LONGEST:]}") from error
        self._names.append(name)
        ran = [step for step in built.steps if step.state == "ran" and not _is_from(step.instruction)]
        return Rebuilt(name, len(ran))

    def clear(self) -> None:
        client = kit.connect().client
        for name in self._names:
            client.images.remove(name, force=True)
        self._names = []


def _is_from(instruction: str) -> bool:
    return instruction.upper().startswith("FROM")


def _copy(source: Path, target: Path, gone: set[str]) -> None:
    """Copies what a context may hold, less ``gone``; no link is followed."""
    assert _mode(source) and stat.S_ISDIR(_mode(source)), f"{source.name} is not a directory that can be built."
    size, directories = 0, list[tuple[Path, Path]]()
    for count, (place, path) in enumerate(_walk(source, "")):
        facts = place.lstat()
        size += facts.st_size if stat.S_ISREG(facts.st_mode) else 0
        assert count < MOST_FILES and size <= MOST_BYTES, (
            f"The build context holds more than {MOST_FILES:,} files or {MOST_BYTES:,} bytes. "
            "What of it does the image need?"
        )
        if path in gone or any(path.startswith(f"{one}/") for one in gone):
            continue
        _copy_one(place, target / path, facts.st_mode)
        if stat.S_ISDIR(facts.st_mode):
            directories.append((place, target / path))
    for place, made in reversed(directories):  # only now: a directory may be one that nothing can be put into
        shutil.copystat(place, made)
    for name in _READ_HERE:
        mode = _mode(target / name)
        assert not mode or stat.S_ISREG(mode), f"{name} must be a plain file."


def _walk(directory: Path, above: str) -> Iterator[tuple[Path, str]]:
    """Everything in it, directories before what is in them."""
    yield directory, above
    with os.scandir(directory) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            path = f"{above}/{entry.name}" if above else entry.name
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(Path(entry.path), path)
            else:
                yield Path(entry.path), path


def _copy_one(place: Path, target: Path, mode: int) -> None:
    if stat.S_ISDIR(mode):
        target.mkdir(mode=0o755)
    elif stat.S_ISLNK(mode):
        target.symlink_to(os.readlink(place))
    elif stat.S_ISREG(mode):
        with (
            open(os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file,
            target.open("wb") as out,
        ):
            shutil.copyfileobj(file, out)
        shutil.copystat(place, target, follow_symlinks=False)


def _mode(place: Path) -> int:
    """Of the path itself; 0 when there is none."""
    try:
        return place.lstat().st_mode
    except OSError:
        return 0
