"""The warm process: the same reports as a cold one; nothing is carried over, nothing is left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from graders import warm
from graders.report import NotGraded, Report
from graders.request import Request
from graders.run import run_rubric

HEAD = "import os, time\nfrom graders.criteria import Partial, criterion\n"
ONE = "@criterion(points=1)\ndef test_a(answers):\n    'A.'\n    "
KERNEL = """
import sys
from pathlib import Path
from graders.request import Request
from graders.run import run_rubric
run_rubric(Path(sys.argv[1]), Request(engine=""), name="A99", warm=True)
"""


def grade(tmp_path: Path, text: str, timeout: float = 100, warm: bool = True, **answers: object) -> Report:
    rubric = tmp_path / "rubric_99_test.py"
    rubric.write_text(HEAD + text)
    return run_rubric(rubric, Request(engine="", answers=answers), name="A99", timeout=timeout, warm=warm)


def pid() -> int:
    return warm.server(os.getpid()).process.pid


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end, "it never came to be so"
        time.sleep(0.05)


def lives(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_warm_report_is_the_cold_one(tmp_path: Path) -> None:
    text = ONE + "assert answers['x'] == 'ä', 'no'\n"
    text += "@criterion(points=3, hints=['h'])\ndef test_b():\n    'B.'\n    raise Partial(1.5, 'half')\n"
    for answer in ("ä", "b", 1):
        assert grade(tmp_path, text, x=answer) == grade(tmp_path, text, x=answer, warm=False)


def test_one_process_serves_many_checks_and_carries_nothing_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changing = ONE + "import kit; kit.left = os.environ['LEFT'] = 'x'\n    assert False, str(os.getpid())\n"
    first = grade(tmp_path, changing).rows[0].advice
    serving = pid()
    monkeypatch.setenv("SECRET", "hunter2")
    clean = ONE + "import kit; seen = {'LEFT', 'SECRET'} & os.environ.keys()\n"
    clean += "    assert not seen and not hasattr(kit, 'left'), 'seen'\n    assert False, str(os.getpid())\n"
    second = grade(tmp_path, clean).rows[0].advice
    assert first.isdigit() and second.isdigit() and first != second
    assert pid() == serving and serving not in (int(first), int(second))


def test_a_changed_rubric_is_read_anew(tmp_path: Path) -> None:
    assert grade(tmp_path, ONE + "pass\n").passed
    assert not grade(tmp_path, ONE + "assert False, 'no'\n").passed


@pytest.mark.parametrize("text", ["os._exit(0)\n", ONE + "os._exit(3)\n", ONE + "os.kill(os.getpid(), 9)\n"])
def test_a_rubric_whose_process_ends_is_not_graded_and_the_next_one_is(tmp_path: Path, text: str) -> None:
    with pytest.raises(NotGraded, match="without a report"):
        grade(tmp_path, text)
    assert grade(tmp_path, ONE + "pass\n").passed


def test_a_rubric_that_kills_the_warm_process_is_not_graded_and_the_next_one_is(tmp_path: Path) -> None:
    with pytest.raises(NotGraded, match="not graded"):
        grade(tmp_path, ONE + "os.kill(os.getppid(), 9); time.sleep(600)\n")
    assert grade(tmp_path, ONE + "pass\n").passed


def test_a_warm_process_that_was_killed_between_checks_is_replaced(tmp_path: Path) -> None:
    assert grade(tmp_path, ONE + "pass\n").passed
    before = pid()
    os.kill(before, signal.SIGKILL)
    os.waitid(os.P_PID, before, os.WEXITED | os.WNOWAIT)
    assert grade(tmp_path, ONE + "pass\n").passed
    assert pid() != before


def test_a_rubric_that_never_ends_is_ended_with_its_process(tmp_path: Path) -> None:
    assert grade(tmp_path, ONE + "pass\n").passed
    group = pid()
    with pytest.raises(NotGraded, match="more than 1 seconds"):
        grade(tmp_path, "while True: pass\n", timeout=1)
    until(lambda: not group_lives(group))
    assert grade(tmp_path, ONE + "pass\n").passed


def test_nothing_outlives_a_kernel_that_is_killed_in_the_middle_of_a_check(tmp_path: Path) -> None:
    note, rubric = tmp_path / "pids", tmp_path / "rubric_99_test.py"
    text = ONE + f"open({str(note)!r} + '.new', 'w').write(f'{{os.getpid()}} {{os.getppid()}}')\n"
    text += f"    os.rename({str(note)!r} + '.new', {str(note)!r})\n    time.sleep(600)\n"
    rubric.write_text(HEAD + text)
    kernel = subprocess.Popen([sys.executable, "-c", KERNEL, str(rubric)])
    until(note.exists)
    started = [int(word) for word in note.read_text().split()]
    assert all(map(lives, started))
    kernel.kill()
    kernel.wait()
    until(lambda: not any(map(lives, started)))
