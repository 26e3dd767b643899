"""Graders: rubrics that look at images, and the report they give.

    check("03")                        the assignment of notebook 03, as a Report
    check("03.2", "ex03/hello:1")      one exercise of the lesson, on the image named
    score("03", answers=…)             the last line of a grade cell: a float that nbgrader reads
    begin("03")                        the first line of an assignment: the learner's own word
    patients("03")                     builds the images that the assignment asks a diagnosis of
    outcomes("02", diff_id, …)         what functions of the learner's return, as answers
    project("04")                      writes the directory that the assignment hands out

``graders.render`` writes a Report as text, HTML, JSON or JUnit XML.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from graders.report import NotGraded, Report, Row, Score, Verdict

__all__ = [
    "NotGraded",
    "Report",
    "Row",
    "Score",
    "Verdict",
    "begin",
    "check",
    "nonce",
    "outcomes",
    "patients",
    "project",
    "score",
]


def check(
    task: str,
    image: str = "",
    *,
    answers: Mapping[str, Any] | None = None,
    context: "str | os.PathLike[str]" = "",
    engine: str = "",
    warm: bool = False,
) -> Report:
    """What the rubric says of ``task``: an assignment ("03") or one exercise ("03.2").

    ``image`` is looked at instead of the one that the task names; ``context`` is the directory that it is built
    from, for criteria that build it again. ``engine`` is a DOCKER_HOST; "" takes the one that the kit finds.
    ``warm`` keeps a process for the next check, which is then there in a tenth of a second.
    The criteria of LAYERLAB_RUBRICS, folders of the instructor's own, are asked for, too.

    Raises:
        NotFound: no such rubric. NotGraded: the rubric or the engine broke. Invalid: an answer is no plain value.
    """
    import kit
    from graders.request import Request
    from graders.run import find_rubric, hidden_rubrics, run_rubric

    notebook, _, exercise = task.removeprefix("a").partition(".")
    request = Request(
        engine=engine or kit.connect().docker_host,
        image=image,
        context=os.path.abspath(context) if context else "",
        answers=dict(answers or {}),
        nonce=nonce(notebook),
        exercise=task if exercise else f"a{notebook}",
    )
    name = task if exercise else f"A{notebook}"
    hidden = hidden_rubrics(notebook)
    return run_rubric(find_rubric(notebook), request, name=name, subject=image, hidden=hidden, warm=warm)


def score(task: str, *, answers: Mapping[str, Any] | None = None, context: "str | os.PathLike[str]" = "") -> Score:
    """The points for ``task``, as a float that shows its report, as learners may see it: it stays in the notebook.

    An engine or a rubric that breaks raises: nbgrader gives no points for the cell, and the instructor sees
    the reason in the notebook and grades it again. Nothing is written to stderr: one line of a warning there,
    and nbgrader gives no points at all.
    """
    import contextlib
    import io

    with contextlib.redirect_stderr(io.StringIO()):
        return Score(check(task, answers=answers, context=context, warm=True).for_learner())


def begin(notebook: str) -> str:
    """Begins the assignment of ``notebook``; the learner's word, see ``nonce``.

    While nbgrader runs the assignment, images that an earlier submission left under the assignment's names are
    taken away first: nobody gets points for another's work.
    """
    from graders.clinic import clear

    if "NBGRADER_EXECUTION" in os.environ:
        clear(f"a{notebook}")
    return nonce(notebook)


def nonce(notebook: str, student: str = "") -> str:
    """A word of eight letters that only this learner gets, so that an answer can't be copied.

    ``student`` "" is LAYERLAB_STUDENT, else the user's own name.
    """
    import getpass
    import hashlib

    student = student or os.environ.get("LAYERLAB_STUDENT", "") or getpass.getuser()
    digest = hashlib.sha256(f"layerlab {notebook} {student}".encode()).digest()
    return "".join(chr(ord("a") + byte % 26) for byte in digest[:8])


def patients(notebook: str) -> list[str]:
    """Builds the images that the assignment of ``notebook`` asks a diagnosis of; their names."""
    from graders import clinic, family

    build = {"03": clinic.build_patients, "05": family.build_programs}[notebook]
    return build(nonce(notebook), f"a{notebook}")


def project(notebook: str) -> Path:
    """Writes the directory that the assignment of ``notebook`` hands out, as it was; where it is."""
    from graders.projects import write_project

    return write_project(notebook, nonce(notebook))


def outcomes(notebook: str, *functions: Callable[..., Any]) -> dict[str, list[dict[str, Any]]]:
    """What the learner's functions return, each on the cases that the assignment of ``notebook`` has for its name."""
    from graders.boxes import outcomes as try_out

    return try_out(nonce(notebook), *functions)
