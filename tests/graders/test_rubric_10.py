"""The rubric of notebook 10: what is shipped, and whether it comes out the same; good, and bad in one way each."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import nbformat
import pytest

import graders
import kit
from graders.report import Report, Row
from kit.lab.engine import start_engine, stop_engine
from kit.lab.home import find_home
from kit.lab.parents import make_parents

NOTEBOOK = Path(__file__).parents[2] / "notebooks/assignments/a10/twice.ipynb"


@pytest.fixture(scope="module")
def teacher(cache: Path, tmp_path_factory: Any) -> Iterator[None]:
    """The embedded engine, in a teacher's home of its own, with the parents of this notebook."""
    patch, root = pytest.MonkeyPatch(), tmp_path_factory.mktemp("home")
    for name in [name for name in os.environ if name.startswith(("DOCKER_", "LAYERLAB_", "JPY_"))]:
        patch.delenv(name)
    for name, value in {"LAYERLAB_HOME": str(root), "LAYERLAB_STUDENT": "ada", "LAYERLAB_NOTEBOOK": "a10"}.items():
        patch.setenv(name, value)
    patch.setenv("DOCKER_HOST", start_engine(find_home()).docker_host)
    make_parents(kit.connect().client, ["busybox:1", "tools:1"], cache)
    yield
    stop_engine(find_home())
    patch.undo()


@pytest.fixture(scope="module")
def solution() -> list[str]:
    """The cells of the model solution: set up, project, answer, score."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def rows(report: Report) -> dict[str, Row]:
    return {row.id.removeprefix("test_"): row for row in report.rows}


def points(report: Report) -> dict[str, float]:
    return {name: row.points for name, row in rows(report).items()}


def work(solution: list[str], replaced: Mapping[str, str]) -> dict[str, Any]:
    """Runs the model solution up to its score, with some of its words replaced; what its names hold then."""
    text, names = solution[2], dict[str, Any]()
    for words, others in replaced.items():
        assert words in text
        text = text.replace(words, others)
    exec("\n".join([*solution[:2], text]), names)
    return names


FULL: Mapping[str, float] = {
    "prints_your_word": 3,
    "ships_no_kitchen": 4,
    "is_small": 4,
    "comes_out_twice_the_same": 6,
    "tells_its_revision": 3,
}
FROM = "COPY --from=kitchen "
COPY = FROM + "/out/ /"
STATIC = ("musl-gcc -static -Os -s", "gcc -static")


@pytest.mark.parametrize(
    ("replaced", "less", "advice"),
    [
        ({}, {}, {}),
        (
            {STATIC[0]: STATIC[1], "RUN mkdir": "RUN sleep 1 && mkdir", "find /out -exec touch -d @0 {} +": "true"},
            {"is_small": 2, "comes_out_twice_the_same": 0},
            {"comes_out_twice_the_same": "Not one layer"},
        ),
        (
            {
                COPY: f"{FROM}/out/word /\n{FROM}/out/data/word.txt /data/",
                "ARG REVISION=unknown\n": "",
                "COPY word.c": "ARG REVISION\nCOPY word.c",
            },
            {"comes_out_twice_the_same": 3, "tells_its_revision": 0},
            {
                "comes_out_twice_the_same": "1 of 2 layers",
                "tells_its_revision": "An ARG is known in the stage that declares it",
            },
        ),
        (
            {COPY: f"{COPY}\n{FROM}/usr/bin/ /usr/bin/"},
            {"ships_no_kitchen": 0, "is_small": 0, "comes_out_twice_the_same": 3},
            {"ships_no_kitchen": "carried over with the rest"},
        ),
        (
            {COPY: f"{COPY}\nCOPY word.c /"},
            {"ships_no_kitchen": 2},
            {"ships_no_kitchen": "It ships the source: /word.c"},
        ),
    ],
    ids=["good", "glibc, without a time", "a directory made by COPY", "a whole tree", "the source"],
)  # fmt: skip
def test_an_image_gets_what_it_earns(
    teacher: None,
    solution: list[str],
    replaced: Mapping[str, str],
    less: Mapping[str, float],
    advice: Mapping[str, str],
) -> None:
    names = work(solution, replaced)
    report = graders.check("10", context=names["context"])
    assert points(report) == {**FULL, **less} and report.max == 20
    for criterion, words in advice.items():
        assert words in rows(report)[criterion].advice


def test_what_is_given_works_and_earns_little(teacher: None, solution: list[str]) -> None:
    names = work([*solution[:2], 'kit.build(context, tag="a10/word:1")'], {})
    report = graders.check("10", context=names["context"])
    assert points(report) == dict.fromkeys(FULL, 0) | {"prints_your_word": 3, "comes_out_twice_the_same": 3}


# ---- exercises; what is right and what is found are run with the notebook


@pytest.mark.parametrize(
    ("order", "earned"),
    [(["fat", "shell", "static", "musl"], 4), (["fat", "static", "shell", "musl"], 2), (["fat"], 1), ("fat", 0)],
)
def test_each_place_counts(teacher: None, order: Any, earned: float) -> None:
    assert graders.check("10.1", answers={"order": order}).points == earned


def test_each_reason_counts(teacher: None) -> None:
    reasons = {"a": "file times", "b": "chance", "c": "equal", "d": ["clock"]}
    assert graders.check("10.4", answers={"reasons": reasons}).points == 3
    assert graders.check("10.4", answers={"reasons": []}).points == 0


def test_a_hidden_compiler_is_found(teacher: None) -> None:
    kit.build(dockerfile="FROM tools:1\nRUN rm -rf /usr/bin/*gcc* /usr/libexec\n", tag="ex10/hidden:1")
    assert "hidden, not gone" in str(graders.check("10.2", "ex10/hidden:1"))
