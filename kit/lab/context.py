"""The build context: everything that COPY may see, as one tar.

It comes from a directory (less what ``.dockerignore`` names), from files given by hand, or from both. Files given
by hand carry a fixed time, so that the same bytes give the same layer on every machine.

Source: Dockerfile reference, ".dockerignore file"; docker/cli, which sends every file as root's.
"""

import io
import tarfile
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import IO, TypeAlias

from docker.utils.build import exclude_paths

from kit.errors import Invalid, NotFound

Content: TypeAlias = bytes | str | Path
File: TypeAlias = Content | tuple[Content, int]
"""A file's content, or content and mode. A ``Path`` is a file of this machine."""
MODE = 0o755
"""A file given by hand may be executed: the first thing learners put into an image is a program."""
_IN_MEMORY = 16 << 20
"""Bytes of context that are held in memory; a larger one goes to a temporary file."""


def pack_context(
    directory: Path | None, files: Mapping[str, File], *, dockerfile: str | None = None, name: str = "Dockerfile"
) -> IO[bytes]:
    """The context as a tar, at its beginning. ``files`` go over those of ``directory``.

    ``dockerfile`` is the text of one that is not in the context; it is put there as ``name``.

    Raises:
        Invalid: a name leaves the context. NotFound: the directory or its Dockerfile does not exist.
    """
    by_hand = {inside(path): content for path, content in files.items()}
    if dockerfile is not None:
        by_hand[name] = (dockerfile, 0o644)
    out = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 the caller closes it
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        if directory is not None:
            for path in chosen(directory, name):
                if path not in by_hand:
                    _add_from_disk(tar, directory / path, path)
        for path in sorted(_directories(by_hand)):
            if directory is None or not (directory / path).exists():
                _add_directory(tar, path)
        for path, content in sorted(by_hand.items()):
            _add_by_hand(tar, path, content)
    if directory and name not in by_hand and not (directory / name).is_file():
        raise NotFound(f"{directory} holds no {name}: write one, or pass its text as dockerfile=…")
    out.seek(0)
    return out


def tar_of(files: Mapping[str, File]) -> bytes:
    """A tar of ``files``: path to content, or to (content, mode). Directories above them are made."""
    with pack_context(None, files) as tar:
        return tar.read()


def inside(path: str) -> str:
    """The path, plain. Raises Invalid when it leaves the context."""
    parts = PurePosixPath(path).parts
    if path.startswith("/") or ".." in parts or not parts or "\0" in path:
        raise Invalid(f"{path!r} is not a path inside the build context")
    return "/".join(parts)


def chosen(directory: Path, dockerfile: str = "Dockerfile") -> list[str]:
    """The paths of the directory that are sent, in order: all but what its ``.dockerignore`` names.

    Raises:
        NotFound: it is no directory.
    """
    if not directory.is_dir():
        raise NotFound(f"{directory} is not a directory: the build context must be one")
    ignore = directory / ".dockerignore"
    lines = ignore.read_text(encoding="utf-8-sig").split("\n") if ignore.is_file() else []
    patterns = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    return sorted(exclude_paths(str(directory), patterns, dockerfile=dockerfile))


def _add_from_disk(tar: tarfile.TarFile, place: Path, path: str) -> None:
    entry = tar.gettarinfo(place, arcname=path)
    if entry is None:  # a socket, which no tar can hold
        return
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    if entry.isreg():
        with place.open("rb") as file:
            tar.addfile(entry, file)
    else:
        tar.addfile(entry)


def _directories(paths: Iterable[str]) -> set[str]:
    """Every directory above one of ``paths``."""
    return {str(parent) for path in paths for parent in PurePosixPath(path).parents} - {"."}


def _add_directory(tar: tarfile.TarFile, path: str) -> None:
    entry = tarfile.TarInfo(path)
    entry.type, entry.mode, entry.mtime = tarfile.DIRTYPE, 0o755, 0
    tar.addfile(entry)


def _add_by_hand(tar: tarfile.TarFile, path: str, file: File) -> None:
    data, mode = bytes_of(file)
    entry = tarfile.TarInfo(path)
    entry.size, entry.mode, entry.mtime = len(data), mode, 0
    tar.addfile(entry, io.BytesIO(data))


def bytes_of(file: File) -> tuple[bytes, int]:
    """Content and mode."""
    content, mode = file if isinstance(file, tuple) else (file, MODE)
    data = content.read_bytes() if isinstance(content, Path) else content
    return (data.encode() if isinstance(data, str) else data), mode
