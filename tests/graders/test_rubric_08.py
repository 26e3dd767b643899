"""The rubric of notebook 08: the year of a release manager, done well and done badly in one way each."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import nbformat
import pytest

import graders
import kit
from graders.releases import STEPS, expected, numbers
from graders.report import Report
from kit.lab.registry import stop_registry

pytestmark = pytest.mark.timeout(600)
NOTEBOOK = Path(__file__).parents[2] / "notebooks/assignments/a08/release.ipynb"
Build = Callable[[str, str], None]


@pytest.fixture(scope="module")
def teacher(teacher: pytest.MonkeyPatch, grading_environment: dict[str, str]) -> Iterator[None]:
    """With what this notebook leaves there taken away at the end."""
    teacher.setenv("LAYERLAB_NOTEBOOK", "a08")
    yield
    kit.reset("a08")
    stop_registry(Path(grading_environment["LAYERLAB_HOME"]))


@pytest.fixture
def build(teacher: None) -> Iterator[Build]:
    """Builds an image that prints a text, under a name of the lesson; all of these go at the end."""

    def make(text: str, name: str) -> None:
        dockerfile = 'FROM scratch\nCOPY app /\nLABEL pinned=yes\nCMD ["/app"]\n'
        kit.build(dockerfile=dockerfile, files={"app": kit.elf.tiny(text)}, tag=name)

    yield make
    kit.reset("08")


def points(report: Report) -> dict[str, float]:
    return {row.id.removeprefix("test_"): row.points for row in report.rows}


GOOD: Mapping[str, float] = {
    "releases_never_moved": 4,
    "rows_lead_to_their_newest": 4,
    "majors_lead_to_their_newest": 3,
    "latest_is_not_the_last_build": 3,
    "rolled_back_and_forward": 3,
    "deploys_by_digest": 3,
}


@pytest.fixture(scope="module")
def solved(teacher: None) -> dict[str, Any]:
    """The kernel of somebody who ran the model solution; its releases are in the engine and in the registry."""
    *cells, last = [cell.source for cell in nbformat.read(NOTEBOOK, as_version=4).cells if cell.cell_type == "code"]
    names: dict[str, Any] = {}
    exec("\n".join(cells), names)
    names["points"] = eval(last, names)
    return names


def test_the_model_solution_gets_full_marks(solved: Mapping[str, Any]) -> None:
    assert solved["points"] == 20
    moving = [{tag: leads for tag, leads in state.items() if tag.count(".") < 2} for state in solved["log"]]
    assert moving == expected()


# What others do with the tags, as ``log`` would tell it.


def last_build(tags: dict[str, str], action: str, version: str) -> None:
    """latest is whatever was built last, and a roll back is no build."""
    if action == "release":
        minor, major = version.rpartition(".")[0], version.partition(".")[0]
        tags |= {minor: version, major: version, "latest": version}


def rolls_back_latest_only(tags: dict[str, str], action: str, version: str) -> None:
    """Everything by numbers, but in a roll back the row and the major version are forgotten."""
    known = sorted({*tags.get("", "").split(), version} - {""}, key=numbers)
    tags[""] = " ".join(one for one in known if action == "release" or one != version)
    for one in tags[""].split():
        tags["latest"] = one
    for one in known:
        minor, major = one.rpartition(".")[0], one.partition(".")[0]
        tags |= {minor: one, major: one}


def only_at_the_end(tags: dict[str, str], action: str, version: str) -> None:
    """All is put in order after the last release."""
    if version == STEPS[-1][1]:
        tags |= expected()[-1]


def year(after: Callable[[dict[str, str], str, str], None]) -> list[dict[str, str]]:
    log, tags, released = list[dict[str, str]](), dict[str, str](), dict[str, str]()
    for action, version in STEPS:
        released |= {version: version}
        after(tags, action, version)
        log.append({tag: leads for tag, leads in tags.items() if tag} | released)
    return log


@pytest.mark.parametrize(
    ("after", "less", "advice"),
    [
        (
            last_build,
            {"latest_is_not_the_last_build": 0, "rolled_back_and_forward": 0},
            "after “release 1.1.1” latest leads to 1.1.1, not to 2.0.0",
        ),
        (rolls_back_latest_only, {"rolled_back_and_forward": 1}, "after “roll back 2.1.0” 2.1 leads to 2.1.0"),
        (
            only_at_the_end,
            {
                "rows_lead_to_their_newest": 2,
                "majors_lead_to_their_newest": 1.5,
                "latest_is_not_the_last_build": 0,
                "rolled_back_and_forward": 0,
            },
            "after “release 1.0.0” 1.0 leads to nothing",
        ),
    ],
    ids=["latest is the last build", "half a roll back", "only at the end"],
)
def test_a_year_gets_what_it_earns(
    solved: Mapping[str, Any],
    after: Callable[[dict[str, str], str, str], None],
    less: Mapping[str, float],
    advice: str,
) -> None:
    report = graders.check("08", answers={"log": year(after), "deploy": solved["deploy"]})
    assert report.max == 20
    assert points(report) == {**GOOD, **less}
    assert advice in str(report)


def test_a_release_that_was_built_again_under_its_name(solved: Mapping[str, Any], build: Build) -> None:
    log = [dict(state) for state in solved["log"]]
    for state in log[4:]:
        state["1.1.0"] = "?"
    report = graders.check("08", answers={"log": log, "deploy": solved["deploy"]})
    assert points(report) == {**GOOD, "releases_never_moved": 3}
    assert "1.1.0: moved" in str(report)


@pytest.mark.parametrize(
    ("deploy", "earned"),
    [
        (lambda deploy: {name: pinned.partition("@")[0] + ":" + name for name, pinned in deploy.items()}, 0),
        (lambda deploy: {**deploy, "2.0.1": deploy["2.1.1"]}, 2),
        (lambda deploy: {**deploy, "2.0.1": deploy["2.0.1"][:-64] + "0" * 64}, 2),
        (lambda deploy: {**deploy, "2.0.1": "no name@sha256:1"}, 2),
        (lambda deploy: {**deploy, "2.0.1": 7}, 2),
        (lambda deploy: list(deploy.values()), 0),
    ],
    ids=["tags", "another release", "a digest of nothing", "no name", "a number", "a list"],
)
def test_what_is_deployed(solved: Mapping[str, Any], deploy: Callable[[Any], Any], earned: float) -> None:
    report = graders.check("08", answers={"log": solved["log"], "deploy": deploy(solved["deploy"])})
    assert points(report) == {**GOOD, "deploys_by_digest": earned}


@pytest.mark.parametrize("log", [None, "text", [], [1] * len(STEPS), [{"latest": []}] * len(STEPS)])
def test_a_log_of_another_kind_gets_advice(solved: Mapping[str, Any], log: Any) -> None:
    report = graders.check("08", answers={"log": log, "deploy": solved["deploy"]})
    assert points(report) == {**dict.fromkeys(GOOD, 0), "deploys_by_digest": 3}


# ---- exercises


@pytest.mark.parametrize(
    ("task", "answers", "earned"),
    [
        ("08.1", {"parts": {"hello": ["docker.io", "library/hello", "latest"], "app:5000": ["app", "5000", ""]}}, 1),
        ("08.1", {"parts": "hello"}, 0),
        ("08.2", {"after": {"ex08/mv:latest": "version 3", "ex08/mv:2": "version 2", "without a name": 1}}, 3),
        ("08.2", {"after": {"ex08/mv:latest": "version 2", "ex08/mv:2": "version 2", "without a name": 0}}, 1),
        ("08.2", {}, 0),
    ],
)
def test_what_is_known_gets_its_points(teacher: None, task: str, answers: Mapping[str, Any], earned: float) -> None:
    assert graders.check(task, answers=answers).points == earned


def test_a_name_given_back(build: Build) -> None:
    for version, tag in itertools.zip_longest("123", ("1", "2", "latest")):
        build(f"version {version}\n", f"ex08/mv:{tag}")
    assert graders.check("08.3").points == 2
    build("version 3\n", "ex08/mv:1")
    report = graders.check("08.3")
    assert report.points == 1
    assert "ex08/mv:1 prints 'version 3', not 'version 1'" in str(report)


def test_names_without_a_build(build: Build) -> None:
    build("version 1.2.3\n", "ex08/release:1.2.3")
    for tag in ("1.2", "1", "wip"):
        kit.tag("ex08/release:1.2.3", f"ex08/release:{tag}")
    assert points(graders.check("08.4")) == {"three_names_for_one_image": 2, "the_image_lost_a_name_only": 0}
    build("version 1.2\n", "ex08/release:1.2")
    assert points(graders.check("08.4"))["three_names_for_one_image"] == 0


def test_a_pinned_parent(build: Build) -> None:
    build("version 1.0.0\n", "ex08/pinned:1")
    assert graders.check("08.5", answers={"parent": f"a/b@sha256:{'0' * 64}"}).points == 2
    assert graders.check("08.5", answers={"parent": "a/b:stable"}).points == 1
    build("version 1.1.0\n", "ex08/pinned:1")
    assert graders.check("08.5", answers={"parent": "a/b:stable"}).points == 0
