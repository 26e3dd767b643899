"""Reports: what a rubric found, as values.

A report crosses from the rubric's process to the caller as JSON and is checked on the way in, so that
nothing but numbers and text ever comes over. ``Score`` is the report as nbgrader wants it: a float.

Source: nbgrader 0.9 ``determine_grade``: the first execute_result of a grade cell is read with ``float()``.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from kit.errors import Unavailable


class Verdict(StrEnum):
    PASSED = "passed"
    PARTLY = "partly"
    FAILED = "failed"


class NotGraded(Unavailable):
    """The rubric could not be run to its end: no score at all, rather than a wrong one."""


@dataclass(frozen=True)
class Row:
    """One criterion: points earned of ``max``, with advice unless passed. ``hints`` in order of help.

    ``hidden``: it lives with the instructor only. ``trouble``: what broke on an odd answer, for the instructor.
    """

    id: str
    title: str
    points: float
    max: float
    verdict: Verdict
    advice: str = ""
    hints: tuple[str, ...] = ()
    exercise: str = ""
    hidden: bool = False
    trouble: str = ""

    def for_learner(self) -> "Row":
        """The row as a learner may see it: of a hidden criterion only its points."""
        if not self.hidden:
            return replace(self, trouble="")
        return Row("hidden", "A criterion of your instructor's.", self.points, self.max, self.verdict, hidden=True)


@dataclass(frozen=True, repr=False)
class Report:
    """All criteria of a rubric, in the order of the task."""

    rubric: str
    rows: tuple[Row, ...]
    subject: str = ""

    @property
    def points(self) -> float:
        return round(sum(row.points for row in self.rows), 4)

    @property
    def max(self) -> float:
        return round(sum(row.max for row in self.rows), 4)

    @property
    def passed(self) -> bool:
        return all(row.verdict is Verdict.PASSED for row in self.rows)

    def count(self, verdict: Verdict) -> int:
        return sum(row.verdict is verdict for row in self.rows)

    def for_learner(self) -> "Report":
        """The report as it goes into feedback: hidden criteria give points, and no words."""
        return replace(self, rows=tuple(row.for_learner() for row in self.rows))

    def to_json(self) -> dict[str, Any]:
        return {
            "rubric": self.rubric,
            "subject": self.subject,
            "points": self.points,
            "max": self.max,
            "rows": [asdict(row) for row in self.rows],
        }

    @classmethod
    def of_json(cls, text: bytes | str) -> "Report":
        """A report as it came over the pipe.

        Raises:
            NotGraded: not a report, no criteria, or points out of their bounds.
        """
        try:
            data = json.loads(text)
            rows = tuple(_row(row) for row in data["rows"])
            report = cls(str(data["rubric"]), rows, str(data.get("subject", "")))
        except (ValueError, KeyError, TypeError) as error:
            raise NotGraded(f"not graded: the rubric gave no readable report ({error!r})") from error
        if not rows:
            raise NotGraded(f"not graded: rubric {report.rubric} has no criteria that could be run")
        return report

    def _repr_html_(self) -> str:
        from graders.render import as_html

        return as_html(self)

    def __str__(self) -> str:
        from graders.render import as_text

        return as_text(self)

    __repr__ = __str__


def _row(data: Mapping[str, Any]) -> Row:
    points, most = float(data["points"]), float(data["max"])
    if not (math.isfinite(points) and math.isfinite(most) and 0 <= points <= most):
        raise ValueError(f"{data.get('id')}: {points} of {most} points")
    return Row(
        id=str(data["id"]),
        title=str(data["title"]),
        points=points,
        max=most,
        verdict=Verdict(data["verdict"]),
        advice=str(data.get("advice", "")),
        hints=tuple(map(str, data.get("hints", ()))),
        exercise=str(data.get("exercise", "")),
        hidden=data.get("hidden") is True,
        trouble=str(data.get("trouble", "")),
    )


class Score(float):
    """A report's points as a plain number that shows the report beside it.

    ``repr`` is a plain float, because nbgrader gives full marks for a value that it can't read as one.
    """

    report: Report

    def __new__(cls, report: Report) -> "Score":
        score = super().__new__(cls, report.points)
        score.report = report
        return score

    def __repr__(self) -> str:
        return float.__repr__(self)

    def _repr_html_(self) -> str:
        return self.report._repr_html_()
