"""The rubric of notebook 02, on functions that are right and on functions that are wrong in the usual ways."""

import gzip
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import nbformat
import pytest

import graders
import kit
from graders.report import Report, Row

NOTEBOOK = Path(__file__).parents[2] / "notebooks/assignments/a02/engine.ipynb"
GOOD: Mapping[str, float] = {
    "diff_id": 3,
    "image_id": 3,
    "chain_id": 3,
    "merge_adds_and_replaces": 3,
    "merge_removes": 4,
    "merge_knows_opaque_directories": 2,
    "who_wrote": 2,
}
Functions = Mapping[str, Callable[..., Any]]


@pytest.fixture(scope="module")
def model() -> dict[str, Any]:
    """The functions of the model solution."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    names: dict[str, Any] = {"hashlib": hashlib, "gzip": gzip}
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("solution"):
            exec(cell.source, names)
    return names


@pytest.fixture
def grade(teacher: None, model: dict[str, Any]) -> Callable[..., Report]:
    """The report on the model's functions with these in their place."""

    def make(**functions: Callable[..., Any]) -> Report:
        for name, function in functions.items():
            function.__name__ = name
        mine = [
            functions.get(name, model[name]) for name in ("diff_id", "image_id", "chain_id", "merge", "who_wrote")
        ]
        return graders.check("02", answers=graders.outcomes("02", *mine))

    return make


def rows(report: Report) -> dict[str, Row]:
    return {row.id.removeprefix("test_"): row for row in report.rows}


def points(report: Report) -> dict[str, float]:
    return {name: row.points for name, row in rows(report).items()}


def sha(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def keeps_marks(layers: list[dict[str, str]]) -> dict[str, str]:
    return {path: text for layer in layers for path, text in layer.items()}


def marks_last(layers: list[dict[str, str]]) -> dict[str, str]:
    """Applies each layer's whiteouts to what the layer itself brings, too; and goes by the beginning of names."""
    files: dict[str, str] = {}
    for layer in layers:
        files |= {path: text for path, text in layer.items() if ".wh." not in path}
        for path in layer:
            gone = path.replace(".wh..wh..opq", "").replace(".wh.", "")
            if ".wh." in path:
                files = {old: text for old, text in files.items() if not old.startswith(gone)}
    return files


def test_the_model_solution_gets_full_marks(grade: Callable[..., Report]) -> None:
    report = grade()
    assert points(report) == GOOD
    assert report.max == 20


@pytest.mark.parametrize(
    ("functions", "less", "advice"),
    [
        (
            {"diff_id": sha, "image_id": lambda raw: sha(json.dumps(json.loads(raw)).encode())},
            {"diff_id": 2, "image_id": 0},
            ["the digest of the compressed bytes, the blob's", "Hash the bytes you were given"],
        ),
        (
            {
                "diff_id": lambda tar: hashlib.md5(tar).hexdigest(),
                "chain_id": lambda ids: sha(" ".join(ids).encode()),
                "merge": keeps_marks,
            },
            {"diff_id": 0, "chain_id": 1, "merge_removes": 0, "merge_knows_opaque_directories": 0},
            ["no SHA-256", "three layers: it returns", "not files of the result"],
        ),
        (
            {"merge": marks_last, "who_wrote": lambda layers, path: path},
            {"merge_removes": 2, "merge_knows_opaque_directories": 0, "who_wrote": 0},
            ["merely begins with the same letters", "lower* layers", "a file that was removed: it returns"],
        ),
        (
            {
                "diff_id": lambda tar: {1, 2},
                "image_id": lambda raw: 1 / 0,
                "chain_id": lambda ids: None,
                "merge": lambda layers: [layers.clear()],
                "who_wrote": lambda layers, path: True,
            },
            dict.fromkeys(GOOD, 0),
            ["it raises TypeError", "it raises ZeroDivisionError"],
        ),
    ],
    ids=["travelling bytes", "the article's way", "whiteouts last", "odd values"],
)
def test_functions_get_what_they_earn(
    grade: Callable[..., Report], functions: Functions, less: Mapping[str, float], advice: list[str]
) -> None:
    report = grade(**functions)
    assert points(report) == {**GOOD, **less}
    told = "\n".join(row.advice for row in report.rows)
    assert [text for text in advice if text not in told] == []


@pytest.mark.parametrize("answers", [{}, {"merge": 5, "diff_id": [1, 2, 3], "chain_id": [{}, {}, {}]}])
def test_without_outcomes_there_are_no_points(teacher: None, answers: Any) -> None:
    assert graders.check("02", answers=answers).points == 0


def test_a_neighbours_outcomes_are_of_no_use(
    teacher: None, model: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = graders.outcomes("02", model["diff_id"], model["image_id"], model["chain_id"], model["merge"])
    monkeypatch.setenv("LAYERLAB_STUDENT", "grace")
    assert graders.check("02", answers=theirs).points == 0


# ---- exercises


@pytest.fixture(scope="module")
def page(teacher: None, dockerd: Any) -> Iterator[Any]:
    """The lesson's image, opened."""
    kit.parents("web:1")
    dockerfile = "FROM web:1\nCOPY index.html /www/\nRUN rm /www/old.html\n"
    kit.build(dockerfile=dockerfile, files={"index.html": "<h1>Open me</h1>\n"}, tag="ex02/page:1")
    yield kit.image("ex02/page:1")
    dockerd.images.remove("ex02/page:1", force=True)


@pytest.mark.parametrize(
    ("exercise", "answers", "earned"),
    [
        ("02.1", {"command": ["httpd", "-f", "-p", "80", "-h", "/www"]}, 1),
        ("02.1", {"command": None}, 0),
        ("02.2", {"stored": 2, "visible": 1}, 2),
        ("02.2", {"stored": 1, "visible": True}, 0),
        ("02.3", {"seen": ["motd", "b/z", "a/three", "a/two"]}, 3),
        ("02.3", {"seen": ["motd", "b/z", "a/three", "a/two", "b/x"]}, 2),
        ("02.3", {"seen": ["b/z", "b/.wh..wh..opq"]}, 0),
        ("02.3", {"seen": {"a": 1}}, 0),
        ("02.4", {"name": "md5:0"}, 0),
        ("02.5", {"diff_id of layer 1": True, "blob of layer 1": True, "diff_id of layer 0": False}, 3),
    ],
)
def test_an_answer_gets_what_it_earns(page: Any, exercise: str, answers: Mapping[str, Any], earned: float) -> None:
    assert graders.check(exercise, answers=answers).points == earned


def test_a_layers_name_is_its_diff_id(page: Any) -> None:
    assert graders.check("02.4", answers={"name": page.layers[1].diff_id}).points == 1
    assert "as the article says" in str(graders.check("02.4", answers={"name": "d41d8cd98f00b204e9800998ecf8427e"}))
