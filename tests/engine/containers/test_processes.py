"""Talking to processes: attach, exec, terminals, users."""

import time
from typing import Any

import pytest

from kit.engine.containers.execs import ExecFailed, NoSuchExec
from kit.errors import Conflict
from kit.oci.users import UnknownUser

Room = Any


def talk(room: Room, key: str) -> Any:
    return room.containers.attach(key, stdin=True, stdout=True, stderr=True)


def test_input_goes_in_and_its_end_is_seen(room: Room) -> None:
    key = room.create("sort", OpenStdin=True, StdinOnce=True)
    attachment = talk(room, key)
    room.containers.start(key)
    assert attachment.write(b"b\na\n")
    attachment.end_input()
    assert b"".join(frame.data for frame in attachment.frames()) == b"a\nb\n"
    assert room.containers.wait(key) == 0


def test_a_terminal_is_one_and_has_the_size_it_is_given(room: Room) -> None:
    key = room.create("sh", Tty=True, OpenStdin=True)
    attachment = talk(room, key)
    room.containers.start(key)
    room.containers.resize(key, 33, 99)
    attachment.write(b"test -t 0 && stty size; exit 6\n")
    output = b"".join(frame.data for frame in attachment.frames())
    assert b"33 99\r\n" in output and room.containers.wait(key) == 6
    assert room.containers.is_terminal(key)


def test_the_detach_keys_let_go_and_the_process_goes_on(room: Room) -> None:
    key = room.create("cat", Tty=True, OpenStdin=True)
    attachment = talk(room, key)
    room.containers.start(key)
    assert not attachment.write(b"\x10\x11")
    assert room.state(key)["Running"]


def test_an_exec_has_its_own_user_place_and_code(room: Room) -> None:
    key = room.begin("sleep", "1000", Env=["A=1"])
    words = room.exec(key, "sh", "-c", "id -u; pwd; echo $A$B; exit 5", User="1000", WorkingDir="/tmp", Env=["B=2"])
    assert words == (5, "1000\n/tmp\n12\n")
    assert room.state(key)["Running"]


def test_an_exec_that_can_not_start_is_told_and_has_code_126(room: Room) -> None:
    key = room.begin("sleep", "1000")
    found = room.containers.execs.create(key, {"Cmd": ["/none"]})
    with pytest.raises(ExecFailed, match=r'exec failed: .*"/none": stat /none: no such file or directory'):
        room.containers.execs.start(found.id)
    assert found.to_json()["ExitCode"] == 126
    with pytest.raises(Conflict, match="has already run"):
        room.containers.execs.start(found.id)
    with pytest.raises(NoSuchExec):
        room.containers.execs.find("none")


def test_execs_end_with_their_container(room: Room) -> None:
    key = room.begin("sleep", "1000")
    found = room.containers.execs.create(key, {"Cmd": ["sleep", "1000"]})
    room.containers.execs.start(found.id)
    assert room.containers.inspect(key)["ExecIDs"] == [found.id]
    room.containers.kill(key)
    assert found.ended.wait(10) and found.exit_code == 137
    with pytest.raises(Conflict, match=f"Container {key} is not running"):
        room.containers.execs.create(key, {"Cmd": ["true"]})


def test_a_user_is_looked_up_in_the_container(room: Room) -> None:
    assert room.sh("id -un", User="nobody").strip() == "nobody"
    with pytest.raises(UnknownUser, match="unable to find user somebody: no matching entries in passwd file"):
        room.run("id", User="somebody")


def test_top_and_stats_tell_of_its_processes(room: Room) -> None:
    key = room.begin("sh", "-c", "sleep 1000 & sleep 2000")
    end = time.monotonic() + 10
    while {"sleep 1000", "sleep 2000"} - {row[-1] for row in room.containers.top(key)["Processes"]}:
        assert time.monotonic() < end, "not all of its processes are told"
        time.sleep(0.02)
    assert room.containers.top(key, "-o pid,comm")["Titles"] == ["PID", "COMMAND"]
    assert room.containers.stats(key)["memory_stats"]["usage"] > 0


def test_whoever_attaches_late_may_read_what_was_said_before(room: Room) -> None:
    key = room.begin("sh", "-c", "echo early; sleep 0.4; echo late")
    time.sleep(0.2)
    attachment = room.containers.attach(key, stdin=False, stdout=True, stderr=True, logs=True)
    assert b"".join(frame.data for frame in attachment.frames()) == b"early\nlate\n"
