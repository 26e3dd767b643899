"""Reports in the forms of other systems, and the files of docs/teaching that make them, as they stand there."""

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import kit
from graders import nonce
from graders.forms import as_classroom, as_gradescope
from graders.report import Report, Row, Verdict

TEACHING = Path(__file__).parents[2] / "docs/teaching"
REPORT = Report(
    "A99",
    (
        Row("test_a", "First.", 2, 2, Verdict.PASSED),
        Row("test_b", "Second\x1b[2J.", 1.5, 3, Verdict.PARTLY, "half\x07 way", ("look", "look again")),
        Row("test_c", "Secret.", 0, 5, Verdict.FAILED, "told", ("never",), hidden=True),
    ),
)


def test_gradescope_sees_points_and_advice_and_hides_what_is_hidden() -> None:
    document = json.loads(as_gradescope(REPORT))
    assert [(one["score"], one["max_score"], one["status"]) for one in document["tests"]] == [
        (2, 2, "passed"),
        (1.5, 3, "failed"),
        (0, 5, "failed"),
    ]
    assert [one["visibility"] for one in document["tests"]] == ["visible", "visible", "hidden"]
    assert document["tests"][1]["output"] == "half\\x07 way\nlook"
    assert document["output"] == "A99 · 3.5 of 10 points · passed 1, partly 1, failed 1"


def decoded(text: str) -> Any:
    return json.loads(base64.b64decode(text))


def test_the_points_add_up_for_github_classroom_and_what_is_hidden_stays_so() -> None:
    document = decoded(as_classroom(REPORT))
    assert sum(one["score"] for one in document["tests"]) == REPORT.points
    assert (document["max_score"], document["status"], document["version"]) == (10, "fail", 1)
    assert "Secret" not in str(document) and "told" not in str(document)
    assert document["tests"][1]["name"] == "Second\\x1b[2J. (1.5 of 3)"


@pytest.fixture
def submission(tmp_path: Path) -> Path:
    """A repository as a learner hands it in: one Dockerfile, one program."""
    directory = tmp_path / "submission"
    directory.mkdir()
    (directory / "Dockerfile").write_text('FROM scratch\nCOPY greet /\nUSER 1000\nCMD ["/greet"]\n')
    (directory / "greet").write_bytes(kit.elf.tiny(f"Hello, {nonce('03', 'ada@example.org')}\n"))
    (directory / "greet").chmod(0o755)
    return directory


EARNED = 15.0
"""All of the image's own criteria: those that name no other image and need no answers."""


def earned(tests: list[dict[str, Any]]) -> float:
    return sum(one["score"] for one in tests if not one["name"].startswith("a03/base"))


def bash(script: str, environment: dict[str, str], directory: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["bash", "-ec", script], env=environment, cwd=directory, capture_output=True, text=True, timeout=120
    )


@pytest.mark.parametrize("builds", [True, False])
def test_the_gradescope_files_grade_a_submission(
    tmp_path: Path, submission: Path, grading_environment: dict[str, str], builds: bool
) -> None:
    for name in ("source", "results"):
        (tmp_path / name).mkdir()
    (tmp_path / "source/assignment").write_text("03\n")
    (tmp_path / "submission_metadata.json").write_text('{"users": [{"email": "ada@example.org"}]}')
    if not builds:
        (submission / "greet").unlink()
    environment = grading_environment | {"AUTOGRADER": str(tmp_path)}
    done = bash(str(TEACHING / "gradescope/run_autograder"), environment, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    document = json.loads((tmp_path / "results/results.json").read_text())
    assert earned(document["tests"]) == (EARNED if builds else 0), document
    assert ("does not build" in document["output"]) is not builds


def test_gradescope_gets_no_result_when_there_is_no_engine(
    tmp_path: Path, submission: Path, grading_environment: dict[str, str]
) -> None:
    for name in ("source", "results"):
        (tmp_path / name).mkdir()
    (tmp_path / "source/assignment").write_text("03\n")
    (tmp_path / "submission_metadata.json").write_text('{"users": [{"email": "ada@example.org"}]}')
    environment = grading_environment | {"AUTOGRADER": str(tmp_path), "DOCKER_HOST": "unix:///nowhere.sock"}
    done = bash(str(TEACHING / "gradescope/run_autograder"), environment, tmp_path)
    assert done.returncode != 0 and not list((tmp_path / "results").iterdir())


def test_the_classroom_workflow_grades_a_submission(
    tmp_path: Path, submission: Path, grading_environment: dict[str, str]
) -> None:
    workflow = yaml.safe_load((TEACHING / "github-classroom/classroom.yml").read_text())
    steps = workflow["jobs"]["autograding"]["steps"]
    (check,) = [step for step in steps if step.get("id") == "rubric"]
    assert steps[-1]["with"]["runners"] == "rubric" and "RUBRIC_RESULTS" in steps[-1]["env"]
    output = tmp_path / "output"
    environment = grading_environment | {"RUNNER_TEMP": str(tmp_path), "GITHUB_OUTPUT": str(output)}
    done = bash(check["run"], environment | {"LAYERLAB_STUDENT": "ada@example.org"}, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    document = decoded(output.read_text().removeprefix("result="))
    assert earned(document["tests"]) == EARNED, document


@pytest.mark.parametrize("path", [TEACHING / "gradescope/setup.sh", TEACHING / "gradescope/run_autograder"])
def test_a_script_can_be_run(path: Path) -> None:
    assert os.access(path, os.X_OK)
    assert subprocess.run(["bash", "-n", path]).returncode == 0


def layerlab(*words: str, environment: dict[str, str], directory: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "kit.lab.cli", *words]
    return subprocess.run(command, env=environment, cwd=directory, capture_output=True, text=True, timeout=120)


def test_a_new_rubric_is_tried_on_good_and_on_bad_work(
    tmp_path: Path, submission: Path, grading_environment: dict[str, str]
) -> None:
    def command(*words: str) -> "subprocess.CompletedProcess[str]":
        return layerlab(*words, environment=grading_environment, directory=tmp_path)

    assert command("rubric", "new", "42", "A small Program!").stdout == "rubric_42_a_small_program.py\n"
    again = command("rubric", "new", "42", "A small program")
    assert again.returncode == 2 and "is there already" in again.stderr

    bad = {
        "root": 'FROM scratch\nCOPY greet /\nCMD ["/greet"]\n',
        "shell": "FROM scratch\nCOPY greet /\nCMD /greet\n",
        "key": 'FROM scratch\nCOPY greet id_rsa /\nUSER 1000\nCMD ["/greet"]\n',
        "fails": 'FROM scratch\nCOPY greet /\nUSER 1000\nCMD ["/gret"]\n',
    }
    for name, dockerfile in bad.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "Dockerfile").write_text(dockerfile)
        (tmp_path / name / "id_rsa").write_text("-")
        (tmp_path / name / "greet").write_bytes((submission / "greet").read_bytes())
        (tmp_path / name / "greet").chmod(0o755)
    tried = command("rubric", "try", "rubric_42_a_small_program.py", "--good", "submission", "--bad", *bad)
    assert (tried.returncode, tried.stderr) == (0, "")
    assert tried.stdout.endswith("The rubric tells good from bad.\n")

    tried = command("rubric", "try", "rubric_42_a_small_program.py", "--good", "root", "--bad", "submission")
    assert tried.returncode == 1
    assert "root is good, but does not get full marks" in tried.stdout
    assert "submission is bad, but gets full marks" in tried.stdout
    assert "no bad one fails: It starts without arguments and ends well." in tried.stdout
