"""The rubric of the capstone: the model solution, what is given, and three images that are bad in several ways."""

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
from kit.lab.registry import stop_registry

NOTEBOOK = Path(__file__).parents[2] / "notebooks/assignments/a11/diet.ipynb"


@pytest.fixture(scope="module")
def teacher(cache: Path, tmp_path_factory: Any) -> Iterator[None]:
    """The embedded engine and a registry, in a teacher's home of its own, with the parents of this notebook."""
    patch, root = pytest.MonkeyPatch(), tmp_path_factory.mktemp("home")
    for name in [name for name in os.environ if name.startswith(("DOCKER_", "LAYERLAB_", "JPY_"))]:
        patch.delenv(name)
    for name, value in {"LAYERLAB_HOME": str(root), "LAYERLAB_STUDENT": "ada", "LAYERLAB_NOTEBOOK": "a11"}.items():
        patch.setenv(name, value)
    patch.setenv("DOCKER_HOST", start_engine(find_home()).docker_host)
    make_parents(kit.connect().client, ["busybox:1", "tools:1"], cache)
    yield
    stop_registry(root)
    stop_engine(find_home())
    patch.undo()


@pytest.fixture(scope="module")
def solution() -> list[str]:
    """The cells of the model solution: set up, project, answer, receipt, score."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def rows(report: Report) -> dict[str, Row]:
    return {row.id.removeprefix("test_"): row for row in report.rows}


def work(solution: list[str], replaced: Mapping[str, str]) -> Report:
    """The report of the model solution with some of its words replaced."""
    kit.reset("a11")
    text, names = "\n".join(solution[2:4]), dict[str, Any]()
    for words, others in replaced.items():
        assert words in text
        text = text.replace(words, others)
    exec("\n".join([*solution[:2], text]), names)
    return graders.check("11", answers={"receipt": names["receipt"]}, context=names["context"])


FULL: Mapping[str, float] = {
    "works": 20,
    "is_small": 25,
    "has_no_dead_weight": 5,
    "tells_no_secret": 5,
    "is_not_root": 4,
    "starts_in_exec_form": 3,
    "has_no_shell": 3,
    "comes_out_twice_the_same": 15,
    "rebuilds_quickly": 3,
    "says_what_it_is": 5,
    "three_names_one_digest": 4,
    "published_what_is_here": 4,
    "a_receipt": 4,
}


@pytest.mark.parametrize(
    ("replaced", "less", "advice"),
    [
        ({}, {}, {}),
        (
            {
                "musl-gcc -static -Os -s": "gcc -static",
                'ENTRYPOINT ["/quoted"]': 'CMD ["/quoted"]',
                "USER 1000\n": "",
                "ARG VERSION=1.0.0\n": "",
                '"1.0.0", "1.0", "1"': '"1.0.0", "1.0"',
                "COPY quoted.c /src/": "COPY . /src/",
                ".digest}": ".config.digest}",
            },
            {
                "works": 2,
                "is_small": 20,
                "is_not_root": 0,
                "says_what_it_is": 3,
                "rebuilds_quickly": 0,
                "three_names_one_digest": 0,
                "published_what_is_here": 0,
                "a_receipt": 0,
            },
            {
                "works": "CMD is replaced by the arguments",
                "is_not_root": "USER is not set",
                "three_names_one_digest": "has no 127.0.0.1",
                "a_receipt": "the digest of the configuration",
            },
        ),
        (
            {
                "FROM scratch\n": "FROM busybox:1\nCOPY secret.txt /tmp/\nRUN rm /tmp/secret.txt\n",
                "secret.txt\\n*.log": "*.log",
                "USER 1000": "USER nobody",
                "touch -d @0": "touch",
            },
            {
                "is_small": 15,
                "tells_no_secret": 0,
                "is_not_root": 0,
                "has_no_shell": 0,
                "comes_out_twice_the_same": 4,
            },
            {"tells_no_secret": "/tmp/secret.txt in layer", "is_not_root": "give a number other than 0"},
        ),
    ],
    ids=["good", "one word each", "a shell and a secret"],
)  # fmt: skip
def test_an_image_gets_what_it_earns(
    teacher: None,
    solution: list[str],
    replaced: Mapping[str, str],
    less: Mapping[str, float],
    advice: Mapping[str, str],
) -> None:
    report = work(solution, replaced)
    assert {name: row.points for name, row in rows(report).items()} == {**FULL, **less}
    assert report.max == 100
    for criterion, words in advice.items():
        assert words in rows(report)[criterion].advice


def test_nothing_delivered_nothing_earned(teacher: None) -> None:
    kit.reset("a11")
    report = graders.check("11")
    assert report.points == 0 and "There is no image" in rows(report)["works"].advice


# ---- exercises; what is right and what is found are run with the notebook


def test_a_plan_gets_a_point_for_each_finding(teacher: None) -> None:
    assert (
        graders.check(
            "11.2", answers={"plan": {"it runs as root": "user", "it needs a shell to start": ["exec"]}}
        ).points
        == 1
    )
    assert graders.check("11.2", answers={"plan": "user"}).points == 0


def test_a_password_is_not_guessed(teacher: None) -> None:
    kit.build(dockerfile="FROM scratch\nCOPY s /tmp/secret.txt\n", files={"s": "held\n"}, tag="ex11/quoted:0")
    assert graders.check("11.1", answers={"found": "guessed"}).points == 0
    assert graders.check("11.1", answers={"found": ""}).points == 0
    assert graders.check("11.1", answers={"found": "held"}).points == 2
