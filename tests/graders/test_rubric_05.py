"""The rubric of notebook 05, on families that are good and on families that are bad in one way each."""

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import nbformat
import pytest

import graders
import kit
from graders.family import versions
from graders.report import Report, Row

NOTEBOOK = Path(__file__).parents[2] / "notebooks/assignments/a05/family.ipynb"
LABEL = "LABEL org.opencontainers.image.base.name"
TOOLS = (
    f"FROM a05/base:1\n{LABEL}=a05/base:1\nCOPY words /usr/local/share/words\nCOPY report search /usr/local/bin/\n"
)
LEAF = f"FROM a05/tools:1\n{LABEL}=a05/tools:1\nCOPY leaf /etc/leaf\n"
REPORT = LEAF.replace("leaf", "report") + 'CMD ["report"]\n'
SEARCH = LEAF.replace("leaf", "search") + 'ENTRYPOINT ["search"]\n'
BASE = 'FROM scratch\nADD rootfs.tar /\nCMD ["sh"]\n'
AGAIN = "COPY words /usr/local/share/words\n"
GOOD: Mapping[str, float] = {
    "family_is_there_and_works": 4,
    "stand_on_each_other": 6,
    "leaves_are_light": 2,
    "family_stores_little": 2,
    "children_name_their_parents": 3,
    "knows_what_is_inside": 3,
}


@pytest.fixture(scope="module")
def teacher(teacher: pytest.MonkeyPatch) -> Iterator[None]:
    """With what this notebook leaves there taken away at the end."""
    yield
    kit.reset("a05")


@pytest.fixture(scope="module")
def project(teacher: None) -> Mapping[str, Path]:
    """The files that are handed out, with the leaves' own under the names that their Dockerfiles use."""
    directory = graders.project("05")
    files = {path.name: path for path in directory.iterdir()}
    return files | {"report_": directory / "report.txt", "search_": directory / "search.txt"}


@pytest.fixture
def found(project: Mapping[str, Path]) -> Callable[..., Report]:
    """Founds a family of these Dockerfiles, and grades it."""

    def make(base: str = BASE, tools: str = TOOLS, report: str = REPORT, search: str = SEARCH) -> Report:
        kit.reset("a05")
        programs = {name: project[name] for name in ("words", "report", "search", "rootfs.tar")}
        kit.build(dockerfile=base, files=programs, tag="a05/base:1")
        kit.build(dockerfile=tools, files=programs, tag="a05/tools:1")
        time.sleep(1.1)  # layers tell times in seconds: what is copied again in the same one is the same layer
        for name, dockerfile in {"report": report, "search": search}.items():
            files = {**programs, name: project[f"{name}_"]}
            kit.build(dockerfile=dockerfile, files=files, tag=f"a05/{name}:1")
        return graders.check("05", answers={"versions": versions(graders.nonce("05"))})

    return make


def rows(report: Report) -> dict[str, Row]:
    return {row.id.removeprefix("test_"): row for row in report.rows}


def points(report: Report) -> dict[str, float]:
    return {name: row.points for name, row in rows(report).items()}


@pytest.mark.parametrize(
    ("dockerfiles", "less", "advice"),
    [
        ({}, {}, []),
        (
            {"search": SEARCH.replace("FROM a05/tools:1", f"FROM a05/base:1\n{AGAIN}COPY words /bin/search")},
            {
                "family_is_there_and_works": 3,
                "stand_on_each_other": 4,
                "leaves_are_light": 1,
                "family_stores_little": 0,
            },
            ["they are siblings, not grandchildren", "a05/search:1 on a05/tools:1", "has the parent already?"],
        ),
        (
            {
                "report": REPORT.replace(f"{LABEL}=a05/tools:1\n", AGAIN),
                "search": SEARCH.replace("ENTRYPOINT", "CMD"),
            },
            {
                "family_is_there_and_works": 3,
                "leaves_are_light": 1,
                "family_stores_little": 0,
                "children_name_their_parents": 2,
            },
            ["a05/report:1 says 'a05/base:1'", "A child inherits", "a05/search:1 cache: exit code"],
        ),
        (
            {"base": BASE.replace("ADD", "COPY words /extra\nADD"), "tools": TOOLS.replace(LABEL, "LABEL base")},
            {"stand_on_each_other": 0, "children_name_their_parents": 2},
            ["a05/base:1 has 2 layers", "a05/tools:1 says None"],
        ),
    ],
    ids=["good", "a leaf beside the tools", "words again, label inherited", "a base of two layers"],
)
def test_a_family_gets_what_it_earns(
    found: Callable[..., Report], dockerfiles: Mapping[str, str], less: Mapping[str, float], advice: list[str]
) -> None:
    report = found(**dockerfiles)
    assert points(report) == {**GOOD, **less}
    assert report.max == 20
    told = "\n".join(row.advice for row in report.rows)
    assert [text for text in advice if text not in told] == []


def test_nothing_built_nothing_earned(teacher: None) -> None:
    kit.reset("a05")
    report = graders.check("05", answers={"versions": 5})
    assert report.points == 0
    assert "There is no image a05/base:1 yet" in str(report)


@pytest.mark.parametrize(
    ("said", "earned", "advice"),
    [
        ({"db": "10.5", "cache": "7.2", "shop": "2.0"}, 0, "Ask the program, not the tag"),
        ({"db": "11.8.99", "cache": None}, 0, "Look again at db, cache, shop"),
    ],
)
def test_a_tag_is_no_version(teacher: None, said: Any, earned: float, advice: str) -> None:
    row = rows(graders.check("05", answers={"versions": said}))["knows_what_is_inside"]
    assert (row.points, advice in row.advice) == (earned, True)


def test_other_learners_have_other_versions() -> None:
    assert len({tuple(versions(f"learner {number}").values()) for number in range(50)}) > 45


def test_the_model_solution_gets_full_marks(teacher: None) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    *cells, last = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    names: dict[str, Any] = {}
    exec("\n".join(cells), names)
    assert eval(last, names) == 20


# ---- exercises


@pytest.mark.parametrize(("answers", "earned"), [({}, 0), ({"scratch is a base image": False}, 1)])
def test_words_get_a_point_each(teacher: None, answers: Any, earned: float) -> None:
    assert graders.check("05.1", answers=answers).points == earned


@pytest.fixture
def build(teacher: None, dockerd: Any) -> Iterator[Callable[..., str]]:
    """Builds an image under this name; all are removed at the end."""
    names: list[str] = []

    def make(name: str, dockerfile: str, **options: Any) -> str:
        kit.build(dockerfile=dockerfile, tag=name, **options)
        names.append(name)
        return name

    yield make
    for name in reversed(names):
        dockerd.images.remove(name, force=True)


def test_an_estimate_may_be_two_per_cent_off(build: Callable[..., str]) -> None:
    base = kit.image("busybox:1").stored
    for name in ("one", "two", "three"):
        build(f"ex05/{name}:1", "FROM busybox:1\nCOPY data /\n", files={"data": name * 1000})

    def check(listed: Any, stored: Any) -> float:
        return graders.check("05.2", answers={"listed": listed, "stored": stored}).points

    assert check(3 * base, base) == 2
    assert check(3 * base * 1.01, 3 * base) == 1
    assert check("much", True) == 0


def test_the_nearest_parent_counts(
    build: Callable[..., str], dockerd: Any, request: pytest.FixtureRequest, cache: Path
) -> None:
    from kit.lab.parents import make_parents

    request.getfixturevalue("debian13_tar")
    make_parents(dockerd, ["web:1", "debian:13"], cache)
    build("ex05/tool:1", "FROM web:1\nCOPY tool /\n", files={"tool": "tool"})
    for number in range(1, 7):
        parent = "ex05/tool:1" if number > 3 else "busybox:1"
        build(f"ex05/stranger{number}:1", f"FROM {parent}\nCOPY mark /\n", files={"mark": str(number)})
    right = {f"stranger{number}": "ex05/tool:1" if number > 3 else "busybox:1" for number in range(1, 7)}
    assert graders.check("05.3", answers={"parents": right}).points == 6
    assert graders.check("05.3", answers={"parents": right | {"stranger4": "web:1"}}).points == 5
    assert graders.check("05.3", answers={"parents": ["busybox:1"]}).points == 0


def test_the_argument_must_reach_the_label(build: Callable[..., str]) -> None:
    kit.parents("web:1")
    lost = f"ARG PARENT=busybox:1\nFROM $PARENT\n{LABEL}=$PARENT\n"
    kept = lost.replace("LABEL", "ARG PARENT\nLABEL")
    web = {"args": {"PARENT": "web:1"}}
    assert graders.check("05.4", build("llrubric05/kept:1", kept, **web)).points == 2
    assert graders.check("05.4", build("llrubric05/usual:1", kept)).points == 0
    report = graders.check("05.4", build("llrubric05/lost:1", lost, **web))
    assert report.points == 1
    assert "for FROM alone" in str(report)


def test_a_pin_is_a_digest(build: Callable[..., str]) -> None:
    image = build("llrubric05/pinned:1", "FROM busybox:1\nCOPY which /\n", files={"which": "first\n"})
    report = graders.check("05.5", image, answers={"pinned": "127.0.0.1:5000/ex05/parent:1"})
    assert report.points == 0
    assert "a tag moves" in str(report)
