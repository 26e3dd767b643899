"""A rubric in its own process: rows for the learner's matters, no score for ours."""

import os
from pathlib import Path

import pytest

from graders.report import NotGraded, Report, Score, Verdict
from graders.request import Request
from graders.run import find_rubric, hidden_rubrics, run_rubric
from kit.errors import Invalid, NotFound

HEAD = "from graders.criteria import Partial, criterion\n"


def grade(tmp_path: Path, text: str, **values: object) -> Report:
    rubric = tmp_path / "rubric_99_test.py"
    rubric.write_text(HEAD + text)
    return run_rubric(rubric, Request(engine="unix:///nowhere", **values), name="A99", timeout=60)  # type: ignore[arg-type]


def test_points_in_full_in_part_and_none(tmp_path: Path) -> None:
    report = grade(
        tmp_path,
        """
@criterion(points=2)
def test_a():
    "First."

@criterion(points=3, hints=["one", "two"])
def test_b():
    "Second."
    raise Partial(1.5, "half way")

@criterion(points=1)
def test_c():
    "Third."
    assert 1 == 2, "make it two"

@criterion(points=1)
def test_d():
    "Fourth."
    raise Partial(0, "none of it")

def test_no_criterion():
    raise RuntimeError
""",
    )
    assert [(row.points, row.verdict, row.advice) for row in report.rows] == [
        (2.0, Verdict.PASSED, ""),
        (1.5, Verdict.PARTLY, "half way"),
        (0.0, Verdict.FAILED, "make it two"),
        (0.0, Verdict.FAILED, "none of it"),
    ]
    assert (report.points, report.max, report.passed) == (3.5, 7.0, False)
    assert report.rows[1].hints == ("one", "two")


def test_only_the_exercise_asked_for_is_run(tmp_path: Path) -> None:
    text = """
@criterion(points=1, exercise="99.1")
def test_a(answers):
    "First."
    assert answers["x"] == 1, "no"

@criterion(points=1, exercise="99.2")
def test_b():
    "Second."
    raise RuntimeError
"""
    report = grade(tmp_path, text, exercise="99.1", answers={"x": 1})
    assert [row.id for row in report.rows] == ["test_a"]
    assert report.passed


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("@criterion(points=1)\ndef test_a():\n    'A.'\n    1 / 0\n", "ZeroDivisionError"),
        ("@criterion(points=1)\ndef test_a(no_such_fact):\n    'A.'\n", "no_such_fact"),
        ("this is not python\n", "can't be read"),
        ("import os\nos._exit(0)\n", "without a report"),
        ("", "no criteria"),
    ],
    ids=["an error of the rubric", "a fact that does not exist", "not Python", "a process that ends", "empty"],
)
def test_a_broken_rubric_gives_no_score_at_all(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(NotGraded, match=why):
        grade(tmp_path, text)


ODD = """
@criterion(points=1)
def test_a(answers):
    "First."
    assert answers["x"] > 1, "more"

@criterion(points=1)
def test_b():
    "Second."
"""


@pytest.mark.parametrize(
    ("answers", "advice"),
    [
        ({"x": "2"}, "x is a text, '2'"),
        ({"x": [1, 2]}, "x is a list, [1, 2]"),
        ({"x": None}, "x is None, None"),
        ({}, "x is missing"),
    ],
    ids=["text", "list", "None", "missing"],
)
def test_an_answer_of_another_kind_fails_with_advice_and_the_rest_is_graded(
    tmp_path: Path, answers: dict[str, object], advice: str
) -> None:
    odd, fine = grade(tmp_path, ODD, answers=answers).rows
    assert (odd.verdict, odd.points, fine.verdict) == (Verdict.FAILED, 0.0, Verdict.PASSED)
    assert advice in odd.advice
    assert "Error" in odd.trouble and "Error" not in odd.advice


def test_an_error_after_the_answers_of_another_criterion_is_the_rubrics(tmp_path: Path) -> None:
    text = ODD.replace('"Second."', '"Second."\n    int("x")')
    with pytest.raises(NotGraded, match="test_b broke: ValueError"):
        grade(tmp_path, text, answers={"x": 2})


@pytest.mark.parametrize("raised", ["OSError('gone')", "kit.Unavailable('gone')", "MemoryError()", "SystemExit(0)"])
def test_what_the_machine_lacks_is_never_the_learners_matter(tmp_path: Path, raised: str) -> None:
    text = f"import kit\n@criterion(points=1)\ndef test_a(answers):\n    'A.'\n    answers['x']\n    raise {raised}\n"
    with pytest.raises(NotGraded, match="not graded"):
        grade(tmp_path, text, answers={"x": 1})


DEPENDENT = """
def too_small(answers):
    "It is negative: which way does the scale go?"
    return answers["x"] < 0

@criterion(points=1, near=[too_small])
def test_a(answers):
    "It is large."
    assert answers["x"] > 100, "It is too small."

@criterion(points=1, after=[test_a])
def test_b(no_such_fact):
    "It is larger still."

@criterion(points=1, after=[test_b])
def test_c():
    "It is the largest."
"""


def test_what_comes_after_a_failure_fails_with_it_before_its_facts_are_looked_for(tmp_path: Path) -> None:
    first, second, third = grade(tmp_path, DEPENDENT, answers={"x": 1}).rows
    assert first.advice == "It is too small."
    assert second.advice == "First comes this one: It is large."
    assert third.advice == "First comes this one: It is larger still."


def test_a_typical_error_is_told_after_the_advice(tmp_path: Path) -> None:
    first = grade(tmp_path, DEPENDENT, answers={"x": -1}).rows[0]
    assert first.advice == "It is too small.\nIt is negative: which way does the scale go?"


def test_hidden_criteria_live_with_the_instructor_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    text = HEAD + "@criterion(points=2, hints=['h'])\ndef test_secret():\n    'Secret.'\n    assert False, 'told'\n"
    (folder / "rubric_03_more.py").write_text(text)
    (folder / "rubric_77_own.py").write_text(text)
    assert hidden_rubrics("03") == []
    monkeypatch.setenv("LAYERLAB_RUBRICS", str(folder))
    assert hidden_rubrics("03") == [folder / "rubric_03_more.py"]
    assert find_rubric("77") == folder / "rubric_77_own.py"
    assert find_rubric("03").parent != folder, "the course's own rubric stays the public one"
    with pytest.raises(NotFound, match="77"):
        find_rubric("78")

    public = tmp_path / "rubric_99_test.py"
    public.write_text(HEAD + "@criterion(points=1)\ndef test_a():\n    'A.'\n")
    report = run_rubric(public, Request(engine=""), name="A99", hidden=hidden_rubrics("03"))
    assert [(row.title, row.hidden, row.advice) for row in report.rows] == [
        ("A.", False, ""),
        ("Secret.", True, "told"),
    ]
    shown = report.for_learner()
    assert (shown.points, shown.max) == (1.0, 3.0)
    assert "Secret" not in str(shown) and "told" not in shown._repr_html_() and "'h'" not in str(shown.to_json())


def test_a_folder_of_rubrics_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAYERLAB_RUBRICS", "/nowhere/at/all")
    with pytest.raises(NotFound, match="'/nowhere/at/all', which is no directory"):
        find_rubric("03")


def test_a_rubric_that_never_ends_is_ended(tmp_path: Path) -> None:
    rubric = tmp_path / "rubric_99_test.py"
    rubric.write_text("while True: pass\n")
    with pytest.raises(NotGraded, match="more than 2 seconds"):
        run_rubric(rubric, Request(engine=""), name="A99", timeout=2)


def test_the_callers_directory_and_environment_do_not_reach_the_rubric(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('fooled')")
    (tmp_path / "conftest.py").write_text("raise SystemExit('fooled')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SECRET", "hunter2")
    monkeypatch.setenv("PYTEST_ADDOPTS", "--collect-only")
    text = "import os\n@criterion(points=1)\ndef test_a():\n    'A.'\n    assert 'SECRET' not in os.environ, 'seen'\n"
    assert grade(tmp_path, text).passed


def test_an_answer_that_is_no_plain_value_is_refused(tmp_path: Path) -> None:
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(Invalid, match="an answer must be a text, a number"):
        grade(tmp_path, "", answers={"x": deep})
    with pytest.raises(Invalid, match="an answer must be a text, a number"):
        grade(tmp_path, "", answers={"x": {1, 2}})


def test_a_long_answer_reaches_the_rubric(tmp_path: Path) -> None:
    text = "@criterion(points=1)\ndef test_a(answers):\n    'A.'\n    assert len(answers['x']) == 10**6, 'no'\n"
    assert grade(tmp_path, text, answers={"x": "x" * 10**6}).passed


@pytest.mark.parametrize(
    "rows",
    [
        '[{"id":"a","title":"A","points":5,"max":1,"verdict":"passed"}]',
        '[{"id":"a","title":"A","points":NaN,"max":1,"verdict":"passed"}]',
        '[{"id":"a","title":"A","points":-1,"max":1,"verdict":"passed"}]',
        '[{"id":"a","title":"A","points":1,"max":1,"verdict":"perfect"}]',
        "[]",
        "7",
    ],
)
def test_a_report_that_can_not_be_is_no_score(rows: str) -> None:
    with pytest.raises(NotGraded):
        Report.of_json(f'{{"rubric":"A99","rows":{rows}}}')


def test_a_score_is_a_float_that_nbgrader_reads(tmp_path: Path) -> None:
    from nbformat.v4 import new_code_cell, new_output
    from nbgrader.utils import determine_grade

    report = grade(tmp_path, "@criterion(points=3)\ndef test_a():\n    'A.'\n    raise Partial(1.5, 'half')\n")
    value = Score(report)
    data = {"text/plain": repr(value), "text/html": value._repr_html_()}
    cell = new_code_cell(outputs=[new_output("execute_result", data)])
    cell.metadata["nbgrader"] = {"grade": True, "solution": False, "locked": True, "points": 3, "grade_id": "a"}
    assert determine_grade(cell) == (1.5, 3)


def test_an_unknown_rubric_says_which_there_are() -> None:
    assert find_rubric("03").name == "rubric_03_from_scratch.py"
    for name in ("99", "../03", f"03{os.sep}..", "x"):
        with pytest.raises(NotFound, match=r"there are: .*03"):
            find_rubric(name)
