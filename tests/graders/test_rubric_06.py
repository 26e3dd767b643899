"""The rubric of notebook 06, on shops that are quick and on shops that are slow in one way each."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import nbformat
import pytest

import graders
import kit
from graders.report import Report

pytestmark = pytest.mark.timeout(600)
NOTEBOOK = Path(__file__).parents[2] / "notebooks/assignments/a06/shop.ipynb"
QUICK = """\
FROM busybox:1
WORKDIR /app
ENV MODE=production
COPY packages.txt install.sh ./
COPY vendor/ vendor/
RUN ./install.sh
COPY . .
CMD ["cat", "page"]
"""
ARTICLE = 'FROM busybox:1\nWORKDIR /app\nADD . /app\nRUN ./install.sh\nCMD ["cat", "page"]\n'
IGNORE = ".git\nREADME\n*.log\nnode_modules\n"
GOOD: Mapping[str, float] = {
    "prints_the_page": 3,
    "a_page_leaves_the_packages_alone": 5,
    "a_list_changes_the_packages": 3,
    "what_nobody_needs_changes_nothing": 3,
    "a_page_runs_two_steps": 2,
    "holds_nothing_of_the_workshop": 2,
    "is_calm_and_in_production": 2,
}
Grade = Callable[..., Report]


@pytest.fixture(scope="module")
def teacher(teacher: pytest.MonkeyPatch) -> Iterator[None]:
    """With what this notebook leaves there taken away at the end."""
    yield
    kit.reset("a06")


@pytest.fixture
def grade(teacher: None, dockerd: Any, tmp_path: Path) -> Iterator[Grade]:
    """The report on a shop made of this Dockerfile and this ``.dockerignore``."""
    name = "llrubric06/shop:1"

    def make(dockerfile: str = QUICK, ignore: str = IGNORE, *, task: str = "06") -> Report:
        project = tmp_path / "project"
        shutil.copytree(graders.project("06"), project, dirs_exist_ok=True)
        (project / "Dockerfile").write_text(dockerfile)
        (project / ".dockerignore").write_text(ignore)
        kit.build(project, tag=name)
        return graders.check(task, name, context=project)

    yield make
    dockerd.images.remove(name, force=True)


def points(report: Report) -> dict[str, float]:
    return {row.id.removeprefix("test_"): row.points for row in report.rows}


@pytest.mark.parametrize(
    ("dockerfile", "ignore", "less", "advice"),
    [
        (QUICK, IGNORE, {}, "20 of 20"),
        (
            ARTICLE,
            "",
            {
                "a_page_leaves_the_packages_alone": 0,
                "what_nobody_needs_changes_nothing": 0,
                "a_page_runs_two_steps": 0,
                "holds_nothing_of_the_workshop": 0,
                "is_calm_and_in_production": 1,
            },
            "Which line above the installation reads page?",
        ),
        (
            QUICK.replace("RUN ./install.sh\nCOPY . .\n", "COPY . .\nRUN ./install.sh\n"),
            IGNORE,
            {"a_page_leaves_the_packages_alone": 0, "a_page_runs_two_steps": 0},
            "Which line above the installation reads page?",
        ),
        (
            QUICK,
            IGNORE.replace("*.log\n", ""),
            {"what_nobody_needs_changes_nothing": 1.5, "holds_nothing_of_the_workshop": 0},
            "/app/debug.log is in it",
        ),
    ],
    ids=["quick", "the article's", "the list and the dot first", "a log is sent"],
)
def test_a_shop_gets_what_it_earns(
    grade: Grade, dockerfile: str, ignore: str, less: Mapping[str, float], advice: str
) -> None:
    report = grade(dockerfile, ignore)
    assert report.max == 20
    assert points(report) == {**GOOD, **less}
    assert advice in str(report)


def test_the_model_solution_gets_full_marks(teacher: None) -> None:
    *cells, last = [cell.source for cell in nbformat.read(NOTEBOOK, as_version=4).cells if cell.cell_type == "code"]
    names: dict[str, Any] = {}
    exec("\n".join(cells), names)
    assert eval(last, names) == 20


def test_without_a_directory_nothing_can_be_built_again(teacher: None) -> None:
    report = graders.check("06", "llrubric06/nothing:1")
    assert report.points == 0
    assert "which directory you build from" in str(report)


# ---- exercises


@pytest.mark.parametrize(
    ("answers", "earned"),
    [
        (
            dict.fromkeys(["nothing", "page touched"], False) | dict.fromkeys(["page edited", "README edited"], True),
            4,
        ),
        ({"nothing": 0, "page touched": "no", "page edited": 1}, 0),
    ],
    ids=["one is missing", "no truth values"],
)
def test_a_prediction_gets_a_point_for_each_that_is_right(
    teacher: None, answers: Mapping[str, Any], earned: float
) -> None:
    assert graders.check("06.1", answers=answers).points == earned


def test_order_and_what_is_sent(grade: Grade) -> None:
    assert points(grade(task="06.2")) == {
        "an_edit_leaves_the_installation_alone": 2,
        "an_edit_runs_two_steps": 1,
    }
    assert grade(ARTICLE, task="06.2").points == 0
    assert grade(task="06.3").points == 2
    assert grade(ignore="README\n", task="06.3").points == 1


def test_a_version_as_late_as_possible(grade: Grade) -> None:
    label = "LABEL version=$VERSION\n"
    late = QUICK.replace("CMD", f"ARG VERSION=dev\n{label}CMD")
    early = QUICK.replace("WORKDIR", "ARG VERSION=dev\nWORKDIR").replace("CMD", f"{label}CMD")
    assert grade(late, task="06.4").points == 2
    assert points(grade(early, task="06.4")) == {
        "a_version_leaves_the_installation_alone": 0,
        "a_version_reaches_the_label": 1,
    }
    assert grade(task="06.4").points == 1
