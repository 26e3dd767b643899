"""What every isolator promises: a process tree in a root file system, and nothing else of the machine.

``start`` runs process 1 of a container; ``Running.exec`` adds another process to it; ``kill`` ends the whole
tree at once, as does the end of the engine, however it ended. File descriptors are the caller's: the
isolator passes them on and closes none of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from kit.errors import StepFailed


class Stdio(NamedTuple):
    """Three open file descriptors. With a terminal all three are the same pty slave."""

    stdin: int
    stdout: int
    stderr: int


@dataclass(frozen=True)
class Mount:
    """A file or directory of the host, shown at ``target`` (absolute, in the container).

    The mount point is made by the isolator where it is missing. ``source`` "" is an empty tmpfs.
    ``straight``: there is no symlink in ``source``; one that somebody puts there meanwhile is refused.
    """

    source: str
    target: str
    read_only: bool = False
    straight: bool = False


@dataclass(frozen=True)
class Process:
    """What runs: resolved ids, not names. ``argv[0]`` without a slash is looked up in ``env``'s PATH."""

    argv: tuple[str, ...]
    env: tuple[str, ...] = ()
    cwd: str = "/"
    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    tty: bool = False
    privileges: bool = True
    """False: like ``--cap-drop ALL``."""


@dataclass(frozen=True)
class Sandbox:
    """Where it runs.

    ``rootfs`` is a directory tree. ``owners`` is the ownership journal beside it (``kit.layer.ownership``),
    read at start and appended to; isolators with ``real_owners`` leave it alone.
    ``network``: "host" shares the machine's network but owns ``address`` (127.66.x.y): what listens on any
    address listens there, and ports below 1024 work (``Running.port``); "none" has loopback only;
    ``hosts`` names other containers. ``pids`` bounds processes (None: the isolator's own bound).
    """

    rootfs: Path
    owners: Path
    hostname: str = "localhost"
    network: str = "host"
    address: str = "127.66.0.1"
    mounts: tuple[Mount, ...] = ()
    read_only: bool = False
    pids: int | None = None
    memory: int | None = None
    ulimits: Mapping[str, tuple[int, int]] = field(default_factory=dict)


class StartFailed(StepFailed):
    """Process 1 could not be executed.

    ``code`` is Docker's exit code for it: 127 when there is no such file, 126 when it can't be executed.
    The text is runc's (``exec: "/hello": stat /hello: no such file or directory: unknown``).
    """

    def __init__(self, message: str, *, code: int) -> None:
        super().__init__(message)
        self.code = code


class Running(Protocol):
    """A process tree under way."""

    @property
    def pid(self) -> int:
        """Process 1 of the container, as the host numbers it (for an exec: its process)."""

    def wait(self, timeout: float | None = None) -> int:
        """The exit code: 0–255, or 128 + the signal that ended it. 126/127: could not be started.

        May be called from several threads, and again. ``TimeoutError`` after ``timeout`` seconds.
        """

    def signal(self, number: int) -> None:
        """Sends a signal to process 1 (for an exec: to its process). Nothing, if it has ended."""

    def kill(self) -> None:
        """Ends every process of the tree; when it returns, none of them runs."""

    def pause(self) -> None:
        """Stops every process until ``resume``."""

    def resume(self) -> None: ...

    def processes(self) -> Sequence[int]:
        """Host process ids of the tree, process 1 first."""

    def exec(self, process: Process, stdio: Stdio) -> "Running":
        """Runs another process in the same container. Its ``kill`` ends that process alone.

        Raises:
            StartFailed: as ``Isolator.start``.
        """

    def port(self, number: int) -> tuple[str, int]:
        """The address on the host where the container's TCP port ``number`` is reached."""


class Isolator(Protocol):
    """One way to run containers."""

    @property
    def name(self) -> str: ...

    @property
    def real_owners(self) -> bool:
        """True where files in ``rootfs`` carry their real owners, devices and capabilities."""

    def start(self, sandbox: Sandbox, process: Process, stdio: Stdio) -> Running:
        """Runs process 1 and returns when it has been executed.

        Raises:
            StartFailed: nothing runs; its text is what Docker says for the same cause.
        """

    def close(self) -> None:
        """Ends helpers; running containers end too."""


class Probe(NamedTuple):
    """Whether an isolator works on this machine, and if not, which call refused and what to do."""

    name: str
    works: bool
    why: str = ""
    facts: Mapping[str, Any] = {}
