"""A submitted notebook and its source → the notebook that is graded.

Learners delete cells, copy them, change their kind and their metadata; a notebook may come back through another
program. Nothing of that is an error. What is the instructor's comes from the source, word for word; what is the
learner's is kept, in its place; a copy of a cell is an ordinary cell.

    graded = repaired(submitted, source)      cells in the learner's order, whole and unique
    grade_cells(graded)                       which of them give points, and for what

Source: nbgrader's cell metadata, schema version 3.
"""

import ast
import copy
import re
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_notebook, new_output

from graders.course.task import GradeCell
from graders.report import NotGraded

_PATIENTS = re.compile(r"graders\.patients\(\s*['\"](\d+)['\"]")


def repaired(submitted: NotebookNode, source: NotebookNode) -> NotebookNode:
    """A notebook with every cell of ``source`` that has a grade id, once, and what else the learner wrote."""
    known = {_mark(cell)["grade_id"]: cell for cell in source.cells if "grade_id" in _mark(cell)}
    cells: list[NotebookNode] = []
    seen: dict[str, int] = {}
    for cell in submitted.get("cells", ()):
        name = _mark(cell).get("grade_id")
        if isinstance(name, str) and name in known and name not in seen:
            seen[name] = len(cells)
            cells.append(_restored(known[name], cell))
        else:
            cells.append(_ordinary(cell))
    return new_notebook(cells=_with_missing(cells, list(known), known), metadata=_metadata(source))


def grade_cells(notebook: NotebookNode) -> dict[int, GradeCell]:
    """Number → grade cell, for the cells that give points by themselves.

    Raises:
        NotGraded: a grade cell does anything but ``graders.score(…)``: only a person can grade it.
    """
    found = {}
    for number, cell in enumerate(notebook.cells):
        mark = _mark(cell)
        if mark.get("grade") and not mark.get("solution"):
            found[number] = _grade_cell(mark, cell.source)
    return found


def patients_in(source: NotebookNode) -> tuple[str, ...]:
    """The notebooks whose patients the assignment builds."""
    return tuple(sorted(set(_PATIENTS.findall(text_of(source)))))


def text_of(notebook: NotebookNode) -> str:
    """All that stands in its code cells."""
    return "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")


def with_result(
    notebook: NotebookNode, outputs: dict[int, list[dict[str, Any]]], scores: dict[int, tuple[float, str]]
) -> NotebookNode:
    """The notebook as a person reads it: what the learner's cells showed, and (points, HTML) in the grade cells."""
    result = copy.deepcopy(notebook)
    for number, cell in enumerate(result.cells):
        if cell.cell_type != "code":
            continue
        cell.outputs = [new_output(**row) for row in outputs.get(number, ())]
        if number in scores:
            points, card = scores[number]
            shown = {"text/plain": repr(float(points)), "text/html": card}
            cell.outputs = [new_output("execute_result", data=shown, execution_count=1)]
    return result


def _mark(cell: NotebookNode) -> dict[str, Any]:
    mark = cell.get("metadata", {}).get("nbgrader", {})
    return dict(mark) if isinstance(mark, dict) else {}


def _restored(source: NotebookNode, submitted: NotebookNode | None) -> NotebookNode:
    """The source's cell; where it is the learner's to fill in, with what the learner has filled in."""
    cell = copy.deepcopy(source)
    mark = _mark(source)
    if mark.get("solution"):
        cell.source = _text(submitted) if submitted is not None else ""
    if cell.cell_type == "code":
        cell.outputs, cell.execution_count = [], None
    return cell


def _ordinary(cell: NotebookNode) -> NotebookNode:
    plain = copy.deepcopy(cell)
    plain.metadata = NotebookNode({})
    plain.source = _text(cell)
    if plain.cell_type == "code":
        plain.outputs, plain.execution_count = [], None
    return plain


def _text(cell: NotebookNode) -> str:
    text = cell.get("source", "")
    return text if isinstance(text, str) else "".join(map(str, text))


def _with_missing(cells: list[NotebookNode], order: list[str], known: dict[str, NotebookNode]) -> list[NotebookNode]:
    """Puts every missing cell behind the one that comes before it in the source."""
    for number, name in enumerate(order):
        places = {_mark(cell).get("grade_id"): place for place, cell in enumerate(cells)}
        if name not in places:
            before = [places[other] for other in order[:number] if other in places]
            cells.insert(before[-1] + 1 if before else 0, _restored(known[name], None))
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    return cells


def _metadata(source: NotebookNode) -> dict[str, Any]:
    names = ("kernelspec", "language_info")
    return {name: copy.deepcopy(source.metadata[name]) for name in names if name in source.metadata}


def _grade_cell(mark: dict[str, Any], source: str) -> GradeCell:
    name = str(mark["grade_id"])
    try:
        call = ast.parse(source.strip()).body[-1]
        assert isinstance(call, ast.Expr) and isinstance(call.value, ast.Call)
        assert ast.unparse(call.value.func) in ("graders.score", "score")
        task = ast.literal_eval(call.value.args[0])
        words = {word.arg: ast.unparse(word.value) for word in call.value.keywords}
    except (SyntaxError, ValueError, AssertionError, IndexError) as error:
        raise NotGraded(
            f'not graded: the grade cell {name!r} must end in graders.score("NN", answers=…), so that the points '
            "come from a rubric and not from the learner's kernel"
        ) from error
    notebook, _, exercise = str(task).removeprefix("a").partition(".")
    return GradeCell(
        name,
        float(mark["points"]),
        notebook,
        str(task) if exercise else f"a{notebook}",
        words.get("answers", ""),
        words.get("context", ""),
    )
