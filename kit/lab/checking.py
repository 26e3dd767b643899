"""Checks with hints and solutions: ``kit.check``, ``kit.hint``, ``kit.solution``.

The verdict comes from the graders, which run in a process of their own. Hints and solutions never change it.
"""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kit.errors import NotFound
from kit.lab.home import find_home
from kit.lab.images import Image
from kit.lab.names import name_of
from kit.lab.notebooks import find_notebook, solution_in
from kit.lab.progress import progress, read_progress
from kit.views.models.lesson import Hints, Solution

if TYPE_CHECKING:
    from graders import Report


def check(
    exercise: str,
    image: "str | Image" = "",
    *,
    answers: Mapping[str, Any] | None = None,
    context: "str | os.PathLike[str]" = "",
) -> "Report":
    """What is right and what is missing, for an exercise ("03.2") or an assignment ("03").

    ``image`` is looked at instead of the one that the exercise names; ``answers`` are what you wrote down;
    ``context`` is the directory that you build from, where an exercise asks to build it again. The best
    report is remembered: what you passed stays passed.

    Raises:
        NotFound: no such exercise. NotGraded: the check itself broke; nothing is remembered.
    """
    report = _report(exercise, name_of(image), answers, context)
    with progress(find_home()) as document:
        before = document["checks"].get(exercise, {})
        document["checks"][exercise] = {
            "points": max(report.points, before.get("points", 0.0)),
            "max": report.max,
            "hints": _hints_of(report),
        }
    return report


def hint(exercise: str) -> Hints:
    """The hints for what is still missing: one more each time it is called."""
    home = find_home()
    known = read_progress(home)["checks"].get(exercise)
    hints = known["hints"] if known else _hints_of(_report(exercise, "", None, ""))
    with progress(home) as document:
        seen = min(int(document["hints"].get(exercise, 0)) + 1, len(hints))
        document["hints"][exercise] = seen
    return Hints(exercise, hints[:seen], len(hints) - seen)


def solution(exercise: str) -> Solution:
    """One good answer, from the notebook itself. Before a first attempt it asks once whether you mean it.

    Raises:
        NotFound: no notebook has a solution for it.
    """
    code, words = solution_in(find_notebook(exercise.partition(".")[0]), exercise)
    home = find_home()
    with progress(home) as document:
        tried = exercise in document["checks"] or exercise in document["asked"]
        document["asked"][exercise] = True
    return Solution(exercise, code, words) if tried else Solution(exercise)


def _report(
    exercise: str, image: str, answers: Mapping[str, Any] | None, context: "str | os.PathLike[str]"
) -> "Report":
    try:
        import graders
    except ImportError as error:
        raise NotFound("the graders are not installed beside the kit: pip install layerlab") from error
    return graders.check(exercise, image, answers=answers, context=context, warm=True)


def _hints_of(report: "Report") -> list[str]:
    """Those of the first criterion that is not met: the ones after it may not be needed any more."""
    return next((list(row.hints) for row in report.rows if row.verdict != "passed" and row.hints), [])
