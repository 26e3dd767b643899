"""The life of a container as a table."""

import pytest

from kit.engine.containers.states import ALIVE, NEXT, UP, Action, Refused, State, after

ID = "c0ffee"


def test_a_container_is_made_started_paused_and_ends() -> None:
    state = State.CREATED
    for action in (Action.START, Action.PAUSE, Action.UNPAUSE, Action.EXIT, Action.REMOVE):
        state = after(ID, state, action)
    assert state is State.REMOVING


def test_every_state_but_the_first_can_be_reached() -> None:
    assert set(NEXT.values()) == set(State) - {State.CREATED}


def test_a_process_tree_exists_only_in_states_that_docker_calls_running() -> None:
    assert ALIVE < UP
    assert all(NEXT[state, Action.EXIT] is State.EXITED for state in UP)


@pytest.mark.parametrize(
    ("state", "action", "text"),
    [
        (State.PAUSED, Action.PAUSE, f"Container {ID} is already paused"),
        (State.RUNNING, Action.UNPAUSE, f"Container {ID} is not paused"),
        (State.EXITED, Action.PAUSE, f"Container {ID} is not running"),
        (State.PAUSED, Action.START, "cannot start a paused container, try unpause instead"),
        (
            State.RUNNING,
            Action.REMOVE,
            f"You cannot remove a running container {ID}. "
            "Stop the container before attempting removal or force remove",
        ),
        (State.REMOVING, Action.REMOVE, f"removal of container {ID} is already in progress"),
    ],
)
def test_what_the_table_does_not_hold_is_refused_in_dockers_words(state: State, action: Action, text: str) -> None:
    with pytest.raises(Refused) as refusal:
        after(ID, state, action)
    assert str(refusal.value) == text
