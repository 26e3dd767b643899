"""The commands about rubrics: ``layerlab check``, ``layerlab rubric new``, ``layerlab rubric try``."""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.errors import Invalid, KitError, StepFailed

if TYPE_CHECKING:
    from graders import Report

DONE, NOT_WELL = 0, 1
_FORMS = ("junit", "html", "gradescope", "classroom")


def add_commands(commands: Any) -> None:
    """Adds them to the parser of ``layerlab``."""
    check = commands.add_parser("check", help="what a rubric says of an image")
    check.add_argument("task", metavar="NN", help="a notebook's assignment (03), or an exercise (03.2)")
    check.add_argument("image", nargs="?", default="", metavar="IMAGE", help="look at this one instead")
    check.add_argument("--build", type=Path, metavar="DIR", help="build this directory first, and look at the result")
    check.add_argument("--answers", type=Path, metavar="FILE", help="what the learner wrote down, as a JSON object")
    check.add_argument("--json", action="store_true", help="for machines")
    for form, what in zip(
        _FORMS, ("JUnit XML", "HTML", "Gradescope's results.json", "GitHub Classroom's result"), strict=True
    ):
        check.add_argument(f"--{form}", type=Path, metavar="FILE", help=f"write {what}, too")
    check.set_defaults(run=_check)

    rubric = commands.add_parser("rubric", help="write a rubric of one's own: new, try")
    actions = rubric.add_subparsers(required=True, metavar="ACTION")
    new = actions.add_parser("new", help="start one: five criteria that many images should meet")
    new.add_argument("number", metavar="NN")
    new.add_argument("title", metavar="TITLE")
    new.add_argument("--folder", type=Path, default=Path(), metavar="DIR", help="where to (default: here)")
    new.set_defaults(run=_new)
    trying = actions.add_parser("try", help="run it on images, or directories to build, that are good and bad")
    trying.add_argument("rubric", metavar="RUBRIC", help="a file, or a notebook's number")
    trying.add_argument("--good", nargs="+", default=[], metavar="IMAGE", help="must get full marks")
    trying.add_argument("--bad", nargs="+", default=[], metavar="IMAGE", help="must not; each criterion fails once")
    trying.set_defaults(run=_try)


def _check(options: argparse.Namespace) -> int:
    from graders import forms, render

    report = _report(options)
    writers = {"junit": render.as_junit, "html": render.as_html}
    writers |= {"gradescope": forms.as_gradescope, "classroom": forms.as_classroom}
    for form in _FORMS:
        if path := getattr(options, form):
            _write(path, writers[form](report))
    print(render.as_json(report) if options.json else render.as_text(report))
    return DONE if report.passed else NOT_WELL


def _report(options: argparse.Namespace) -> "Report":
    import graders

    answers = _answers(options.answers) if options.answers else {}
    if options.build is None:
        return graders.check(options.task, options.image, answers=answers)
    image = options.image or f"layerlab-check/{options.task}:latest"
    trouble = _build(options.build, image)
    report = graders.check(options.task, image, answers=answers, context=options.build)
    return replace(report, subject=f"{options.build}, which does not build: {trouble}" if trouble else image)


def _build(directory: Path, image: str) -> str:
    """Builds it as ``image``; why that failed, else "". Then none has that name, from an earlier day either."""
    import kit

    try:
        kit.build(directory, tag=image)
    except (StepFailed, Invalid) as error:
        client = kit.connect().client
        if image in kit.tags(image):
            client.images.remove(image, force=True, noprune=True)
        return str(error)
    return ""


def _answers(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise KitError(f"{path} can't be read: {error}") from error
    if not isinstance(found, dict):
        raise KitError(f"{path} must hold an object: answers by name")
    return found


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise KitError(f"{path} can't be written: {error.strerror}") from error


def _new(options: argparse.Namespace) -> int:
    from graders.template import write_rubric

    print(write_rubric(options.number, options.title, options.folder))
    return DONE


def _try(options: argparse.Namespace) -> int:
    from graders.trying import try_rubric

    trial = try_rubric(options.rubric, options.good, options.bad)
    print(trial)
    return NOT_WELL if trial.complaints else DONE
