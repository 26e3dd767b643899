"""The rubric of notebook 09: what a registry has, and how it came there, each thing good and bad in one way."""

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

NOTEBOOK = Path(__file__).parents[2] / "notebooks/assignments/a09/wire.ipynb"
APP, TOOL, MINI = "a09/app", "a09/tool", "a09/mini"


@pytest.fixture(scope="module")
def registry(cache: Path, tmp_path_factory: Any) -> Iterator[str]:
    """The local registry and the embedded engine, in a teacher's home of its own."""
    patch, root = pytest.MonkeyPatch(), tmp_path_factory.mktemp("home")
    for name in [name for name in os.environ if name.startswith(("DOCKER_", "LAYERLAB_", "JPY_"))]:
        patch.delenv(name)
    for name, value in {"LAYERLAB_HOME": str(root), "LAYERLAB_STUDENT": "ada", "LAYERLAB_NOTEBOOK": "a09"}.items():
        patch.setenv(name, value)
    host = start_engine(find_home()).docker_host
    patch.setenv("DOCKER_HOST", host)
    make_parents(kit.connect().client, ["busybox:1"], cache)
    yield str(kit.registry())
    stop_registry(root)
    stop_engine(find_home())
    patch.undo()


@pytest.fixture
def bench(registry: str) -> Iterator[str]:
    """The registry, with nothing of an earlier test in it."""
    clean()
    yield registry
    clean()


def clean() -> None:
    for number in ("a09", "09"):
        kit.reset(number)


@pytest.fixture(scope="module")
def solution() -> list[str]:
    """The cells of the model solution: set up, publish, pushmini, its call, receipt, score."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def rows(report: Report) -> dict[str, Row]:
    return {row.id.removeprefix("test_"): row for row in report.rows}


def points(report: Report) -> dict[str, float]:
    return {name: row.points for name, row in rows(report).items()}


def build(registry: str, name: str, text: str = "", parent: str = "busybox:1") -> str:
    dockerfile = f'FROM {parent}\nCOPY word /{name.replace("/", "_").replace(":", "_")}\nCMD ["echo", "{text}"]\n'
    kit.build(dockerfile=dockerfile, files={"word": (f"{name} {text}\n", 0o644)}, tag=f"{registry}/{name}")
    return f"{registry}/{name}"


def publish(registry: str, *names: str, source: str) -> None:
    for name in names:
        if f"{registry}/{name}" != source:
            kit.tag(source, f"{registry}/{name}")
        kit.push(f"{registry}/{name}")


def work(solution: list[str], *, replaced: Mapping[str, str] = {}) -> Any:
    """Runs the model solution but for its score, with some words replaced; what its names hold then."""
    names: dict[str, Any] = {}
    text = "\n".join(solution[:-1])
    for words, others in replaced.items():
        assert words in text
        text = text.replace(words, others)
    exec(text, names)
    return names


FULL: Mapping[str, float] = {
    "two_tags_one_digest": 3,
    "it_comes_back": 3,
    "a_child_that_shares": 3,
    "mounted_into_another_repository": 3,
    "pushmini_sends_the_blobs": 2,
    "pushmini_names_the_image": 2,
    "pushminis_image_runs": 2,
    "a_receipt": 2,
}


def test_the_model_solution_gets_full_marks(bench: str, solution: list[str]) -> None:
    names = work(solution)
    assert eval(solution[-1], names) == 20
    source = solution[2].partition("### BEGIN SOLUTION")[2]
    assert len([line for line in source.splitlines() if line.strip() and not line.startswith("###")]) <= 40


def test_nothing_pushed_nothing_earned(bench: str) -> None:
    report = graders.check("09")
    assert (report.points, report.max) == (0, 20)
    assert "Does the name begin with the registry?" in rows(report)["two_tags_one_digest"].advice


def check(receipt: Any, earned: Mapping[str, float], **advice: str) -> None:
    """Checks the assignment; criteria that are not in ``earned`` give nothing."""
    report = graders.check("09", answers={"receipt": receipt})
    assert points(report) == dict.fromkeys(FULL, 0) | earned
    for name, words in advice.items():
        assert words in rows(report)[name].advice


PUSHED = {"pushmini_sends_the_blobs": 2, "pushmini_names_the_image": 2, "pushminis_image_runs": 2}


def test_latest_alone_an_upload_and_an_engines_push(bench: str) -> None:
    word = graders.nonce("09")
    app = build(bench, f"{APP}:latest", word)
    publish(bench, f"{TOOL}:1", source=app)  # the first to come, so it is uploaded
    publish(bench, f"{APP}:latest", f"{MINI}:1", source=app)
    check(
        None,
        {},
        mounted_into_another_repository="Push a09/app:1 first",
        pushmini_names_the_image="An engine pushed this manifest",
        a_receipt="There is no answer `receipt` yet",
    )


def test_one_tag_no_child_and_everything_uploaded(bench: str, solution: list[str]) -> None:
    app = build(bench, f"{APP}:1", "abcdefgh")
    publish(bench, f"{TOOL}:1", f"{APP}:1", source=app)
    publish(bench, f"{APP}:2", source=build(bench, f"{APP}:2"))
    by_hand(solution, "&digest={digest(data)}", "&digest={digest(data + b'.')}")
    check(
        f"{bench}/{APP}@{kit.manifest(app).config.digest}",
        {"two_tags_one_digest": 1},
        two_tags_one_digest="only a09/app:1",
        it_comes_back="your word is",
        a_child_that_shares="must be those of a09/app:1",
        mounted_into_another_repository="all were uploaded",
        pushmini_sends_the_blobs="Hash exactly the bytes that you send",
        a_receipt="the digest of the configuration",
    )


def test_two_images_a_twin_for_a_child_and_another_tool(bench: str, solution: list[str]) -> None:
    app = build(bench, f"{APP}:1", graders.nonce("09"))
    publish(bench, f"{APP}:1", f"{APP}:2", source=app)
    publish(bench, f"{APP}:1.0", source=build(bench, f"{APP}:1.0"))
    publish(bench, f"{TOOL}:1", source=build(bench, f"{TOOL}:1"))
    by_hand(solution, 'f"{place}&digest={digest(data)}"', "place")
    check(
        f"{bench}/{TOOL}@{kit.manifest(app).digest}",
        {"two_tags_one_digest": 1, "it_comes_back": 3},
        two_tags_one_digest="lead to two images",
        mounted_into_another_repository="other layers",
        pushmini_sends_the_blobs="A PUT without a digest",
        a_receipt="is not the repository",
    )


def test_a_lost_state_and_a_receipt_for_something_else(bench: str, solution: list[str]) -> None:
    publish(bench, f"{APP}:1", source=build(bench, f"{APP}:1"))
    by_hand(solution, "{place}&digest", "{place.partition('?')[0]}?digest")
    check(
        f"{bench}/{APP}@sha256:{'0' * 64}",
        {"two_tags_one_digest": 1},
        pushmini_sends_the_blobs="An address without its `_state`",
        a_receipt="does not lead to what is now",
    )


def test_blobs_without_a_manifest(bench: str, solution: list[str]) -> None:
    by_hand(solution, 'ask("PUT", f"/v2/{repository}/manifests', 'ask("GET", f"/v2/{repository}/manifests')
    check(7, {"pushmini_sends_the_blobs": 2}, a_receipt="should be a text")


def test_a_diff_id_of_the_compressed_layer(bench: str, solution: list[str]) -> None:
    by_hand(solution, "[digest(layer)]", "[digest(gzip.compress(layer, mtime=0))]")
    check(
        "a09/app:1",
        PUSHED | {"pushminis_image_runs": 0},
        pushminis_image_runs="was not pulled",
        a_receipt="does not end in @sha256:",
    )


def by_hand(solution: list[str], words: str, others: str) -> None:
    """Runs the model solution's pushmini with some of its words replaced."""
    work([*solution[:1], *solution[2:4], ""], replaced={words: others})


# ---- exercises; what is right and what is found are run with the notebook


@pytest.mark.parametrize(
    ("told", "earned"), [({"again": 0, "second tag": 0, "new label": 1, "other repository": False}, 2), ([0] * 4, 0)]
)
def test_a_prediction_gets_a_point_for_each_push(bench: str, told: Any, earned: float) -> None:
    assert graders.check("09.1", answers={"layers_sent": told}).points == earned


def test_the_config_is_not_what_one_pulls_by(bench: str) -> None:
    app = build(bench, "ada/app:1")
    publish(bench, "ada/app:1", source=app)
    answers = {"reference": f"{bench}/ada/app@{kit.manifest(app).config.digest}"}
    assert "the digest of the configuration" in str(graders.check("09.5", answers=answers))


def test_a_child_without_a_note(bench: str) -> None:
    app = build(bench, "ada/app:1")
    publish(bench, "ada/app:1", "ada/app:2", source=app)
    report = graders.check("09.3", app, answers={"note": "A note"})
    assert report.points == 0 and "where is the note" in str(report)
