"""Where Layerlab keeps its things: one directory of its own, and a private place for the engine's socket.

``LAYERLAB_HOME`` is everything that lasts; without it the XDG data directory is used. The socket lives where the
system keeps such things (``XDG_RUNTIME_DIR``), else inside the home. Whoever may write to the socket may do
anything as this user, so its directory must be ours alone.

Source: XDG Base Directory Specification; unix(7) for the longest path of a socket.
"""

import hashlib
import os
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kit.errors import Denied

LONGEST_SOCKET = 100
"""Bytes of a socket's path: the kernel takes 107, the rest is for names made next to it."""


class NotPrivate(Denied):
    """A directory that somebody else can write to, or owns."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path} {why}. Remove it, or set LAYERLAB_HOME to a directory of your own.")
        self.path = path


@dataclass(frozen=True)
class Home:
    """All paths of one installation. ``root`` lasts, ``runtime`` holds the socket."""

    root: Path
    runtime: Path
    socket_name: str = "engine.sock"

    @property
    def socket(self) -> Path:
        return self.runtime / self.socket_name

    @property
    def engine(self) -> Path:
        """The embedded engine's own directory."""
        return self.root / "engine"

    @property
    def engine_log(self) -> Path:
        return self.root / "engine.log"

    @property
    def index(self) -> Path:
        """What is known of layers and images that were looked into; may be deleted at any time."""
        return self.root / "index"

    @property
    def progress(self) -> Path:
        return self.root / "progress.json"

    @property
    def ledger(self) -> Path:
        """Which notebook made which image."""
        return self.root / "made.json"


def find_home(environment: Mapping[str, str] | None = None) -> Home:
    """The home that the environment names. Nothing is made yet.

    Each home has a socket of its own, so that two of them can run side by side.
    """
    environment = os.environ if environment is None else environment
    usual = _data_directory(environment) / "layerlab"
    root = Path(environment.get("LAYERLAB_HOME") or usual).expanduser().absolute()
    mark = "" if root == usual.absolute() else "-" + hashlib.sha256(os.fsencode(root)).hexdigest()[:8]
    runtime = environment.get("XDG_RUNTIME_DIR", "")
    if _is_ours(Path(runtime)) and _fits(Path(runtime) / "layerlab" / f"engine{mark}.sock"):
        return Home(root, Path(runtime) / "layerlab", f"engine{mark}.sock")
    if _fits(root / "run" / "engine.sock"):
        return Home(root, root / "run")
    return Home(root, Path(tempfile.gettempdir()) / f"layerlab-{os.geteuid()}", f"engine{mark}.sock")


def _data_directory(environment: Mapping[str, str]) -> Path:
    named = environment.get("XDG_DATA_HOME", "")
    return Path(named) if os.path.isabs(named) else Path(environment.get("HOME") or Path.home()) / ".local/share"


def _is_ours(directory: Path) -> bool:
    try:
        facts = directory.stat()
    except OSError:
        return False
    return directory.is_absolute() and stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.geteuid()


def _fits(path: Path) -> bool:
    return len(os.fsencode(path)) <= LONGEST_SOCKET


def private(directory: Path) -> Path:
    """``directory``, made if need be, open to nobody but its owner, who is us.

    Raises:
        NotPrivate: it belongs to someone else, or is a link or no directory.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        facts = directory.lstat()
    except FileExistsError as error:
        raise NotPrivate(directory, "is not a directory") from error
    except PermissionError as error:
        raise NotPrivate(directory, f"can't be used: {error.strerror}") from error
    if not stat.S_ISDIR(facts.st_mode):
        raise NotPrivate(directory, "is not a directory")
    if facts.st_uid != os.geteuid():
        raise NotPrivate(directory, f"belongs to the user with id {facts.st_uid}, not to you")
    if facts.st_mode & 0o077:
        directory.chmod(0o700)
    return directory
