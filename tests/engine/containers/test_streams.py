"""Consoles: real processes behind pipes and a terminal."""

import os
import subprocess
import sys
import threading

import pytest

from kit.engine.containers.attach import Attachment, Detached, KeyWatch, parse_detach_keys
from kit.engine.containers.streams import QUEUE_LIMIT, STDERR, STDOUT, Console, Frame, FrameQueue
from kit.errors import Invalid


class Kept:
    """A recorder that remembers."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, bytes]] = []

    def write(self, stream: str, data: bytes) -> None:
        if data:
            self.rows.append((stream, data))


def start(console: Console, script: str) -> "subprocess.Popen[bytes]":
    stdin, stdout, stderr = console.stdio
    process = subprocess.Popen([sys.executable, "-c", script], stdin=stdin, stdout=stdout, stderr=stderr)
    console.started()
    return process


def finish(console: Console, process: "subprocess.Popen[bytes]") -> None:
    process.wait(30)
    console.ended()


def all_frames(queue: FrameQueue) -> list[Frame]:
    frames = []
    while frame := queue.get():
        frames.append(frame)
    return frames


def test_output_goes_to_the_recorder_and_to_everyone_attached() -> None:
    kept = Kept()
    console = Console(terminal=False, stdin=False, recorder=kept)
    readers = [console.attach(), console.attach()]
    process = start(console, "import os; os.write(1, b'out\\n'); os.write(2, b'err\\n')")
    finish(console, process)
    for reader in readers:
        assert sorted(all_frames(reader)) == [Frame(STDOUT, b"out\n"), Frame(STDERR, b"err\n")]
    assert sorted(kept.rows) == [("stderr", b"err\n"), ("stdout", b"out\n")]


def test_who_attaches_after_the_end_finds_the_end() -> None:
    console = Console(terminal=False, stdin=False)
    finish(console, start(console, "pass"))
    assert console.attach().get() is None


def test_input_may_be_given_before_the_start() -> None:
    console = Console(terminal=False, stdin=True)
    reader = console.attach()
    console.write(b"hello")
    console.end_input()
    process = start(console, "import sys; print(sys.stdin.read()[::-1])")
    finish(console, process)
    assert b"".join(frame.data for frame in all_frames(reader)) == b"olleh\n"
    with pytest.raises(BrokenPipeError):
        console.write(b"late")


def test_a_large_input_waits_for_its_reader() -> None:
    console = Console(terminal=False, stdin=True)
    reader = console.attach()
    writer = threading.Thread(target=lambda: (console.write(b"x" * 1_000_000), console.end_input()))
    writer.start()
    process = start(console, "import sys; print(len(sys.stdin.read()))")
    writer.join(30)
    finish(console, process)
    assert b"".join(frame.data for frame in all_frames(reader)) == b"1000000\n"


def test_without_stdin_the_process_reads_nothing() -> None:
    console = Console(terminal=False, stdin=False)
    reader = console.attach()
    finish(console, start(console, "import sys; print(repr(sys.stdin.read()))"))
    assert b"".join(frame.data for frame in all_frames(reader)) == b"''\n"


def test_a_terminal_is_one_and_has_a_size() -> None:
    console = Console(terminal=True, stdin=True)
    reader = console.attach()
    console.resize(33, 77)
    process = start(console, "import os; print(os.isatty(0), os.get_terminal_size()); input()")
    console.write(b"line\n")
    finish(console, process)
    output = b"".join(frame.data for frame in all_frames(reader))
    assert b"True os.terminal_size(columns=77, lines=33)\r\n" in output


def test_a_process_waits_for_a_slow_reader_but_its_end_does_not() -> None:
    console = Console(terminal=False, stdin=False)
    stuck = console.attach()
    process = start(console, f"import os; os.write(1, b'x' * {4 * QUEUE_LIMIT}); os.write(2, b'done')")
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    process.kill()
    finish(console, process)
    assert sum(len(frame.data) for frame in all_frames(stuck)) < 2 * QUEUE_LIMIT


def test_a_reader_that_leaves_is_not_waited_for() -> None:
    console = Console(terminal=False, stdin=False)
    leaving = console.attach()
    process = start(console, f"import os; os.write(1, b'x' * {4 * QUEUE_LIMIT})")
    console.detach(leaving)
    finish(console, process)
    assert process.returncode == 0


def test_no_descriptor_stays_open() -> None:
    before = set(os.listdir("/proc/self/fd"))
    for terminal in (True, False):
        console = Console(terminal=terminal, stdin=True)
        finish(console, start(console, "pass"))
        console = Console(terminal=terminal, stdin=True)  # never started
        console.ended()
    assert set(os.listdir("/proc/self/fd")) <= before


def test_the_end_of_the_only_input_is_the_end_of_stdin() -> None:
    console = Console(terminal=False, stdin=True)
    attachment = Attachment(console, once=True)
    process = start(console, "import sys; print(sys.stdin.read())")
    assert attachment.write(b"abc")
    attachment.end_input()
    finish(console, process)
    assert b"".join(frame.data for frame in attachment.frames()) == b"abc\n"
    assert not attachment.write(b"more")


def test_the_detach_keys_let_go_and_the_process_goes_on() -> None:
    console = Console(terminal=True, stdin=True)
    attachment = Attachment(console, keys=parse_detach_keys(""))
    process = start(console, "print(input())")
    assert attachment.write(b"he\x10")
    assert not attachment.write(b"\x11")
    assert process.poll() is None
    console.write(b"llo\n")
    finish(console, process)
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("text", "keys"), [("", b"\x10\x11"), ("ctrl-a,b", b"\x01b"), ("ctrl-@,ctrl-[", b"\x00\x1b"), ("x", b"x")]
)
def test_detach_keys_are_read_as_docker_does(text: str, keys: bytes) -> None:
    assert parse_detach_keys(text) == keys


def test_unknown_detach_keys_are_refused() -> None:
    with pytest.raises(Invalid, match="Unknown character: 'ctrl-ab'"):
        parse_detach_keys("ctrl-ab")


def test_what_only_begins_like_the_keys_goes_on() -> None:
    watch = KeyWatch(b"\x10\x11")
    assert watch.pass_on(b"a\x10") == b"a"
    assert watch.pass_on(b"\x10b") == b"\x10\x10b"
    with pytest.raises(Detached):
        watch.pass_on(b"\x10\x11")
