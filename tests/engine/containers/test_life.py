"""The life of a container, from ``create`` to ``rm``, with real processes."""

import threading
import time
from typing import Any

import pytest

from kit.engine.containers.containers import Containers
from kit.engine.containers.filters import Filters
from kit.engine.containers.launch import NotStarted
from kit.engine.containers.logs import LogQuery
from kit.engine.containers.names import NameInUse
from kit.engine.containers.roster import NoSuchContainer
from kit.engine.containers.states import Refused
from kit.errors import Conflict, Invalid

Room = Any
FOREVER = "trap 'echo bye; exit 7' TERM; echo up; while true; do sleep 0.05; done"


def eventually(happens: Any, timeout: float = 10) -> None:
    end = time.monotonic() + timeout
    while not happens():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def printed(containers: Containers, key: str) -> str:
    return b"".join(line.data for line in containers.logs(key, LogQuery())).decode()


def test_a_container_runs_to_its_end_and_is_remembered(room: Room) -> None:
    key, code, output = room.run("sh", "-c", "echo out; echo err >&2; exit 3", name="one")
    assert (code, sorted(output.split())) == (3, ["err", "out"])
    lines = list(room.containers.logs("one", LogQuery()))
    assert sorted((line.stream, line.data) for line in lines) == [("stderr", b"err\n"), ("stdout", b"out\n")]
    state = room.state(key)
    assert (state["Status"], state["ExitCode"], state["Pid"]) == ("exited", 3, 0)
    assert room.actions(key) == ["create", "attach", "start", "die"]
    assert room.containers.wait(key) == 3


def test_what_the_image_says_is_what_runs(room: Room) -> None:
    inspected = room.containers.inspect(room.create())
    assert (inspected["Path"], inspected["Args"]) == ("sh", [])
    output = room.sh("echo $A; pwd; id -u; hostname", Env=["A=1"], WorkingDir="/tmp", User="1000", Hostname="box")
    assert output.split() == ["1", "/tmp", "1000", "box"]


def test_a_start_that_fails_is_told_in_docker_s_words(room: Room) -> None:
    key = room.create("/none", name="none")
    with pytest.raises(NotStarted, match='exec: "/none": stat /none: no such file or directory: unknown'):
        room.containers.start(key)
    assert (room.state(key)["Status"], room.state(key)["ExitCode"]) == ("created", 127)
    with pytest.raises(NotStarted, match="permission denied"):
        room.containers.start(room.create("/etc/passwd", name="data"))
    assert room.state("data")["ExitCode"] == 126


def test_stop_asks_first_and_ends_it_when_the_patience_is_over(room: Room) -> None:
    polite, stubborn = room.begin("sh", "-c", FOREVER), room.begin("sh", "-c", "trap '' TERM; echo up; sleep 1000")
    for key in (polite, stubborn):
        eventually(lambda key=key: printed(room.containers, key))
    assert room.containers.stop(polite) and room.state(polite)["ExitCode"] == 7
    begin = time.monotonic()
    assert room.containers.stop(stubborn, 1) and room.state(stubborn)["ExitCode"] == 137
    assert 0.9 < time.monotonic() - begin < 5
    assert not room.containers.stop(polite)


def test_kill_sends_the_signal_that_it_is_told(room: Room) -> None:
    key = room.begin("sh", "-c", "trap 'echo usr1' USR1; echo up; while true; do sleep 0.05; done", name="box")
    eventually(lambda: printed(room.containers, key))
    room.containers.kill(key, "USR1")
    eventually(lambda: "usr1" in printed(room.containers, key))
    with pytest.raises(Invalid, match="Invalid signal: NOPE"):
        room.containers.kill(key, "NOPE")
    room.containers.kill(key)
    assert room.state(key)["ExitCode"] == 137
    with pytest.raises(Conflict, match=f"Cannot kill container: box: Container {key} is not running"):
        room.containers.kill("box")


def test_pause_stops_every_process_and_unpause_lets_them_go_on(room: Room) -> None:
    key = room.begin("sh", "-c", "i=0; while true; do i=$((i+1)); echo $i; sleep 0.02; done")
    eventually(lambda: "5\n" in printed(room.containers, key))
    room.containers.pause(key)
    time.sleep(0.1)
    before = printed(room.containers, key)
    time.sleep(0.2)
    assert printed(room.containers, key) == before and room.state(key)["Paused"]
    with pytest.raises(Conflict, match="is paused, unpause the container before exec"):
        room.containers.execs.create(key, {"Cmd": ["true"]})
    room.containers.unpause(key)
    eventually(lambda: len(printed(room.containers, key)) > len(before))
    with pytest.raises(Refused, match="is not paused"):
        room.containers.unpause(key)


def test_a_name_is_given_once(room: Room) -> None:
    key = room.create(name="box")
    with pytest.raises(NameInUse, match=f'"/box" is already in use by container "{key}"'):
        room.create(name="box")
    room.containers.rename("box", "other")
    room.create(name="box")
    with pytest.raises(Conflict, match="already in use"):
        room.containers.rename("other", "box")
    assert room.containers.inspect(key[:12])["Name"] == "/other"


def test_a_running_container_is_removed_by_force_only(room: Room) -> None:
    key = room.begin("sleep", "1000")
    with pytest.raises(Refused, match="You cannot remove a running container"):
        room.containers.remove(key)
    room.containers.remove(key, force=True)
    with pytest.raises(NoSuchContainer, match=f"No such container: {key}"):
        room.containers.inspect(key)
    assert room.store.rootfs.names() == []
    assert room.actions(key)[-3:] == ["kill", "die", "destroy"]


def test_rm_removes_it_after_its_end_and_who_waits_is_told_the_code(room: Room) -> None:
    key = room.create("sh", "-c", "exit 5", host={"AutoRemove": True})
    wait = room.containers.waiter(key, "removed")
    room.containers.start(key)
    assert wait() == 5
    with pytest.raises(NoSuchContainer):
        room.containers.inspect(key)


def test_waiting_for_the_next_exit_may_begin_before_the_start(room: Room) -> None:
    key = room.create("sh", "-c", "exit 4")
    codes: list[int] = []
    waiter = threading.Thread(target=lambda wait=room.containers.waiter(key, "next-exit"): codes.append(wait()))
    waiter.start()
    room.containers.start(key)
    waiter.join(10)
    assert codes == [4]


def test_on_failure_tries_as_often_as_it_was_told(room: Room) -> None:
    policy = {"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 2}}
    key = room.begin("sh", "-c", "echo try; exit 1", host=policy)
    eventually(lambda: room.state(key)["Status"] == "exited")
    assert printed(room.containers, key).count("try") == 3
    assert room.containers.inspect(key)["RestartCount"] == 2


def test_always_starts_again_until_it_is_stopped_by_hand(room: Room) -> None:
    key = room.begin("sh", "-c", "echo again", host={"RestartPolicy": {"Name": "always"}})
    eventually(lambda: printed(room.containers, key).count("again") >= 2)
    room.containers.stop(key, 1)
    count = printed(room.containers, key).count("again")
    time.sleep(0.5)
    assert (room.state(key)["Status"], printed(room.containers, key).count("again")) == ("exited", count)


def test_restart_begins_a_new_run(room: Room) -> None:
    key = room.begin("sh", "-c", FOREVER)
    eventually(lambda: "up" in printed(room.containers, key))
    first = room.state(key)["Pid"]
    room.containers.restart(key, 5)
    eventually(lambda: printed(room.containers, key) == "up\nbye\nup\n")
    assert room.state(key)["Pid"] not in (0, first)


def test_update_changes_the_policy_and_warns_of_what_nothing_enforces(room: Room) -> None:
    key = room.create()
    assert room.containers.update(key, {"RestartPolicy": {"Name": "always"}}) == []
    assert room.containers.inspect(key)["HostConfig"]["RestartPolicy"]["Name"] == "always"
    with pytest.raises(Invalid, match="invalid restart policy 'often'"):
        room.containers.update(key, {"RestartPolicy": {"Name": "often"}})


def test_prune_removes_what_does_not_run(room: Room) -> None:
    runs, ended = room.begin("sleep", "1000"), room.run("sh", "-c", "echo data >/file").id
    labelled = room.create(Labels={"keep": "1"})
    found = room.containers.prune(Filters({"label!": ["keep"]}))
    assert found == {"ContainersDeleted": [ended], "SpaceReclaimed": 5}
    assert {row["Id"] for row in room.containers.list(Filters(), everything=True)} == {runs, labelled}


def test_lists_show_what_runs_and_filter(room: Room) -> None:
    runs, ended = room.begin("sleep", "1000", name="runs"), room.run("false", name="ended").id
    assert [row["Id"] for row in room.containers.list(Filters())] == [runs]
    rows = room.containers.list(Filters({"exited": ["1"]}))
    assert [(row["Id"], row["Command"], row["Image"]) for row in rows] == [(ended, "false", "busybox:1")]
    assert rows[0]["Status"].startswith("Exited (1) ")
    assert [row["Id"] for row in room.containers.list(Filters({"ancestor": ["busybox:1"], "name": ["run"]}))] == [
        runs
    ]


def test_a_healthcheck_says_how_it_fares(room: Room) -> None:
    check = {"Test": ["CMD-SHELL", "test -e /ok"], "Interval": 100_000_000, "Retries": 2}
    key = room.begin("sh", "-c", "sleep 0.8; touch /ok; sleep 1000", Healthcheck=check)
    assert room.state(key)["Health"]["Status"] == "starting"
    eventually(lambda: room.state(key)["Health"]["Status"] == "unhealthy")
    eventually(lambda: room.state(key)["Health"]["Status"] == "healthy")
    assert room.state(key)["Health"]["Log"][-1]["ExitCode"] == 0
    told = [action for action in room.actions(key) if action.startswith("health")]
    assert told == ["health_status: unhealthy", "health_status: healthy"]


def test_the_engine_s_end_ends_every_container_and_keeps_its_policy(room: Room) -> None:
    key = room.begin("sh", "-c", FOREVER, host={"RestartPolicy": {"Name": "always"}})
    plain = room.begin("sleep", "1000")
    eventually(lambda: "up" in printed(room.containers, key))
    room.containers.close()
    assert [room.state(which)["Status"] for which in (key, plain)] == ["exited", "exited"]
    room.reopen()
    eventually(lambda: room.state(key)["Status"] == "running")
    assert room.state(plain)["Status"] == "exited"
