"""Reports as other systems read them: Gradescope's results.json, and what GitHub Classroom's reporter takes.

Source: Gradescope, "Autograder Specifications", output format; classroom-resources/autograding-grading-reporter,
which adds up ``score`` of all ``tests``, and calls a run whose ``status`` is "fail" or "error" red.
"""

import base64
import json
from typing import Any

from graders.render import clean, number, summary
from graders.report import Report, Row, Verdict


def as_gradescope(report: Report) -> str:
    """results.json. Criteria of the instructor's own are hidden from learners, and count."""
    tests = [
        {
            "name": clean(row.title),
            "score": row.points,
            "max_score": row.max,
            "status": "passed" if row.verdict is Verdict.PASSED else "failed",
            "output": _help(row),
            "output_format": "text",
            "visibility": "hidden" if row.hidden else "visible",
        }
        for row in report.rows
    ]
    seen = f"{summary(report.for_learner())}\n{clean(report.subject)}".strip()
    document = {"output": seen, "output_format": "text", "stdout_visibility": "hidden", "tests": tests}
    return json.dumps(document, indent=2)


def as_classroom(report: Report) -> str:
    """The base64 text that a step of a workflow hands to the reporter as its ``result``."""
    tests: list[dict[str, Any]] = [
        {
            "name": f"{clean(row.title)} ({number(row.points)} of {number(row.max)})",
            "status": "pass" if row.verdict is Verdict.PASSED else "fail",
            "score": row.points,
            "message": _help(row),
            "test_code": _help(row),
            "line_no": 0,
        }
        for row in report.for_learner().rows
    ]
    status = "pass" if report.passed else "fail"
    document = {"version": 1, "status": status, "max_score": report.max, "tests": tests}
    return base64.b64encode(json.dumps(document).encode()).decode()


def _help(row: Row) -> str:
    """The advice, and the first hint: a page that is read once has no hints to open one by one."""
    if row.verdict is Verdict.PASSED:
        return ""
    return clean("\n".join(filter(None, (row.advice, *row.hints[:1]))))
