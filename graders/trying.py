"""Trying a rubric before the class does: good work gets full marks, bad work does not, and each criterion fails once.

What is tried is an image's name, or a directory with a Dockerfile, which is built, and perhaps an ``answers.json``.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import kit
from graders import nonce
from graders.render import as_text, clean
from graders.report import Report, Verdict
from graders.request import Request
from graders.run import find_rubric, run_rubric
from kit.errors import Invalid, StepFailed


@dataclass(frozen=True)
class Trial:
    """A rubric on all that it was tried on."""

    good: tuple[Report, ...]
    bad: tuple[Report, ...]

    @property
    def complaints(self) -> list[str]:
        """Everything about the rubric that is not as it should be; empty when it can go to a class."""
        found = [
            f"{clean(report.subject)} is good, but does not get full marks"
            for report in self.good
            if not report.passed
        ]
        found += [f"{clean(report.subject)} is bad, but gets full marks" for report in self.bad if report.passed]
        fail = {row.id for report in self.bad for row in report.rows if row.verdict is not Verdict.PASSED}
        rows = (self.good or self.bad)[0].rows
        return found + [f"no bad one fails: {row.title}" for row in rows if self.bad and row.id not in fail]

    def __str__(self) -> str:
        reports = "\n\n".join(map(as_text, (*self.good, *self.bad)))
        verdict = "\n".join(self.complaints) or "The rubric tells good from bad."
        return f"{reports}\n\n{verdict}"


def try_rubric(rubric: str, good: Sequence[str], bad: Sequence[str]) -> Trial:
    """Runs ``rubric`` (a file, or a notebook's number) on all of ``good`` and ``bad``.

    Raises:
        NotFound: no such rubric. NotGraded: it broke on one of them. Invalid: there is nothing to try it on.
    """
    path = Path(rubric).absolute() if rubric.endswith(".py") else find_rubric(rubric)
    if not path.is_file():
        raise Invalid(f"there is no rubric {rubric!r}")
    if not (good or bad):
        raise Invalid("nothing to try it on: name images, or directories with a Dockerfile")
    return Trial(tuple(_report(path, one) for one in good), tuple(_report(path, one) for one in bad))


def _report(rubric: Path, subject: str) -> Report:
    directory = Path(subject)
    engine, number = kit.connect().docker_host, rubric.name.split("_")[1]
    if not directory.is_dir():
        request = Request(engine=engine, image=subject, nonce=nonce(number))
        return run_rubric(rubric, request, name=rubric.stem, subject=subject, warm=True)
    image = f"layerlab-try/{number}:latest"
    try:
        kit.build(directory, tag=image)
    except StepFailed as error:
        raise Invalid(f"{subject} does not build: {error}") from error
    context = str(directory.absolute())
    request = Request(engine=engine, image=image, context=context, answers=_answers(directory), nonce=nonce(number))
    return run_rubric(rubric, request, name=rubric.stem, subject=subject, warm=True)


def _answers(directory: Path) -> dict[str, object]:
    file = directory / "answers.json"
    try:
        found = json.loads(file.read_bytes()) if file.exists() else {}
    except (OSError, ValueError) as error:
        raise Invalid(f"{file} can't be read: {error}") from error
    if not isinstance(found, dict):
        raise Invalid(f"{file} must hold a dict of answers by name")
    return found
