"""The notebooks, run by nbval from top to bottom: as a learner finds them, and as a learner leaves them.

A lesson holds its own solutions, in a cell tagged ``solution`` after the cell tagged ``exercise`` of the same
number. Solved means: each exercise cell holds the solution's code. Then every check must give full marks; and
as found, no check may.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
CODE = re.compile(r"```python\n(.*?)```", re.DOTALL)
CHECK = re.compile(r"^kit\.check\(")


def exercise_cells(notebook: nbformat.NotebookNode) -> dict[str, nbformat.NotebookNode]:
    return {
        cell.metadata.tags[1]: cell for cell in notebook.cells if cell.metadata.get("tags", [""])[0] == "exercise"
    }


def solutions(notebook: nbformat.NotebookNode) -> dict[str, str]:
    found = {}
    for cell in notebook.cells:
        if cell.metadata.get("tags", [""])[0] == "solution":
            code = CODE.search(cell.source)
            assert code, f"the solution of {cell.metadata.tags[1]} holds no code"
            found[cell.metadata.tags[1]] = code.group(1)
    return found


def with_verdicts(notebook: nbformat.NotebookNode, solved: bool) -> None:
    """Turns each check cell of an exercise that has a solution into an assertion about its points."""
    known = solutions(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code" and CHECK.match(cell.source):
            exercise = cell.source.split('"')[1]
            if solved or exercise in known:
                wanted = "==" if solved else "<"
                cell.source = f"report = {cell.source}\nassert report.points {wanted} report.max, str(report)"


def run(notebook: nbformat.NotebookNode, directory: Path, environment: dict[str, str]) -> None:
    path = directory / "lesson.ipynb"
    nbformat.write(notebook, path)
    command = [sys.executable, "-m", "pytest", "-c", os.devnull, "--rootdir", str(directory), "-q"]
    command += ["--disable-plugin-autoload", "-p", "nbval.plugin", "-p", "no:cacheprovider"]
    command += ["--nbval-lax", "--nbval-cell-timeout=120", str(path)]
    done = subprocess.run(command, env=environment, cwd=directory, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]


@pytest.mark.parametrize("name", ["00-start-here", "03-from-scratch"])
@pytest.mark.parametrize("solved", [False, True], ids=["as found", "solved"])
def test_a_notebook_runs_from_top_to_bottom(
    name: str, solved: bool, engine_environment: dict[str, str], tmp_path: Path
) -> None:
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    exercises, known = exercise_cells(notebook), solutions(notebook)
    assert exercises.keys() == known.keys()
    if solved:
        for number, cell in exercises.items():
            cell.source = known[number]
    with_verdicts(notebook, solved)
    run(notebook, tmp_path, engine_environment)


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.rglob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_is_fit_for_every_viewer(path: Path) -> None:
    """GitHub calls a notebook with widget metadata invalid; a heading of the first level is the title alone."""
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert "widgets" not in notebook.metadata
    titles = [
        line
        for cell in notebook.cells
        if cell.cell_type == "markdown"
        for line in cell.source.splitlines()
        if line.startswith("# ")
    ]
    assert len(titles) == 1
    assert notebook.cells[0].source.startswith("# ")
