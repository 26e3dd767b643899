"""The learners' version of the project: what a launch link opens. No solution of an assignment, no hidden test.

It is a branch, ``learners``, whose tree is made from a commit: what only builders need stays out, and nbgrader makes
each assignment's version for learners. The same commit gives the same tree, on any machine.

    python binder/release.py [COMMIT]            puts it on the branch, and prints its tree
    python binder/release.py [COMMIT] --check    exit code 1 if the branch holds another tree
    python binder/release.py [COMMIT] --into DIR writes its files to a new directory, too

Source: nbgrader 0.9, ``generate_assignment``, whose steps these are; git-commit-tree(1).
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import nbformat
from nbgrader.converters import GenerateAssignment
from nbgrader.preprocessors import SaveCells

BRANCH = "refs/heads/learners"
BUILDERS_ONLY = (".ci", ".github", "benchmarks", "tests")
ASSIGNMENTS = "notebooks/assignments/"


class Project:
    """A git repository, asked through git alone: what lies in the work tree does not count."""

    def __init__(self, place: Path, environment: Mapping[str, str] = os.environ) -> None:
        self._place, self._environment = place, environment

    def with_(self, **variables: str) -> "Project":
        """The same repository, asked in another environment."""
        return Project(self._place, {**self._environment, **variables})

    def git(self, *words: str, given: bytes | None = None) -> bytes:
        done = subprocess.run(
            ["git", *words], cwd=self._place, env=self._environment, input=given, capture_output=True
        )
        if done.returncode:
            raise SystemExit(f"git {' '.join(words)}: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout

    def find(self, name: str) -> str | None:
        """The object of this name."""
        command = ["git", "rev-parse", "--quiet", "--verify", name]
        done = subprocess.run(command, cwd=self._place, env=self._environment, capture_output=True, text=True)
        return done.stdout.strip() or None

    @contextmanager
    def index(self) -> Iterator["Project"]:
        """The same repository with an empty index of its own."""
        with tempfile.TemporaryDirectory() as directory:
            yield self.with_(GIT_INDEX_FILE=f"{directory}/index")


def make_tree(project: Project, commit: str) -> str:
    """The learners' version of a commit, as a tree object."""
    with project.index() as index:
        index.git("read-tree", commit)
        index.git("rm", "--cached", "-r", "-q", "--ignore-unmatch", "--", *BUILDERS_ONLY)
        for path in index.git("ls-files", "-z", "--", f"{ASSIGNMENTS}*.ipynb").decode().split("\0"):
            if path:
                made = learners_version(index.git("show", f"{commit}:{path}"), path)
                blob = index.git("hash-object", "-w", "--stdin", given=made).decode().strip()
                index.git("update-index", "--cacheinfo", f"100644,{blob},{path}")
        return index.git("write-tree").decode().strip()


def learners_version(source: bytes, path: str) -> bytes:
    """An assignment without solutions, outputs and hidden tests, as nbgrader hands it out."""
    notebook = nbformat.reads(source.decode(), as_version=4)
    resources = {"nbgrader": {"notebook": Path(path).stem}, "metadata": {"path": "."}}
    for step in GenerateAssignment().preprocessors:
        if step is not SaveCells:  # The teacher's database is no concern of a learner's.
            notebook, resources = step()(notebook, resources)
    return (nbformat.writes(notebook) + "\n").encode()


def put(project: Project, commit: str, tree: str) -> None:
    """The tree as the branch's newest commit, unless it is that already."""
    if project.find(f"{BRANCH}^{{tree}}") == tree:
        return
    before = project.find(BRANCH)
    date, subject = project.git("show", "-s", "--format=%ct%n%s", commit).decode().strip().split("\n")
    who = {"NAME": "Layerlab", "EMAIL": "layerlab@localhost", "DATE": f"{date} +0000"}
    names = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in who.items()}
    parents = ("-p", before) if before else ()
    made = project.with_(**names).git("commit-tree", tree, *parents, "-m", f"For learners: {subject}")
    project.git("update-ref", BRANCH, made.decode().strip())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("commit", nargs="?", default="HEAD")
    parser.add_argument("--check", action="store_true", help="only say whether the branch is current")
    parser.add_argument("--into", type=Path, metavar="DIR", help="write the files there, too")
    asked = parser.parse_args()
    project = Project(Path.cwd())
    tree = make_tree(project, asked.commit)
    if asked.check:
        if project.find(f"{BRANCH}^{{tree}}") == tree:
            return 0
        print("the branch learners is stale: run `make release` and push it", file=sys.stderr)
        return 1
    if asked.into:
        asked.into.mkdir(parents=True)
        archive = project.git("archive", tree)
        subprocess.run(["tar", "-xf", "-", "-C", asked.into], input=archive, check=True)
    put(project, asked.commit, tree)
    print(tree)
    return 0


if __name__ == "__main__":
    sys.exit(main())
