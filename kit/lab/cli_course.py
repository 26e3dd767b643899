"""``layerlab course`` and ``layerlab grade``: for instructors."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

DONE, NOT_WHOLE = 0, 1


def add_commands(commands: Any) -> None:
    """Adds them to the parser's commands."""
    course = commands.add_parser("course", help="a course with nbgrader: init")
    actions = course.add_subparsers(required=True, metavar="ACTION")
    init = actions.add_parser("init", help="make one, with the assignments of the lessons")
    init.add_argument("directory", type=Path, nargs="?", default=Path(), metavar="DIR")
    init.add_argument("--assignment", action="append", metavar="NAME", help="only this one; may be repeated")
    init.set_defaults(run=_init)

    grade = commands.add_parser("grade", help="grade what a class has handed in")
    grade.add_argument("assignment", metavar="ASSIGNMENT", help="as it is called in source/, such as a03")
    grade.add_argument("--course", type=Path, default=Path(), metavar="DIR", help="where nbgrader_config.py is")
    grade.add_argument("--jobs", type=int, default=0, metavar="N", help="submissions at once (default: processors)")
    grade.add_argument("--json", action="store_true", help="for machines")
    grade.set_defaults(run=_grade)


def _init(options: argparse.Namespace) -> int:
    from graders.course.init import init

    options.directory.mkdir(parents=True, exist_ok=True)
    names = init(options.directory, assignments=options.assignment)
    print(f"{options.directory.absolute()} is a course with {', '.join(names)}. Next, in this directory:")
    print("  nbgrader generate_assignment", names[0])
    return DONE


def _grade(options: argparse.Namespace) -> int:
    """Progress on standard error; exit code 1 if somebody could not be graded."""
    from graders.course.course import Course
    from graders.course.grade import grade

    course = Course.at(options.course)
    graded = grade(course, options.assignment, lambda line: print(line, file=sys.stderr), jobs=options.jobs)
    if options.json:
        print(json.dumps([entry.to_json() for entry in graded.entries], indent=2))
    else:
        print(graded.pages / "index.html")
    return DONE if graded.whole else NOT_WHOLE
