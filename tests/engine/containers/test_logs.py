"""docker logs: kept, bounded, followed."""

import threading
from pathlib import Path

import pytest

from kit.engine.containers import clock
from kit.engine.containers.logs import LONGEST_LINE, LineSplitter, Log, LogQuery


@pytest.fixture
def log(tmp_path: Path) -> Log:
    log = Log(tmp_path / "log", limit=4096)
    log.open()
    return log


def text(log: Log, query: LogQuery = LogQuery()) -> bytes:
    return b"".join(line.data for line in log.read(query))


def test_what_was_written_is_read_back_byte_by_byte(log: Log) -> None:
    log.write("stdout", b"one\ntwo \xff\x00\rthree\n")
    log.write("stderr", b"no end")
    assert text(log) == b"one\ntwo \xff\x00\rthree\nno end"
    assert [line.stream for line in log.read(LogQuery())] == ["stdout", "stdout", "stderr"]


def test_streams_tail_and_times_select(log: Log) -> None:
    log.write("stdout", b"a\n")
    log.write("stderr", b"b\n")
    middle = clock.now()
    log.write("stdout", b"c\nd\n")
    assert text(log, LogQuery(stderr=False)) == b"a\nc\nd\n"
    assert text(log, LogQuery(tail=0)) == b""
    assert text(log, LogQuery(tail=2)) == b"c\nd\n"
    assert text(log, LogQuery(tail=3, stdout=False)) == b"b\n"
    assert text(log, LogQuery(since=middle)) == b"c\nd\n"
    assert text(log, LogQuery(until=middle)) == b"a\nb\n"


def test_the_disk_it_uses_is_bounded(log: Log, tmp_path: Path) -> None:
    for number in range(1000):
        log.write("stdout", b"line %d\n" % number)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 2 * 4096
    lines = text(log).splitlines()
    assert lines[-1] == b"line 999"
    assert lines == [b"line %d" % number for number in range(1000 - len(lines), 1000)]


def test_a_follower_gets_every_line_over_a_rotation_and_ends_with_the_run(log: Log) -> None:
    log.write("stdout", b"first\n")
    got: list[bytes] = []
    seen = threading.Event()

    def follow() -> None:
        for line in log.read(LogQuery(follow=True)):
            got.append(line.data)
            seen.set()

    follower = threading.Thread(target=follow)
    follower.start()
    assert seen.wait(10)
    for number in range(30):
        log.write("stdout", b"%d\n" % number)
        while len(got) < number + 2 and follower.is_alive():
            seen.wait(0.001)
    log.close()
    follower.join(10)
    assert got == [b"first\n", *(b"%d\n" % number for number in range(30))]


def test_a_follower_leaves_at_its_until(log: Log) -> None:
    log.write("stdout", b"a\n")
    assert text(log, LogQuery(follow=True, until=clock.now())) == b"a\n"


def test_a_finished_container_is_not_waited_for(log: Log) -> None:
    log.write("stdout", b"a\n")
    log.close()
    assert text(log, LogQuery(follow=True)) == b"a\n"


def test_a_record_cut_short_by_a_kill_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b'{"log":"lost","stre')
    log = Log(path)
    log.open()
    log.write("stdout", b"kept\n")
    log.write("stdout", b"too\n")
    assert text(log).endswith(b"too\n")


def test_lines_are_recorded_whole_until_they_grow_too_long() -> None:
    splitter = LineSplitter()
    assert splitter.feed(b"a") == b""
    assert splitter.feed(b"b\nc") == b"ab\n"
    assert splitter.feed(b"x" * LONGEST_LINE) == b"c" + b"x" * LONGEST_LINE
    assert splitter.feed(b"tail") == b""
    assert splitter.flush() == b"tail"
    assert splitter.flush() == b""
