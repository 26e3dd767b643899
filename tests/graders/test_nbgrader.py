"""nbgrader, as a teacher runs it: hand the assignment out, collect, grade; and the scores are the right ones."""

import csv
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ASSIGNMENT = Path(__file__).parents[2] / "notebooks/assignments/a03"
CONFIG = "c.CourseDirectory.course_id = 'images'\nc.ExecutePreprocessor.timeout = 300\n"
HALF = {
    "greet": """\
kit.build(
    dockerfile="FROM busybox:1\\nCOPY greet /\\nCMD /greet\\n",
    files={"greet": kit.elf.tiny(f"Hello, {nonce}\\n")},
    tag="a03/greet:1",
)
""",
    "answers": """\
from graders.clinic import causes

answers = {name: cause if name in ("b1", "b2") else "broken" for name, cause in causes(nonce).items()}
""",
}
"""Prints the word (4 of 4); stands on busybox (0 of 3), so its 2 MB are too many (0 of 4), in shell form (0 of 2),
as root (0 of 2); two diagnoses of four (2 of 4); nothing imported (0 of 1)."""
SCORES = {"honest": 20.0, "half": 6.0, "empty": 0.0}


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory, grading_environment: dict[str, str]) -> Path:
    """A course with the assignment as its source, released, and three submissions, graded."""
    course = tmp_path_factory.mktemp("course")
    (course / "nbgrader_config.py").write_text(CONFIG)
    shutil.copytree(ASSIGNMENT, course / "source/a03")
    nbgrader(course, grading_environment, "generate_assignment", "a03")
    for student, answers in {"honest": solutions(), "half": HALF, "empty": {}}.items():
        submit(course, student, answers)
    nbgrader(course, grading_environment, "autograde", "a03")
    nbgrader(course, grading_environment, "export", "--to=grades.csv")
    return course


def nbgrader(course: Path, environment: dict[str, str], *words: str) -> None:
    command = [sys.executable, "-m", "nbgrader", *words]
    done = subprocess.run(command, cwd=course, env=environment, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]


def solutions() -> dict[str, str]:
    """The teacher's own answers, by cell."""
    source = nbformat.read(ASSIGNMENT / "greet.ipynb", as_version=4)
    marks = [(cell.metadata.get("nbgrader", {}), cell.source) for cell in source.cells]
    return {mark["grade_id"]: text for mark, text in marks if mark.get("solution")}


def submit(course: Path, student: str, answers: dict[str, str]) -> None:
    notebook = nbformat.read(course / "release/a03/greet.ipynb", as_version=4)
    for cell in notebook.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        cell.source = answers.get(name, cell.source)
    place = course / "submitted" / student / "a03"
    place.mkdir(parents=True)
    nbformat.write(notebook, place / "greet.ipynb")


def test_the_learners_version_holds_no_solution(course: Path) -> None:
    text = (course / "release/a03/greet.ipynb").read_text()
    assert "BEGIN SOLUTION" not in text
    assert "elf.tiny" not in text
    assert "how=import" in text, "the task itself is still there"


@pytest.mark.parametrize("student", SCORES)
def test_a_submission_gets_the_points_it_earned(course: Path, student: str) -> None:
    """In one batch on one engine: the empty submission is graded first, between the two others' images."""
    with (course / "grades.csv").open() as table:
        (graded,) = [row for row in csv.DictReader(table) if row["student_id"] == student]
    assert (float(graded["score"]), float(graded["max_score"])) == (SCORES[student], 20.0), outputs(course, student)


def outputs(course: Path, student: str) -> str:
    """What the cells showed, for whoever reads the failure."""
    notebook = nbformat.read(course / f"autograded/{student}/a03/greet.ipynb", as_version=4)
    return "\n".join(str(output) for cell in notebook.cells for output in cell.get("outputs", []))


def test_the_grade_cell_shows_the_report_beside_its_number(course: Path) -> None:
    notebook = nbformat.read(course / "autograded/half/a03/greet.ipynb", as_version=4)
    (output,) = notebook.cells[-1].outputs
    assert output.output_type == "execute_result"
    assert output.data["text/plain"] == "6.0"
    assert "6 of 20 points" in output.data["text/html"]
