"""Healthchecks: a command that is run in the container again and again, and what its answers say.

Source: Docker Engine API, "Health"; dockerd's "health.go".
"""

import threading
from dataclasses import dataclass, field
from typing import Any

from kit.engine.containers import clock
from kit.engine.containers.container import Container, Run
from kit.engine.containers.identity import account_of
from kit.engine.containers.services import Services
from kit.engine.containers.settings import Health
from kit.engine.containers.states import State
from kit.engine.containers.streams import Console
from kit.engine.isolators.contract import Process, StartFailed
from kit.errors import KitError

KEPT = 5
"""Results in the document."""
LONGEST_OUTPUT = 4096
STARTING, HEALTHY, UNHEALTHY = "starting", "healthy", "unhealthy"


@dataclass(frozen=True)
class Result:
    """One answer; ``code`` 0 is healthy."""

    start: int
    end: int
    code: int
    output: str

    def to_json(self) -> dict[str, Any]:
        return {
            "Start": clock.as_text(self.start),
            "End": clock.as_text(self.end),
            "ExitCode": self.code,
            "Output": self.output,
        }


@dataclass
class Verdict:
    """What the answers so far say. The first good one makes healthy, ``retries`` bad ones in a row unhealthy."""

    status: str = STARTING
    failing: int = 0
    results: list[Result] = field(default_factory=list)

    def add(self, result: Result, *, retries: int, early: bool) -> bool:
        """Takes an answer in; True if the status changed. ``early``: in the start period a bad one doesn't count."""
        before = self.status
        self.results = [*self.results, result][-KEPT:]
        if result.code == 0:
            self.status, self.failing = HEALTHY, 0
        elif not (early and self.status == STARTING):
            self.failing += 1
            if self.failing >= retries:
                self.status = UNHEALTHY
        return self.status != before

    def to_json(self) -> dict[str, Any]:
        return {"Status": self.status, "FailingStreak": self.failing, "Log": [row.to_json() for row in self.results]}


class Monitor:
    """Runs the check of one run, in a thread, from now until ``stop``."""

    def __init__(self, services: Services, container: Container, run: Run, check: Health) -> None:
        self._services, self._container, self._run, self._check = services, container, run, check
        self.verdict = Verdict()
        self._stopped = threading.Event()
        threading.Thread(target=self._loop, name=f"health-{container.short_id}", daemon=True).start()

    def stop(self) -> None:
        """No more checks. May be repeated."""
        self._stopped.set()

    def _loop(self) -> None:
        begin = clock.now()
        while not self._stopped.wait(self._check.interval):
            if self._container.state is State.PAUSED:
                continue
            result = self._probe()
            if self._stopped.is_set():
                return
            early = clock.now() - begin < self._check.start_period * clock.SECOND
            if self.verdict.add(result, retries=self._check.retries, early=early):
                self._services.tell(self._container, f"health_status: {self.verdict.status}")

    def _probe(self) -> Result:
        start = clock.now()
        collected = _Collected()
        console = Console(terminal=False, stdin=False, recorder=collected)
        try:
            running = self._run.running.exec(self._process(), console.stdio)
            console.started()
        except (StartFailed, KitError) as error:
            console.ended()
            return Result(start, clock.now(), -1, f"OCI runtime exec failed: exec failed: {error}: unknown")
        try:
            code, note = running.wait(self._check.timeout), ""
        except TimeoutError:
            running.kill()
            code, note = -1, f"Health check exceeded timeout ({self._check.timeout:g}s)"
        console.ended()
        return Result(start, clock.now(), code, note or collected.text)

    def _process(self) -> Process:
        settings = self._container.settings
        account = account_of(self._services.store, self._container, settings.user)
        return Process(
            argv=self._check.test,
            env=settings.environment(account.home),
            cwd=settings.cwd,
            uid=account.uid,
            gid=account.gid,
            groups=account.groups,
            privileges=settings.privileges,
        )


class _Collected:
    """The beginning of what a check says."""

    def __init__(self) -> None:
        self._data = b""

    def write(self, stream: str, data: bytes) -> None:
        self._data += data[: LONGEST_OUTPUT - len(self._data)]

    @property
    def text(self) -> str:
        return self._data.decode(errors="replace")
