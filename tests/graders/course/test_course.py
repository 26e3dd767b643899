"""A course from ``layerlab course init`` to exported grades: nbgrader's own commands, all the way round."""

import contextlib
import csv
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook
from nbgrader.apps import NbGraderAPI

from graders.course.course import Course
from graders.course.grade import grade
from graders.course.init import ASSIGNMENTS, init
from kit.errors import Conflict, NotFound

pytestmark = pytest.mark.timeout(900)

CONFIG = """
c.Grading.parents = ["busybox:1"]
c.Exchange.root = {exchange!r}
c.LateSubmissionPlugin.penalty_method = "zero"
"""


ME = pwd.getpwuid(os.geteuid()).pw_name
"""Who hands in: nbgrader's exchange asks the system."""
NEXT, LAST = f"{ME}-b", f"{ME}-c"


class School:
    """A course, an exchange, and learners with directories of their own."""

    def __init__(self, place: Path, environment: dict[str, str]) -> None:
        self.root, self.place, self.environment = place / "images", place, environment
        (place / "exchange").mkdir()
        (place / "exchange").chmod(0o777)

    def run(self, *words: str, cwd: Path | None = None, program: str = "nbgrader") -> str:
        command = [sys.executable, "-m", program, *words]
        done = subprocess.run(
            command, cwd=cwd or self.root, env=self.environment, capture_output=True, text=True, timeout=600
        )
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
        return done.stdout

    def again(self) -> None:
        """Grades once more, as the formgrader's button does."""
        with standing_in(self.root), with_environment(self.environment):
            done = NbGraderAPI(config=Course.at(self.root).directory.config).autograde("a03", ME, force=True)
        assert done["success"], done

    def score(self, student: str = ME) -> float:
        with Gradebook(f"sqlite:///{self.root}/gradebook.db") as gradebook:
            return float(gradebook.find_submission("a03", student).score)


@contextlib.contextmanager
def standing_in(directory: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(directory)
    try:
        yield
    finally:
        os.chdir(before)


@contextlib.contextmanager
def with_environment(environment: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(environment)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def solution_of(name: str) -> str:
    source = nbformat.read(ASSIGNMENTS / "a03/greet.ipynb", as_version=4)
    return next(str(c.source) for c in source.cells if c.metadata.get("nbgrader", {}).get("grade_id") == name)


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory, course_environment: dict[str, str]) -> School:
    """Assignment A03 was released, fetched, done by Ada without the diagnoses, submitted, collected and graded."""
    school = School(tmp_path_factory.mktemp("school"), course_environment)
    school.run("course", "init", str(school.root), "--assignment", "a03", cwd=school.place, program="kit.lab.cli")
    with (school.root / "nbgrader_config.py").open("a") as config:
        config.write(CONFIG.format(exchange=str(school.place / "exchange")))
    school.run("generate_assignment", "a03")
    school.run("release_assignment", "a03")
    ada = school.place / "ada"
    ada.mkdir()
    exchange = f"c.Exchange.root = {str(school.place / 'exchange')!r}\n"
    settings = "c = get_config()\nc.CourseDirectory.course_id = 'images'\n"
    (ada / "nbgrader_config.py").write_text(settings + exchange)
    school.run("fetch_assignment", "a03", cwd=ada)
    notebook = nbformat.read(ada / "a03/greet.ipynb", as_version=4)
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("grade_id") in ("greet", "base"):
            cell.source = solution_of(cell.metadata["nbgrader"]["grade_id"])
    nbformat.write(notebook, ada / "a03/greet.ipynb")
    school.run("submit", "a03", cwd=ada)
    school.run("collect", "a03")
    school.run("autograde", "a03")
    return school


def test_the_release_holds_neither_solutions_nor_rubrics(school: School) -> None:
    for path in (school.root / "release").rglob("*"):
        assert path.is_dir() or "elf.tiny" not in path.read_text()
    assert not list((school.root / "release").rglob("*.py"))


def test_the_score_is_what_the_work_is_worth(school: School) -> None:
    """15 for the image, 1 for the import, nothing for the diagnoses."""
    assert school.score() == 16
    notebook = nbformat.read(school.root / "autograded" / ME / "a03/greet.ipynb", as_version=4)
    (output,) = notebook.cells[-1].outputs
    assert output.data["text/plain"] == "16.0"
    assert "16 of 20 points" in output.data["text/html"]


def test_export_and_feedback_are_nbgraders_own(school: School) -> None:
    school.run("export", "--to=grades.csv")
    with (school.root / "grades.csv").open() as table:
        (row,) = list(csv.DictReader(table))
    assert (row["student_id"], float(row["score"]), float(row["max_score"])) == (ME, 16.0, 20.0)
    school.run("generate_feedback", "a03")
    page = (school.root / "feedback" / ME / "a03/greet.html").read_text()
    assert "16 of 20 points" in page
    assert "You found why b1, b2, b3 and b4 do not start" in page


@pytest.mark.slow
def test_a_manual_score_lasts_and_late_work_is_penalised_as_nbgrader_does(school: School) -> None:
    with Gradebook(f"sqlite:///{school.root}/gradebook.db") as gradebook:
        gradebook.find_grade("score", "greet", "a03", ME).manual_score = 7
        gradebook.db.commit()
    school.again()
    assert school.score() == 7
    with Gradebook(f"sqlite:///{school.root}/gradebook.db") as gradebook:
        gradebook.find_grade("score", "greet", "a03", ME).manual_score = None
        gradebook.update_or_create_assignment("a03", duedate=datetime(2020, 1, 1))
    school.again()
    with Gradebook(f"sqlite:///{school.root}/gradebook.db") as gradebook:
        assert gradebook.find_submission("a03", ME).late_submission_penalty == 16, "the penalty takes everything"
    with Gradebook(f"sqlite:///{school.root}/gradebook.db") as gradebook:
        gradebook.update_or_create_assignment("a03", duedate=datetime(2999, 1, 1))
    school.again()
    assert school.score() == 16


@pytest.mark.slow
def test_nothing_is_examined_twice_and_a_changed_submission_is(school: School) -> None:
    results = school.root / ".layerlab/results"
    before = {path.name: path.stat().st_mtime_ns for path in results.iterdir()}
    with with_environment(school.environment):
        graded = grade(Course.at(school.root), "a03", lambda line: None)
        assert [entry.points for entry in graded.entries] == [16]
        assert {path.name: path.stat().st_mtime_ns for path in results.iterdir()} == before
        path = school.root / "submitted" / ME / "a03/greet.ipynb"
        path.chmod(0o644)
        path.write_text(path.read_text().replace("a03/base", "a03/best"))
        graded = grade(Course.at(school.root), "a03", lambda line: None)
    assert [entry.points for entry in graded.entries] == [15]
    assert school.score() == 15
    assert len(list(results.iterdir())) == 2
    assert "15" in (graded.pages / "scores.csv").read_text()


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on_where_it_ended(school: School) -> None:
    """Killed with nobody to clean up: nothing is lost, nobody is silently zero."""
    submitted = school.root / "submitted"
    text = (submitted / ME / "a03/greet.ipynb").read_text()
    for student in (NEXT, LAST):
        (submitted / student / "a03").mkdir(parents=True)
        (submitted / student / "a03/greet.ipynb").write_text(text)
    command = [sys.executable, "-m", "kit.lab.cli", "grade", "a03", "--jobs", "1"]
    process = subprocess.Popen(command, cwd=school.root, env=school.environment, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if NEXT in line:  # my result is known, the next one is done, the last one is under way
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    with with_environment(school.environment):
        graded = grade(Course.at(school.root), "a03", lambda line: None)
    assert [(entry.student, entry.points) for entry in graded.entries] == [(ME, 15), (NEXT, 15), (LAST, 15)]
    assert [school.score(student) for student in (ME, NEXT, LAST)] == [15, 15, 15]


@pytest.mark.slow
def test_a_broken_rubric_grades_nobody_and_says_why(school: School, tmp_path: Path) -> None:
    """Neither zero nor full marks: no score, and nbgrader's is left as it was."""
    (tmp_path / "rubric_03_broken.py").write_text("raise RuntimeError('the rubric is broken')\n")
    with with_environment(school.environment):
        course = Course.at(school.root)
        course.settings.rubrics = str(tmp_path)
        graded = grade(course, "a03", lambda line: None)
    assert not graded.whole
    assert all("the rubric is broken" in entry.why_not for entry in graded.entries), graded.entries
    assert "not graded" in (graded.pages / "scores.csv").read_text()
    assert school.score() == 15


def test_a_course_is_made_once_and_of_assignments_that_exist(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="there is no assignment 'a99'"):
        init(tmp_path, assignments=["a99"])
    assert init(tmp_path, assignments=["a01"]) == ["a01"]
    with pytest.raises(Conflict, match="is a course already"):
        init(tmp_path)
