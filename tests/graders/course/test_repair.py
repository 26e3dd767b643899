"""Damaged notebooks are repaired: the instructor's cells from the source, the learner's as they are."""

import copy
from collections.abc import Callable

import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from graders.course.repair import grade_cells, patients_in, repaired, with_result
from graders.report import NotGraded


def cell(name: str, source: str, **facts: object) -> NotebookNode:
    mark = {"schema_version": 3, "grade_id": name, "grade": False, "solution": False, "locked": True, "task": False}
    return new_code_cell(source, metadata={"nbgrader": mark | facts})


SOURCE = new_notebook(
    cells=[
        new_markdown_cell("# Task"),
        cell("setup", "import graders\ngraders.patients('03')"),
        cell("answer", "### BEGIN SOLUTION\nx = 42\n### END SOLUTION", solution=True, locked=False),
        cell("score", "graders.score('03', answers={'x': x}, context=folder)", grade=True, points=20),
    ],
    metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
)


def handed_in() -> NotebookNode:
    notebook = copy.deepcopy(SOURCE)
    notebook.cells[2].source = "x = 1"
    return notebook


def remove(*numbers: int) -> Callable[[NotebookNode], None]:
    def change(notebook: NotebookNode) -> None:
        notebook.cells = [cell for number, cell in enumerate(notebook.cells) if number not in numbers]

    return change


def twice(notebook: NotebookNode) -> None:
    notebook.cells += copy.deepcopy(notebook.cells)


def spoil(notebook: NotebookNode) -> None:
    for one in notebook.cells:
        one.metadata = NotebookNode({"nbgrader": "odd"})


def rewrite(notebook: NotebookNode) -> None:
    notebook.cells[1].source = "graders = None"
    notebook.cells[3].source = "20.0"
    notebook.cells[3].metadata["nbgrader"]["points"] = 1000
    notebook.cells[3].cell_type = "markdown"


@pytest.mark.parametrize("change", [remove(), remove(1), remove(3), remove(1, 3), twice, rewrite])
def test_the_instructors_cells_are_there_once_and_as_they_were(change: Callable[[NotebookNode], None]) -> None:
    notebook = handed_in()
    change(notebook)
    graded = repaired(notebook, SOURCE)
    marks = [found for found in graded.cells if "nbgrader" in found.metadata]
    assert [found.metadata["nbgrader"]["grade_id"] for found in marks] == ["setup", "answer", "score"]
    assert [found.metadata for found in marks] == [found.metadata for found in SOURCE.cells[1:]]
    assert [found.source for found in marks] == [SOURCE.cells[1].source, "x = 1", SOURCE.cells[3].source]
    assert len({found["id"] for found in graded.cells}) == len(graded.cells)


@pytest.mark.parametrize("change", [remove(2), spoil, remove(0, 1, 2, 3)])
def test_a_missing_answer_is_empty_and_never_the_solution(change: Callable[[NotebookNode], None]) -> None:
    notebook = handed_in()
    change(notebook)
    graded = repaired(notebook, SOURCE)
    (answer,) = [c for c in graded.cells if c.metadata.get("nbgrader", {}).get("grade_id") == "answer"]
    assert answer.source == ""
    assert "42" not in str(graded)


def test_what_the_learner_added_stays_in_its_place() -> None:
    notebook = handed_in()
    notebook.cells.insert(2, new_code_cell("y = 2"))
    graded = repaired(notebook, SOURCE)
    assert [found.source for found in graded.cells][2:4] == ["y = 2", "x = 1"]


def test_a_grade_cell_says_what_is_graded_and_what_the_kernel_is_asked_for() -> None:
    ((number, found),) = grade_cells(SOURCE).items()
    assert (number, found.grade_id, found.points, found.notebook, found.exercise) == (3, "score", 20.0, "03", "a03")
    assert eval(found.expression, {"x": 7, "folder": "f"}) == {"answers": {"x": 7}, "context": "f"}
    assert patients_in(SOURCE) == ("03",)


@pytest.mark.parametrize(
    "source", ["20.0", "assert x == 42", "", "graders.score(task)", "x = graders.score('03')", "("]
)
def test_a_grade_cell_that_trusts_the_kernel_is_not_graded(source: str) -> None:
    notebook = copy.deepcopy(SOURCE)
    notebook.cells[3].source = source
    with pytest.raises(NotGraded, match=r"grade cell 'score' must end in graders\.score"):
        grade_cells(notebook)


def test_the_score_is_the_only_output_of_its_cell() -> None:
    notebook = handed_in()
    stream = {"output_type": "stream", "name": "stdout", "text": "hello"}
    found = with_result(notebook, {2: [stream], 3: [stream]}, {3: (12.5, "<b>card</b>")})
    assert found.cells[2].outputs[0].text == "hello"
    (output,) = found.cells[3].outputs
    assert (output.output_type, output.data["text/plain"]) == ("execute_result", "12.5")
