"""Where learners' kernels run; and without a sandbox nobody is graded by mistake."""

from pathlib import Path

import pytest
from traitlets.config import Config

from graders.course import course as course_module
from graders.course.course import Course
from graders.course.sandbox import Kind, works
from kit.errors import Denied


def test_the_engines_supervisor_is_a_sandbox_wherever_its_containers_run(working_isolators: dict[str, str]) -> None:
    if "seccomp" not in working_isolators:
        pytest.skip("the isolator seccomp does not work here")
    assert works(Kind.SUPERVISOR)


def test_without_a_sandbox_nobody_is_graded_unless_the_instructor_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(course_module, "find_kind", lambda: Kind.NONE)
    config = Config({"CourseDirectory": {"root": str(tmp_path)}})
    with pytest.raises(Denied, match="SCORES CAN BE FORGED"):
        _ = Course(config).kind
    config.Grading.without_sandbox = True
    assert Course(config).kind is Kind.NONE
