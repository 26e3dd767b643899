"""The life of a container, as a table.

A container is in one state. An action takes it to the next state, or is refused in Docker's words because
there is no such line in the table. The diagram in the lesson is drawn from ``NEXT``.

Source: Docker Engine API, "ContainerState"; the refusals are those of dockerd 20.10.
"""

from collections.abc import Mapping
from enum import StrEnum

from kit.errors import Conflict


class State(StrEnum):
    CREATED = "created"
    RUNNING = "running"
    PAUSED = "paused"
    RESTARTING = "restarting"
    EXITED = "exited"
    REMOVING = "removing"
    DEAD = "dead"


class Action(StrEnum):
    START = "start"
    PAUSE = "pause"
    UNPAUSE = "unpause"
    EXIT = "exit"
    """Process 1 has ended."""
    WAIT = "wait"
    """Process 1 has ended and a restart policy will start it again."""
    REMOVE = "remove"
    FAIL = "fail"
    """The removal did not come to its end."""


NEXT: Mapping[tuple[State, Action], State] = {
    (State.CREATED, Action.START): State.RUNNING,
    (State.EXITED, Action.START): State.RUNNING,
    (State.RESTARTING, Action.START): State.RUNNING,
    (State.RUNNING, Action.PAUSE): State.PAUSED,
    (State.PAUSED, Action.UNPAUSE): State.RUNNING,
    (State.RUNNING, Action.EXIT): State.EXITED,
    (State.PAUSED, Action.EXIT): State.EXITED,
    (State.RESTARTING, Action.EXIT): State.EXITED,
    (State.RUNNING, Action.WAIT): State.RESTARTING,
    (State.RESTARTING, Action.WAIT): State.RESTARTING,
    (State.CREATED, Action.REMOVE): State.REMOVING,
    (State.EXITED, Action.REMOVE): State.REMOVING,
    (State.DEAD, Action.REMOVE): State.REMOVING,
    (State.REMOVING, Action.FAIL): State.DEAD,
}

ALIVE = frozenset({State.RUNNING, State.PAUSED})
"""A process tree exists."""
UP = ALIVE | {State.RESTARTING}
"""What Docker calls running: ``docker ps`` shows it, ``docker rm`` refuses it."""

_REFUSALS: Mapping[tuple[State | None, Action], str] = {
    (State.PAUSED, Action.START): "cannot start a paused container, try unpause instead",
    (State.REMOVING, Action.START): "container is marked for removal and cannot be started",
    (State.DEAD, Action.START): "container is marked for removal and cannot be started",
    (State.PAUSED, Action.PAUSE): "Container {id} is already paused",
    (State.RESTARTING, Action.PAUSE): "Container {id} is restarting, wait until the container is running",
    (None, Action.PAUSE): "Container {id} is not running",
    (None, Action.UNPAUSE): "Container {id} is not paused",
    (State.RUNNING, Action.REMOVE): "You cannot remove a running container {id}. "
    "Stop the container before attempting removal or force remove",
    (State.RESTARTING, Action.REMOVE): "You cannot remove a restarting container {id}. "
    "Stop the container before attempting removal or force remove",
    (State.PAUSED, Action.REMOVE): "You cannot remove a paused container {id}. "
    "Unpause and then stop the container before attempting removal or force remove",
    (State.REMOVING, Action.REMOVE): "removal of container {id} is already in progress",
}


class Refused(Conflict):
    """The container's state does not allow the action."""

    def __init__(self, container: str, state: State, action: Action) -> None:
        text = _REFUSALS.get((state, action)) or _REFUSALS.get((None, action), "cannot {action} a {state} container")
        super().__init__(text.format(id=container, action=action, state=state))
        self.state, self.action = state, action


def after(container: str, state: State, action: Action) -> State:
    """The state that ``action`` leads to. ``container`` is the id for the refusal's text.

    Raises:
        Refused: there is no such line in the table.
    """
    following = NEXT.get((state, action))
    if following is None:
        raise Refused(container, state, action)
    return following
