"""The one folder: what may be shown to a container, found so that no symlink leads out of it.

A path is refused when a container is made, as Docker refuses one that is not there. It is resolved anew when the
container starts, below the folder and never outside. What is mounted then is the path that was found; a symlink that
the stranger puts into it meanwhile is refused by the kernel (``Mount.straight``).

Source: openat2(2), RESOLVE_IN_ROOT, RESOLVE_NO_SYMLINKS; dockerd's refusal of a bind mount whose source is missing.
"""

import os
import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from kit.engine.isolators.contract import Mount
from kit.engine.isolators.namespaces import linux
from kit.errors import Invalid


class NotThere(Invalid):
    """Docker's words for a source that does not exist."""

    def __init__(self, source: str) -> None:
        super().__init__(f'invalid mount config for type "bind": bind source path does not exist: {source}')


class Folder:
    """``path`` and what is below it; "" is nothing at all."""

    def __init__(self, path: str) -> None:
        self._path = os.path.realpath(path) if path else ""

    def check(self, source: str) -> None:
        """
        Raises:
            NotThere: it is not in the folder, or not there.
        """
        self._find(source)

    def straightened(self, mounts: Iterable[Mount], own: Path) -> Iterator[Mount]:
        """``mounts``, each whose source is not below the engine's ``own`` directory found in the folder.

        Raises:
            NotThere
        """
        for mount in mounts:
            if not mount.source or Path(mount.source).is_relative_to(own):
                yield mount
            else:
                yield replace(mount, source=self._find(mount.source), straight=True)

    def _find(self, source: str) -> str:
        """The path that ``source`` is, without a symlink.

        Raises:
            NotThere
        """
        source = posixpath.normpath(source)
        if not self._path or not (source + "/").startswith(self._path + "/"):
            raise NotThere(source)
        try:
            root = linux.open_straight(self._path, os.O_PATH | os.O_DIRECTORY)
            try:
                found = linux.open_in_root(root, source[len(self._path) :] or ".", os.O_PATH)
            finally:
                os.close(root)
            try:
                return os.readlink(f"/proc/self/fd/{found}")
            finally:
                os.close(found)
        except OSError as error:
            raise NotThere(source) from error
