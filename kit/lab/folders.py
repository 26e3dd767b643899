"""Build contexts to work with: ``kit.folder`` writes one, ``kit.context`` shows what of it would be sent.

The dot in ``docker build .`` is such a directory. Whatever is in it is sent to the builder, wanted or not, unless
``.dockerignore`` names it.
"""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from kit.errors import Invalid
from kit.lab.context import File, bytes_of, chosen, inside
from kit.lab.home import Home, find_home, private
from kit.views.models.context import ContextCard, ContextRow

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")


def folder(name: str, files: Mapping[str, File] = {}, *, home: Home | None = None) -> Path:
    """A directory that holds exactly ``files``: path to content, or to (content, mode). What was in it is gone.

    Raises:
        Invalid: a name with other than small letters, digits, dots and dashes, or a path that leaves the directory.
    """
    if not _NAME.fullmatch(name):
        raise Invalid(f"a folder's name is small letters, digits, dots and dashes, not {name!r}")
    contents = {inside(path): bytes_of(file) for path, file in files.items()}
    directory = private((home or find_home()).root) / "folders" / name
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    for path, (data, mode) in contents.items():
        place = directory / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
        place.chmod(mode)
    return directory


def context(directory: str | Path) -> ContextCard:
    """What of ``directory`` is sent to the builder, and what ``.dockerignore`` leaves out.

    Raises:
        NotFound: it is no directory.
    """
    root = Path(directory).expanduser()
    sent = set(chosen(root))
    rows = []
    for place in sorted(root.rglob("*")):
        path = place.relative_to(root).as_posix()
        if place.is_symlink() or not place.is_dir():
            rows.append(ContextRow(path, place.lstat().st_size, path in sent))
    return ContextCard(root.name, tuple(rows))
