"""Runs a lesson from top to bottom, cell by cell, with nbval: as a learner finds it, or as a learner leaves it.

    python lesson.py found|solved NOTEBOOK DIRECTORY [all]

A lesson holds its own solutions, each in a cell tagged ``solution`` after the cell tagged ``exercise`` of the same
number. Solved means: each exercise cell holds its solution's code. Then every check must give full marks; as found,
no check of an exercise may. Cells tagged ``slow`` take minutes or the internet: without ``all`` they are left out.
Whatever engine the environment names is used. Exit code 0: all of that is so.
"""

import os
import re
import sys
from pathlib import Path

import nbformat
import pytest

CODE = re.compile(r"```python\n(.*?)```", re.DOTALL)
CHECK = re.compile(r"^kit\.check\(\"([\d.]+)\"")


def exercises(notebook: nbformat.NotebookNode) -> dict[str, nbformat.NotebookNode]:
    """The cells that a learner changes, by number."""
    return {_number(cell): cell for cell in notebook.cells if "exercise" in _tags(cell)}


def solutions(notebook: nbformat.NotebookNode) -> dict[str, str]:
    """The code of each solution, by number."""
    found = {}
    for cell in notebook.cells:
        if "solution" in _tags(cell):
            code = CODE.search(cell.source)
            assert code, f"the solution of {_number(cell)} holds no code"
            found[_number(cell)] = code.group(1).rstrip()
    return found


def solve(notebook: nbformat.NotebookNode) -> None:
    """Writes the solution into each exercise."""
    known = solutions(notebook)
    for number, cell in exercises(notebook).items():
        cell.source = known[number]


def assert_verdicts(notebook: nbformat.NotebookNode, solved: bool) -> None:
    """Makes each check an assertion about its points."""
    known = solutions(notebook)
    for cell in notebook.cells:
        check = CHECK.match(cell.source)
        if cell.cell_type == "code" and check and (solved or check[1] in known):
            wanted = "==" if solved else "<"
            cell.source = f"report = {cell.source}\nassert report.points {wanted} report.max, str(report)"


def leave_out_slow(notebook: nbformat.NotebookNode) -> None:
    notebook.cells = [cell for cell in notebook.cells if "slow" not in _tags(cell)]


def run(path: Path, patience: int) -> int:
    """nbval's exit code. A cell gets ``patience`` seconds. Outputs are not compared: they hold digests and times."""
    options = ["-c", os.devnull, "--rootdir", str(path.parent), "-q", "--disable-plugin-autoload"]
    options += ["-p", "nbval.plugin", "-p", "no:cacheprovider", "--nbval-lax", f"--nbval-cell-timeout={patience}"]
    return int(pytest.main([*options, str(path)]))


def _tags(cell: nbformat.NotebookNode) -> list[str]:
    return list(cell.metadata.get("tags", []))


def _number(cell: nbformat.NotebookNode) -> str:
    return _tags(cell)[1]


def main(form: str, notebook_path: str, directory: str, extent: str = "") -> int:
    notebook = nbformat.read(notebook_path, as_version=4)
    if extent != "all":
        leave_out_slow(notebook)
    if form == "solved":
        solve(notebook)
    assert_verdicts(notebook, form == "solved")
    path = Path(directory) / Path(notebook_path).name
    nbformat.write(notebook, path)
    return run(path, 900 if extent == "all" else 120)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
