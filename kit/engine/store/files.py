"""Files that appear whole or not at all: write under a temporary name, sync, rename.

Source: rename(2): the new name replaces the old one at once, also for a process that is killed.
"""

import os
import shutil
import tempfile
from pathlib import Path

TEMPORARY = ".new-"


def temporary_name(folder: Path) -> Path:
    """A name in ``folder`` that is not in use and that the store sweeps away at its next start."""
    return folder / f"{TEMPORARY}{os.urandom(8).hex()}"


def write_whole(path: Path, data: bytes, *, sync: bool = True) -> None:
    """Writes ``path``. With ``sync`` the bytes are on the disk before the name is; without, after a power cut,
    the file may be empty: for what can be made anew."""
    handle, name = tempfile.mkstemp(prefix=TEMPORARY, dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            if sync:
                os.fsync(handle)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def sweep(folder: Path) -> None:
    """Removes what an earlier engine left unfinished in ``folder``."""
    for path in folder.glob(TEMPORARY + "*"):
        if path.is_dir():
            remove_tree(path)
        else:
            path.unlink(missing_ok=True)


def remove_tree(folder: Path) -> None:
    """Deletes a directory tree, also where a mode forbids it to its owner."""

    def allow(_: object, path: str, __: object) -> None:
        os.chmod(os.path.dirname(path), 0o700)
        if os.path.isdir(path) and not os.path.islink(path):
            os.chmod(path, 0o700)
            shutil.rmtree(path)
        elif os.path.lexists(path):
            os.unlink(path)

    shutil.rmtree(folder, onerror=allow)
