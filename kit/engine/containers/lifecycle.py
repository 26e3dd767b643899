"""Start, stop and everything between: the actions of ``states`` made true.

Each container has its own lock, so two clients never act on one at the same time; nobody holds a lock while
waiting for a process. A thread waits for each run's end and decides what follows: nothing, another start by
the restart policy, or the removal that ``--rm`` asked for.

Source: dockerd's "monitor.go", "stop.go", "kill.go", "restartmanager" (the back-off's figures).
"""

import contextlib
import shutil
import signal
import threading
from collections.abc import Callable

from kit.engine.containers import clock, keeping, linking, states
from kit.engine.containers.container import KILLED_WITH_ENGINE, Container, Run
from kit.engine.containers.execs import Execs
from kit.engine.containers.health import Monitor
from kit.engine.containers.launch import NotStarted, land, launch, make_sources
from kit.engine.containers.services import Services
from kit.engine.containers.states import Action, State
from kit.errors import Conflict, KitError

COULD_NOT_START = 128
"""The exit code of a container that never came to run for a reason of its own."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 60.0
LONG_RUN = 10.0
"""Seconds after which a run counts as a good one: the next pause is the first again."""
SHUTDOWN_PATIENCE = 2.0
"""Seconds that containers get to stop when the engine stops. Docker gives 15; a learner waits for the prompt."""


class NotRunning(Conflict):
    def __init__(self, container: Container) -> None:
        super().__init__(f"Container {container.id} is not running")


class Lifecycle:
    """The actions on containers."""

    def __init__(self, services: Services, execs: Execs) -> None:
        self._services, self._execs = services, execs
        self._pauses: dict[str, float] = {}
        self._closing = threading.Event()

    # start

    def start(self, container: Container) -> bool:
        """Starts it; False if it runs already.

        Raises:
            Refused, NotStarted and what else stands in the way.
        """
        try:
            with container.lock:
                if container.state in (State.RUNNING, State.RESTARTING):
                    return False
                container.check(Action.START)
                container.status.stopped_by_hand = False
                container.status.restarts = 0
                self._pauses.pop(container.id, None)
                self._launch(container)
        except KitError:
            if container.settings.auto_remove and not container.up:
                self._remove_quietly(container)
            raise
        return True

    def _launch(self, container: Container) -> None:
        """One run. Under the lock; a failure is written down."""
        try:
            make_sources(container)
            keeping.lend(self._services, container)
            run = container.run = launch(self._services, container)
        except KitError as error:
            self._note_failure(container, error)
            raise
        status = container.status
        status.started, status.finished, status.exit_code, status.error = clock.now(), 0, 0, ""
        container.apply(Action.START)
        self._services.roster.save(container)
        self._services.tell(container, "start")
        health = container.settings.health
        if health is not None:
            run.monitor = Monitor(self._services, container, run, health)
        linking.tell_names(self._services, container)
        threading.Thread(
            target=self._watch, args=(container, run), name=f"container-{container.short_id}", daemon=True
        ).start()

    def _note_failure(self, container: Container, error: KitError) -> None:
        container.run = None
        console, container.console = container.console, None
        if console is not None:
            console.ended()
        container.status.exit_code = error.code if isinstance(error, NotStarted) else COULD_NOT_START
        container.status.error = str(error)
        container.exits += 1
        container.changed.notify_all()
        self._services.roster.save(container)

    # the end of a run

    def _watch(self, container: Container, run: Run) -> None:
        code = run.running.wait()
        console = container.console
        if console is not None:
            console.ended()
        if run.monitor is not None:
            run.monitor.stop()
        with container.lock:
            again = self._again(container, code)
            container.console = container.run = None
            land(self._services, container, run)
            keeping.take_back(self._services, container)
            status = container.status
            status.exit_code, status.finished = code, clock.now()
            container.exits += 1
            container.apply(Action.WAIT if again else Action.EXIT)
            self._services.roster.save(container)
        self._services.tell(container, "die", exitCode=str(code))
        if again:
            self._restart_later(container)
        elif container.settings.auto_remove:
            self._remove_quietly(container)

    def _again(self, container: Container, code: int) -> bool:
        """Whether the restart policy starts it again."""
        settings, status = container.settings, container.status
        if status.stopped_by_hand or self._closing.is_set():
            return False
        if settings.restart_name == "on-failure":
            return code != 0 and (not settings.restart_limit or status.restarts < settings.restart_limit)
        return settings.restart_name in ("always", "unless-stopped")

    def _restart_later(self, container: Container) -> None:
        ran = (container.status.finished - container.status.started) / clock.SECOND
        pause = FIRST_PAUSE if ran > LONG_RUN else self._pauses.get(container.id, FIRST_PAUSE)
        self._pauses[container.id] = min(pause * 2, LONGEST_PAUSE)
        with container.lock:
            container.changed.wait_for(lambda: container.state is not State.RESTARTING, timeout=pause)
            if container.state is not State.RESTARTING or self._closing.is_set():
                return
            container.status.restarts += 1
            try:
                self._launch(container)
            except KitError:
                container.apply(Action.EXIT)
                self._services.roster.save(container)

    # stop

    def stop(self, container: Container, timeout: int | None = None) -> bool:
        """Asks it to end, and ends it after ``timeout`` seconds (None: its own; negative: never).

        False if it doesn't run.
        """
        with container.lock:
            was_up = container.up
            run, paused = self._give_up(container), container.state is State.PAUSED
        if run is None:
            return was_up
        patience = container.settings.stop_timeout if timeout is None else timeout
        self._signal(container, run, container.settings.stop_signal)
        if paused:
            self._resume(container, run)
        if patience < 0 or not self._gone(container, run, patience):
            if patience >= 0:
                self._end(container, run)
            self._gone(container, run, None)
        self._services.tell(container, "stop")
        return True

    def _give_up(self, container: Container) -> Run | None:
        """No policy brings it back. A container between two runs ends here. Under the lock."""
        if container.up:
            container.status.stopped_by_hand = True
            self._services.roster.save(container)
        if container.state is State.RESTARTING:
            container.apply(Action.EXIT)
            self._services.roster.save(container)
        return container.run

    def _signal(self, container: Container, run: Run, number: int) -> None:
        """The event comes first: a process may end before we are back, and "die" follows "kill"."""
        self._services.tell(container, "kill", signal=str(number))
        run.running.signal(number)

    def _end(self, container: Container, run: Run) -> None:
        self._services.tell(container, "kill", signal=str(int(signal.SIGKILL)))
        run.running.kill()

    @staticmethod
    def _gone(container: Container, run: Run, timeout: float | None) -> bool:
        with container.changed:
            return container.changed.wait_for(lambda: container.run is not run, timeout)

    def kill(self, container: Container, number: int, *, called: str = "") -> None:
        """Sends a signal; SIGKILL ends the whole tree, and this returns when it has ended.

        Raises:
            Conflict: it doesn't run.
        """
        with container.lock:
            run, paused = container.run, container.state is State.PAUSED
            if run is None:
                waits = container.state is State.RESTARTING
                why = "restarting, wait until the container is running" if waits else "not running"
                raise Conflict(
                    f"Cannot kill container: {called or container.name}: Container {container.id} is {why}"
                )
            if number in (signal.SIGKILL, container.settings.stop_signal):
                container.status.stopped_by_hand = True
        if number == signal.SIGKILL:
            self._end(container, run)
            self._gone(container, run, None)
            return
        self._signal(container, run, number)
        if paused:
            self._resume(container, run)

    def restart(self, container: Container, timeout: int | None = None) -> None:
        """Stops it if it runs, and starts it.

        Raises:
            What ``start`` raises.
        """
        auto_remove, container.keep = container.keep, True
        try:
            self.stop(container, timeout)
        finally:
            container.keep = auto_remove
        self.start(container)
        self._services.tell(container, "restart")

    # pause

    def pause(self, container: Container) -> None:
        """
        Raises:
            Refused
        """
        with container.lock:
            container.check(Action.PAUSE)
            assert container.run is not None
            container.run.running.pause()
            container.apply(Action.PAUSE)
            self._services.roster.save(container)
        self._services.tell(container, "pause")

    def unpause(self, container: Container) -> None:
        """
        Raises:
            Refused
        """
        with container.lock:
            container.check(Action.UNPAUSE)
            assert container.run is not None
            self._resume(container, container.run)

    def _resume(self, container: Container, run: Run) -> None:
        with container.lock:
            run.running.resume()
            if container.state is State.PAUSED:
                container.apply(Action.UNPAUSE)
                self._services.roster.save(container)
        self._services.tell(container, "unpause")

    # wait

    @staticmethod
    def waiter(container: Container, condition: str = "") -> Callable[[], int]:
        """What waits until it doesn't run ("not-running"), has ended once more ("next-exit") or is "removed".

        It returns the exit code. "next-exit" counts from now, not from when the waiting begins. As in Docker, an
        end that the restart policy follows up is "not-running", too.
        """
        exits = container.exits
        done = {
            "next-exit": lambda: container.exits > exits or container.removed,
            "removed": lambda: container.removed,
        }.get(condition, lambda: container.exits > exits or not container.up)

        def wait() -> int:
            with container.changed:
                container.changed.wait_for(done)
                return container.status.exit_code

        return wait

    # remove

    def remove(self, container: Container, *, force: bool = False, volumes: bool = False) -> None:
        """Removes it; with ``force`` also a running one, with ``volumes`` its anonymous volumes as well.

        Raises:
            Refused
        """
        if force:
            with container.lock:
                run = self._give_up(container)
            if run is not None:
                self._end(container, run)
                self._gone(container, run, None)
        with container.lock:
            if container.removed:
                return
            container.apply(Action.REMOVE)
            self._services.roster.save(container)
            try:
                self._erase(container)
            except OSError:
                container.apply(Action.FAIL)
                self._services.roster.save(container)
                raise
        self._services.tell(container, "destroy")
        if volumes:
            self._remove_anonymous(container)
        with container.lock:
            container.removed = True
            container.changed.notify_all()

    def _erase(self, container: Container) -> None:
        console, container.console = container.console, None
        if console is not None:
            console.ended()
        self._execs.forget(container)
        self._services.store.rootfs.delete(container.id)
        shutil.rmtree(container.directory, ignore_errors=True)
        self._services.roster.remove(container)
        self._pauses.pop(container.id, None)

    def _remove_anonymous(self, container: Container) -> None:
        for mount in container.mounts:
            if mount.kind == "volume" and mount.anonymous:
                with contextlib.suppress(KitError):
                    self._services.volumes.remove(mount.name, force=True)

    def _remove_quietly(self, container: Container) -> None:
        """The end of ``--rm``: somebody else may have been faster."""
        if not container.keep:
            with contextlib.suppress(KitError):
                self.remove(container, volumes=True)

    # the engine's own start and end

    def restore(self) -> None:
        """After a start of the engine: what ran is marked as ended, half removed ones go, policies start theirs."""
        known = {container.id for container in self._services.roster.all()}
        for name in self._services.store.rootfs.names():
            if len(name) == 64 and name not in known:
                self._services.store.rootfs.delete(name)
        for container in self._services.roster.all():
            self._restore(container)

    def _restore(self, container: Container) -> None:
        status = container.status
        ran = container.state in states.UP
        if ran:
            status.state, status.exit_code, status.finished = State.EXITED, KILLED_WITH_ENGINE, clock.now()
            for endpoint in container.endpoints.values():
                endpoint.address = endpoint.endpoint_id = ""
            self._services.roster.save(container)
        if container.state in (State.REMOVING, State.DEAD) or (container.settings.auto_remove and ran):
            status.state = State.EXITED
            self._remove_quietly(container)
        elif container.state is State.EXITED and self._again_after_restart(container, ran):
            with contextlib.suppress(KitError), container.lock:
                self._launch(container)

    @staticmethod
    def _again_after_restart(container: Container, ran: bool) -> bool:
        name = container.settings.restart_name
        by_hand = container.status.stopped_by_hand
        return name == "always" or (name == "unless-stopped" and not by_hand) or (name == "on-failure" and ran)

    def close(self) -> None:
        """The engine ends: every container is stopped, and its restart policy stays for the next start."""
        self._closing.set()
        stoppers = [
            threading.Thread(target=self._shut_down, args=(container,), daemon=True)
            for container in self._services.roster.all()
            if container.up
        ]
        for stopper in stoppers:
            stopper.start()
        for stopper in stoppers:
            stopper.join()

    def _shut_down(self, container: Container) -> None:
        with container.lock:
            run = container.run
            if container.state is State.RESTARTING:
                container.apply(Action.EXIT)
                self._services.roster.save(container)
        if run is None:
            return
        with contextlib.suppress(OSError, KitError):
            run.running.signal(container.settings.stop_signal)
            run.running.resume()
            if not self._gone(container, run, SHUTDOWN_PATIENCE):
                run.running.kill()
                self._gone(container, run, SHUTDOWN_PATIENCE)
