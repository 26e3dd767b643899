"""The notebooks, run from top to bottom: as a learner finds them, and as a learner leaves them.

Two of them run on every engine, always. The others run on the engine that has the least rights, and solved on a real
dockerd; on the rest with ``make notebooks``.
"""

import importlib.util
import itertools
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import nbformat
import pytest

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
LESSONS = sorted(NOTEBOOKS.glob("[0-9][0-9]-*.ipynb"))
RUNNER = Path(__file__).with_name("lesson.py")
ENGINES = ("seccomp", "userns", "root", "dockerd")
EVERYWHERE = ("00", "01", "03")
ALL = ["all"] if os.environ.get("LAYERLAB_SLOW") == "1" else []
PATIENCE = 1500 if ALL else 280
"""Seconds for one notebook; what takes minutes in it runs with ``make notebooks`` only."""
USUAL = {("found", "seccomp"), ("solved", "seccomp"), ("solved", "dockerd")}


def stem(path: Path) -> str:
    return path.stem


def runner() -> ModuleType:
    spec = importlib.util.spec_from_file_location("lesson", RUNNER)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def runs() -> Iterator[Any]:
    """Each lesson in each form on each engine; what ``make test`` leaves out is marked as slow."""
    for engine, path, form in itertools.product(ENGINES, LESSONS, ("found", "solved")):
        usual = path.stem[:2] in EVERYWHERE or (form, engine) in USUAL
        marks = () if usual else (pytest.mark.slow,)
        yield pytest.param(engine, path, form, marks=marks, id=f"{engine}-{form}-{path.stem}")


@pytest.mark.timeout(PATIENCE + 20)
@pytest.mark.parametrize(("engine_environment", "path", "form"), list(runs()), indirect=["engine_environment"])
def test_a_lesson_runs_from_top_to_bottom(
    engine_environment: dict[str, str], path: Path, form: str, tmp_path: Path
) -> None:
    command = [sys.executable, str(RUNNER), form, str(path), str(tmp_path), *ALL]
    done = subprocess.run(
        command, env=engine_environment, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]


@pytest.mark.parametrize("path", LESSONS, ids=stem)
def test_every_exercise_has_a_solution_and_every_solution_an_exercise(path: Path) -> None:
    lesson, notebook = runner(), nbformat.read(path, as_version=4)
    assert lesson.exercises(notebook).keys() == lesson.solutions(notebook).keys()


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.rglob("*.ipynb")), ids=stem)
def test_a_notebook_is_fit_for_every_viewer(path: Path) -> None:
    """GitHub calls a notebook with widget metadata invalid; a heading of the first level is the title alone."""
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert "widgets" not in notebook.metadata
    texts = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    titles = [line for text in texts for line in text.splitlines() if line.startswith("# ")]
    assert len(titles) == 1
    assert notebook.cells[0].source.startswith("# ")


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.rglob("*.ipynb")), ids=stem)
def test_every_link_of_a_notebook_leads_somewhere(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    texts = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    for target in re.findall(r"\]\(([^)#]+)\)", texts):
        assert (path.parent / target).exists(), target
