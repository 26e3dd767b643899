"""The learners' version, made from a clone of this project with an assignment of the test's own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

PROJECT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(not (PROJECT / ".git").exists(), reason="this is no git checkout")
ANSWER = "### BEGIN SOLUTION\nanswer = 'the answer'\n### END SOLUTION\n"
TEST = "assert answer\n### BEGIN HIDDEN TESTS\nassert answer == 'the answer'\n### END HIDDEN TESTS\n"


def git(place: Path, *words: str) -> str:
    who = {f"GIT_{role}_{what}": "t@localhost" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    return subprocess.run(
        ["git", *words], cwd=place, check=True, capture_output=True, text=True, env=os.environ | who
    ).stdout.strip()


def release(place: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, PROJECT / "binder/release.py", *words]
    return subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    clone = tmp_path_factory.mktemp("release") / "clone"
    git(
        PROJECT,
        "clone",
        "-q",
        "--no-local",
        "--depth=1",
        "-c",
        "core.autocrlf=false",
        f"file://{PROJECT}",
        str(clone),
    )
    about = {"schema_version": 3, "locked": False, "task": False}
    answer = {**about, "grade_id": "answer", "solution": True, "grade": False}
    test = {**about, "grade_id": "test", "solution": False, "grade": True, "points": 1}
    cells = [new_code_cell(ANSWER, metadata={"nbgrader": answer}), new_code_cell(TEST, metadata={"nbgrader": test})]
    (clone / "notebooks/assignments/zz").mkdir()
    nbformat.write(new_notebook(cells=cells), clone / "notebooks/assignments/zz/own.ipynb")
    git(clone, "add", ".")
    git(clone, "commit", "-q", "-m", "An assignment")
    return clone


def test_the_branch_for_learners_holds_no_answer_and_no_hidden_test(clone: Path, tmp_path: Path) -> None:
    made = release(clone, "--into", str(tmp_path / "learners"))
    assert made.returncode == 0, made.stderr
    assert made.stdout.strip() == git(clone, "rev-parse", "learners^{tree}")
    assignments = sorted((tmp_path / "learners/notebooks/assignments").rglob("*.ipynb"))
    assert len(assignments) == len(list((PROJECT / "notebooks/assignments").rglob("*.ipynb"))) + 1
    for assignment in assignments:
        assert not re.search("(BEGIN|END) (SOLUTION|HIDDEN)", assignment.read_text()), assignment
        nbformat.validate(nbformat.read(assignment, as_version=4))
    own = (tmp_path / "learners/notebooks/assignments/zz/own.ipynb").read_text()
    assert "the answer" not in own and "assert answer" in own
    assert not (tmp_path / "learners/tests").exists()
    lesson = "notebooks/00-start-here.ipynb"
    assert (tmp_path / "learners" / lesson).read_bytes() == (clone / lesson).read_bytes()


def test_the_same_commit_gives_the_same_tree_and_another_makes_the_branch_stale(clone: Path) -> None:
    first = release(clone).stdout
    branch = git(clone, "rev-parse", "learners")
    assert release(clone).stdout == first
    assert git(clone, "rev-parse", "learners") == branch, "nothing to add, nothing added"
    assert release(clone, "--check").returncode == 0
    (clone / "notebooks/new.md").write_text("new\n")
    assert release(clone, "--check").returncode == 0, "what is not committed does not count"
    git(clone, "add", ".")
    git(clone, "commit", "-q", "-m", "A page")
    stale = release(clone, "--check")
    assert (stale.returncode, stale.stderr) == (1, "the branch learners is stale: run `make release` and push it\n")
    assert release(clone).returncode == 0 and release(clone, "--check").returncode == 0
    assert git(clone, "log", "--format=%s", "-1", "learners") == "For learners: A page"


def test_a_commit_that_is_not_there_is_named(clone: Path) -> None:
    refused = release(clone, "nothere")
    assert refused.returncode == 1 and "nothere" in refused.stderr
