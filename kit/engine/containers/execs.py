"""``docker exec``: one more process in a running container.

Source: Docker Engine API, "Exec"; the refusals are dockerd's.
"""

import secrets
import threading
from collections.abc import Mapping
from typing import Any

from kit.engine.containers import attach
from kit.engine.containers.attach import Attachment
from kit.engine.containers.container import Container, Run
from kit.engine.containers.events import Emit
from kit.engine.containers.identity import account_of
from kit.engine.containers.roster import Roster
from kit.engine.containers.states import State
from kit.engine.containers.streams import Console
from kit.engine.isolators.contract import Process, Running, StartFailed
from kit.engine.store.store import Store
from kit.errors import Conflict, Invalid, KitError, NotFound

Json = dict[str, Any]
NOT_STARTED = 126
"""What dockerd 20.10 reports for every process that could not be executed."""


class NoSuchExec(NotFound):
    def __init__(self, text: str) -> None:
        super().__init__(f"No such exec instance: {text}")


class ExecFailed(Invalid):
    """The process could not be executed; the text is runc's."""

    def __init__(self, error: KitError) -> None:
        super().__init__(f"OCI runtime exec failed: exec failed: unable to start container process: {error}: unknown")


class Exec:
    """One process that was added, from ``create`` until its container goes."""

    def __init__(self, container: Container, body: Mapping[str, Any]) -> None:
        self.id = secrets.token_hex(32)
        self.container = container
        self.argv = _words(body.get("Cmd"))
        self.env = tuple(body.get("Env") or ())
        self.user = str(body.get("User") or "")
        self.cwd = str(body.get("WorkingDir") or "")
        self.tty = bool(body.get("Tty"))
        self.privileged = bool(body.get("Privileged"))
        self.stdin, self.stdout, self.stderr = (
            bool(body.get(f"Attach{name}")) for name in ("Stdin", "Stdout", "Stderr")
        )
        self.detach_keys = str(body.get("DetachKeys") or "")
        self.started = False
        self.exit_code: int | None = None
        self.pid = 0
        self.console: Console | None = None
        self.running: Running | None = None
        self.ended = threading.Event()

    @property
    def is_running(self) -> bool:
        return self.running is not None and not self.ended.is_set()

    def to_json(self) -> Json:
        """Docker's document."""
        process: Json = {"tty": self.tty, "entrypoint": self.argv[0], "arguments": list(self.argv[1:])}
        if self.privileged:
            process["privileged"] = True
        if self.user:
            process["user"] = self.user
        return {
            "ID": self.id,
            "Running": self.is_running,
            "ExitCode": self.exit_code,
            "ProcessConfig": {"privileged": self.privileged, **process},
            "OpenStdin": self.stdin,
            "OpenStderr": self.stderr,
            "OpenStdout": self.stdout,
            "CanRemove": False,
            "ContainerID": self.container.id,
            "DetachKeys": attach.parse_detach_keys(self.detach_keys).decode("latin-1") if self.detach_keys else "",
            "Pid": self.pid,
        }


def _words(value: object) -> tuple[str, ...]:
    words = (value,) if isinstance(value, str) else value
    if not isinstance(words, (list, tuple)) or not words:
        raise Invalid("No exec command specified")
    return tuple(map(str, words))


class Execs:
    """All exec instances."""

    def __init__(self, store: Store, roster: Roster, emit: Emit) -> None:
        self._store, self._roster, self._emit = store, roster, emit
        self._execs: dict[str, Exec] = {}

    def find(self, text: str) -> Exec:
        """
        Raises:
            NoSuchExec
        """
        found = self._execs.get(text)
        if found is None:
            raise NoSuchExec(text)
        return found

    def of(self, container: Container) -> list[Exec]:
        """The container's, of its present run."""
        return [found for found in list(self._execs.values()) if found.container is container and found.is_running]

    def create(self, name: str, body: Mapping[str, Any]) -> Exec:
        """
        Raises:
            NoSuchContainer, Conflict: it doesn't run.
            Invalid
        """
        container = self._roster.find(name)
        _live_run(container, name)
        created = Exec(container, body)
        attach.parse_detach_keys(created.detach_keys)
        self._execs[created.id] = created
        self._tell(created, f"exec_create: {' '.join(created.argv)}")
        return created

    def start(self, text: str, *, terminal: bool | None = None) -> Attachment:
        """Runs it; the attachment is its console.

        Raises:
            NoSuchExec, Conflict
            ExecFailed: its exit code is then 126.
        """
        found = self.find(text)
        with found.container.lock:
            if found.started:
                state = "already running" if found.is_running else "has already run"
                raise Conflict(f"Error: Exec command {found.id} is {state}")
            run = _live_run(found.container, found.container.id)
            found.started = True
        if terminal is not None:
            found.tty = terminal
        console = found.console = Console(terminal=found.tty, stdin=found.stdin)
        attachment = Attachment(console, once=True, keys=attach.parse_detach_keys(found.detach_keys))
        self._tell(found, f"exec_start: {' '.join(found.argv)}")
        try:
            found.running = run.running.exec(self._process(found), console.stdio)
        except StartFailed as error:
            self._finish(found, NOT_STARTED)
            raise ExecFailed(error) from error
        except BaseException:
            self._finish(found, NOT_STARTED)
            raise
        found.pid = found.running.pid
        console.started()
        threading.Thread(
            target=self._watch, args=(found, found.running), name=f"exec-{found.id[:12]}", daemon=True
        ).start()
        return attachment

    def _process(self, wanted: Exec) -> Process:
        settings = wanted.container.settings
        account = account_of(self._store, wanted.container, wanted.user or settings.user)
        lines = dict(line.split("=", 1) for line in settings.environment(account.home))
        if "HOME" not in {line.partition("=")[0] for line in settings.config["Env"] or ()}:
            lines["HOME"] = account.home
        if wanted.tty:
            lines.setdefault("TERM", "xterm")
        for line in wanted.env:
            key, equals, value = line.partition("=")
            if equals:
                lines[key] = value
        return Process(
            argv=wanted.argv,
            env=tuple(f"{key}={value}" for key, value in lines.items()),
            cwd=wanted.cwd or settings.cwd,
            uid=account.uid,
            gid=account.gid,
            groups=account.groups,
            tty=wanted.tty,
            privileges=settings.privileges or wanted.privileged,
        )

    def _watch(self, found: Exec, running: Running) -> None:
        self._finish(found, running.wait())

    def _finish(self, found: Exec, code: int) -> None:
        found.exit_code = code
        found.ended.set()
        if found.console is not None:
            found.console.ended()
        self._emit(
            "container", "exec_die", found.container.id,
            {**_attributes(found.container), "execID": found.id, "exitCode": str(code)},
        )  # fmt: skip

    def _tell(self, found: Exec, action: str) -> None:
        self._emit("container", action, found.container.id, {**_attributes(found.container), "execID": found.id})

    def resize(self, text: str, rows: int, columns: int) -> None:
        """
        Raises:
            NoSuchExec, Conflict
        """
        found = self.find(text)
        if found.console is None or not found.is_running:
            raise Conflict(f"exec {found.id} is not running")
        found.console.resize(rows, columns)

    def forget(self, container: Container) -> None:
        """The container goes, and its instances with it."""
        for key in [key for key, found in self._execs.items() if found.container is container]:
            self._execs.pop(key, None)


def _attributes(container: Container) -> dict[str, str]:
    return {**container.settings.labels, "image": container.settings.config["Image"], "name": container.name}


def _live_run(container: Container, name: str) -> Run:
    if container.state is State.PAUSED:
        raise Conflict(f"Container {name} is paused, unpause the container before exec")
    if container.state is State.RESTARTING:
        raise Conflict(f"Container {name} is restarting, wait until the container is running")
    if container.run is None:
        raise Conflict(f"Container {container.id} is not running")
    return container.run
