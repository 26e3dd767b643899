"""The one door through which a locked engine runs anything: RUN, containers, and what serves them.

Whatever was asked for, the sandbox gets what the terms allow. An exec joins a container that came through here.
"""

import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from kit.engine.isolators.contract import Isolator, Process, Running, Sandbox, StartFailed, Stdio
from kit.engine.lock.binds import Folder, NotThere
from kit.engine.lock.quota import Quota
from kit.engine.lock.terms import Terms


class LockedIsolator:
    """``isolator`` under ``terms``. Implements ``isolators.contract.Isolator``; ``home`` is the engine's own."""

    def __init__(self, isolator: Isolator, terms: Terms, quota: Quota, home: Path) -> None:
        self._isolator, self._terms, self._quota, self._home = isolator, terms, quota, home
        self._folder = Folder(terms.folder)
        self._starting = threading.Lock()

    @property
    def name(self) -> str:
        return self._isolator.name

    @property
    def real_owners(self) -> bool:
        return self._isolator.real_owners

    def start(self, sandbox: Sandbox, process: Process, stdio: Stdio) -> Running:
        """As the contract says; over its quota a container does not start, in Docker's words."""
        with self._starting:
            self._check_room(process)
            try:
                mounts = tuple(self._folder.straightened(sandbox.mounts, self._home))
                running = self._isolator.start(self._bounded(replace(sandbox, mounts=mounts)), process, stdio)
            except NotThere as error:
                raise StartFailed(str(error), code=126) from error
            self._quota.add(running)
        threading.Thread(target=self._until_its_end, args=(running,), daemon=True).start()
        return running

    def close(self) -> None:
        self._isolator.close()

    def _check_room(self, process: Process) -> None:
        name = process.argv[0] if process.argv else ""
        if self._quota.full:
            raise StartFailed(f'exec: "{name}": no space left on device: unknown', code=126)
        if self._quota.count >= self._terms.containers:
            raise StartFailed(f'exec: "{name}": resource temporarily unavailable: unknown', code=126)

    def _bounded(self, sandbox: Sandbox) -> Sandbox:
        terms = self._terms
        return replace(
            sandbox,
            network="none" if terms.network == "none" else sandbox.network,
            pids=_least(sandbox.pids, terms.processes),
            memory=_least(sandbox.memory, terms.memory),
            ulimits={**sandbox.ulimits, "fsize": _fsize(sandbox.ulimits, terms.disk)},
        )

    def _until_its_end(self, running: Running) -> None:
        with suppress(OSError):
            running.wait()
        self._quota.remove(running)


def _least(asked: int | None, allowed: int) -> int | None:
    """The stricter one; 0 allows everything."""
    return min(filter(None, (asked, allowed)), default=None)


def _fsize(asked: Mapping[str, Sequence[int]], allowed: int) -> tuple[int, int]:
    soft, hard = asked.get("fsize", (allowed, allowed))
    return (min(soft % (1 << 64), allowed), min(hard % (1 << 64), allowed))
