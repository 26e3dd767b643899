"""The rubric of notebook 03, on images that are good and on images that are bad in one way each."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import docker
import pytest

import graders
import kit
from graders.clinic import causes
from graders.report import Report

EXEC_FORM = 'FROM scratch\nCOPY greet /\nUSER 1000\nCMD ["/greet"]\n'
PARENT = EXEC_FORM.replace("scratch", "busybox:1")
NONCE = "abcdefgh"
GREETING = f"Hello, {NONCE}\n"
Build = Callable[..., str]


@pytest.fixture(scope="module")
def build(grading_environment: dict[str, str], dockerd: docker.DockerClient, request: Any) -> Any:
    """Builds an image of this test on the real dockerd, under a name of its own; all are removed at the end."""
    patch = pytest.MonkeyPatch()
    for name in ("DOCKER_HOST", "LAYERLAB_HOME", "HOME"):
        patch.setenv(name, grading_environment[name])
    patch.setenv("LAYERLAB_STUDENT", "ada")
    names: list[str] = []

    def build_image(dockerfile: str = EXEC_FORM, text: str = "", program: bytes = b"", mode: int = 0o755) -> str:
        names.append(f"llrubric/greet:{len(names)}")
        word = text or f"Hello, {graders.nonce('03')}\n"
        kit.build(dockerfile=dockerfile, files={"greet": (program or kit.elf.tiny(word), mode)}, tag=names[-1])
        return names[-1]

    yield build_image
    for name in names:
        dockerd.images.remove(name, force=True)
    patch.undo()


def points(report: Report) -> dict[str, float]:
    return {row.id.removeprefix("test_"): row.points for row in report.rows}


GOOD: Mapping[str, float] = {
    "greets": 4,
    "greet_has_no_parent": 3,
    "greet_is_small": 4,
    "greet_starts_in_exec_form": 2,
    "greet_is_not_root": 2,
}


@pytest.mark.parametrize(
    ("what", "less"),
    [
        ({}, {}),
        ({"text": "Hello, neighbour\n"}, {"greets": 0}),
        ({"dockerfile": PARENT}, {"greet_has_no_parent": 0, "greet_is_small": 0}),
        ({"dockerfile": EXEC_FORM.replace("USER", "COPY greet /again\nUSER")}, {"greet_has_no_parent": 1}),
        ({"text": GREETING + "x" * 5000}, {"greets": 0, "greet_is_small": 3}),
        ({"text": GREETING + "x" * 500_000}, {"greets": 0, "greet_is_small": 2}),
        (
            {"dockerfile": EXEC_FORM.replace('["/greet"]', "/greet")},
            {"greets": 0, "greet_starts_in_exec_form": 0, "greet_is_not_root": 0},
        ),
        ({"dockerfile": EXEC_FORM.replace('["/greet"]', '["./greet"]')}, {"greet_starts_in_exec_form": 0}),
        ({"dockerfile": EXEC_FORM.replace("USER 1000\n", "")}, {"greet_is_not_root": 0}),
        ({"dockerfile": EXEC_FORM.replace("1000", "0")}, {"greet_is_not_root": 0}),
        ({"mode": 0o700}, {"greets": 0, "greet_is_not_root": 0}),
        ({"dockerfile": EXEC_FORM.replace("CMD", "ENTRYPOINT")}, {}),
    ],
    ids=[
        "good", "another word", "on busybox", "two layers", "5 kB", "500 kB", "shell form", "a relative path",
        "no USER", "USER 0", "only root may execute it", "ENTRYPOINT instead of CMD",
    ],
)  # fmt: skip
def test_an_image_gets_what_it_earns(build: Build, what: Mapping[str, Any], less: Mapping[str, float]) -> None:
    found = points(graders.check("03", build(**what)))
    assert {name: found[name] for name in GOOD} == {**GOOD, **less}


def test_each_diagnosis_counts_and_other_learners_have_other_patients(build: Build) -> None:
    mine = causes(graders.nonce("03"))
    for right in range(5):
        answers = {name: cause if place < right else "?" for place, (name, cause) in enumerate(mine.items())}
        report = graders.check("03", build(), answers=answers)
        assert points(report)["diagnosed_four_broken_images"] == right
    assert len({tuple(causes(f"learner {number}").items()) for number in range(50)}) > 10


def test_the_patients_are_ill_in_the_way_they_should(build: Build) -> None:
    messages = {
        "no-shell": "/bin/sh",
        "no-loader": "no such file or directory",
        "not-executable": "permission denied",
        "wrong-architecture": "exec format error",
    }
    wanted = causes(graders.nonce("03")).values()
    for name, cause in zip(graders.patients("03"), wanted, strict=True):
        result = kit.run(name)
        assert result.code != 0
        assert messages[cause] in result.err, cause


def test_the_points_of_the_assignment_are_those_of_its_grade_cell(build: Build) -> None:
    assert graders.check("03", build()).max == 20


@pytest.mark.parametrize(
    ("answers", "earned"),
    [
        ({"tiny": True, "static": True} | dict.fromkeys(["shellform", "dynamic", "noexec", "otherarch"], False), 6),
        (dict.fromkeys(["tiny", "static", "shellform", "dynamic", "noexec", "otherarch"], True), 2),
        ({}, 0),
        ({"tiny": 1, "static": "True"}, 0),
    ],
    ids=["right", "all start", "nothing", "no truth values"],
)
def test_a_prediction_gets_a_point_for_each_that_is_right(
    build: Build, answers: Mapping[str, Any], earned: float
) -> None:
    assert graders.check("03.1", answers=answers).points == earned


def test_a_score_is_silent_and_a_float(build: Build, capfd: pytest.CaptureFixture[str]) -> None:
    value = graders.score("03", answers={})
    assert float(repr(value)) == value
    assert capfd.readouterr().err == ""


def test_a_score_shows_nothing_of_a_hidden_criterion(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder, title in (("course", "Known."), ("mine", "Secret.")):
        (tmp_path / folder).mkdir()
        text = "from graders.criteria import criterion\n@criterion(points=2, exercise='a77')\n"
        (tmp_path / folder / "rubric_77_x.py").write_text(
            f"{text}def test_a():\n    {title!r}\n    assert 0, 'told'\n"
        )
    monkeypatch.setenv("LAYERLAB_RUBRICS", f"{tmp_path / 'course'}:{tmp_path / 'mine'}")
    assert [row.title for row in graders.check("77").rows] == ["Known.", "Secret."]
    shown = graders.score("77")
    assert shown.report.max == 4 and "Known." in shown._repr_html_() and "Secret." not in shown._repr_html_()


def test_an_engine_that_is_gone_gives_no_score() -> None:
    with pytest.raises(graders.NotGraded, match="not graded"):
        graders.check("03.2", "any:1", engine="unix:///nowhere.sock")
