"""Where learners' kernels run: each kind of sandbox gives the fair score, and none is refused."""

from dataclasses import replace
from pathlib import Path

import pytest
from traitlets.config import Config

from graders.course import course as course_module
from graders.course.course import Course, examined
from graders.course.sandbox import Kind, works
from kit.errors import Denied
from tests.security.grading.conftest import Class

LOOK = """
import os, socket
print("uid", os.getuid() == 0, "writes", os.access("/usr", os.W_OK), "home", os.path.exists("/root/.bashrc"))
print("course", os.path.exists(%r), "rubrics", os.path.exists("/opt/layerlab/graders/rubrics"))
try:
    socket.create_connection(("192.0.2.1", 80), 3); print("REACHED")
except OSError as error:
    print("network", type(error).__name__)
"""


pytestmark = pytest.mark.timeout(1500)


def test_the_engines_supervisor_is_a_sandbox_wherever_its_containers_run(working_isolators: dict[str, str]) -> None:
    if "seccomp" not in working_isolators:
        pytest.skip("the isolator seccomp does not work here")
    assert works(Kind.SUPERVISOR)


def test_the_engines_supervisor_grades_as_fairly(graded: Class, tmp_path: Path) -> None:
    """In a pod without namespaces: the same work, the same points; and the kernel sees as little."""
    course = Course.at(graded.root)
    submission = next(one for one in course.submissions("a03") if one.student == "honest")
    task = course.task(submission, Kind.SUPERVISOR, course.template())
    look = LOOK % str(graded.root)
    for cell in task.notebook["cells"]:
        if cell["metadata"].get("nbgrader", {}).get("grade_id") == "base":
            cell["source"] = look
    task = replace(task, isolator="seccomp", result=str(tmp_path / "result.json"))
    result = examined(task)
    assert not result.why_not, result.why_not
    (score,) = result.scores.values()
    assert score.read().points == 15, (score, result)
    shown = "".join(str(output.get("text", "")) for outputs in result.outputs.values() for output in outputs)
    assert "uid False writes False home False" in shown, shown
    assert "course False rubrics False" in shown
    assert "REACHED" not in shown


def test_without_a_sandbox_nobody_is_graded_unless_the_instructor_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(course_module, "find_kind", lambda: Kind.NONE)
    config = Config({"CourseDirectory": {"root": str(tmp_path)}})
    with pytest.raises(Denied, match="SCORES CAN BE FORGED"):
        _ = Course(config).kind
    config.Grading.without_sandbox = True
    assert Course(config).kind is Kind.NONE
