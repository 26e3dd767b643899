"""The steps that nbgrader's autograde takes with a notebook, where they are ours.

``Repair`` stands before all others and never fails on a damaged notebook. ``Examine`` takes the place of nbgrader's
``Execute``: it writes into the grade cells what the rubric has found, so that everything after it (the gradebook,
late penalties, feedback, the formgrader) works as ever.

Source: nbgrader 0.9, ``converters.autograde`` and ``utils.determine_grade``.
"""

from typing import Any

from nbformat import NotebookNode
from nbgrader.preprocessors import NbGraderPreprocessor

from graders.course.course import Course, examined, read
from graders.course.repair import grade_cells, repaired, with_result
from graders.course.reports import card
from graders.course.task import GradeCell, Result, reason
from graders.report import NotGraded, Report


class Repair(NbGraderPreprocessor):  # type: ignore[misc]
    """The submitted notebook, with the instructor's cells as they are in the source."""

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        facts = resources["nbgrader"]
        source = Course(self.config).source(facts["assignment"], facts["notebook"])
        return repaired(nb, read(source, "the source")), resources


class Examine(NbGraderPreprocessor):  # type: ignore[misc]
    """Runs the notebook in a sandbox, and puts the trusted scores into its grade cells."""

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        """
        Raises:
            NotGraded: with the reason. nbgrader goes on with the next learner.
        """
        course, facts = Course(self.config), resources["nbgrader"]
        submission = course.submission(facts["assignment"], facts["student"], facts["notebook"])
        kind = course.kind
        task = course.task(submission, kind, course.template())
        result = examined(task)
        if result.why_not:
            raise NotGraded(reason(result.why_not))
        cells = grade_cells(nb)
        if cells != task.cells:
            raise NotGraded("not graded: the notebook has changed on its way through nbgrader")
        scores = {number: _scored(cell, result, number) for number, cell in cells.items()}
        return with_result(nb, result.outputs, scores), resources


def _scored(cell: GradeCell, result: Result, number: int) -> tuple[float, str]:
    report = result.scores[number].read()
    return points_of(cell, report), card(report)


def points_of(cell: GradeCell, report: Report) -> float:
    """The report's points on the scale of the cell."""
    share = report.points / report.max if report.max else 0.0
    return round(min(max(share, 0.0), 1.0) * cell.points, 4)
