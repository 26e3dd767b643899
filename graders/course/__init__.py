"""A course with nbgrader, whose scores can't be forged by what learners hand in.

One line in ``nbgrader_config.py`` does it:

    __import__("graders.course").course.configure(get_config())

nbgrader's commands and its formgrader work as ever. What is different: learners' code runs in a sandbox; no score
comes from there; damaged notebooks are repaired; what can't be graded is not graded, and says why.

    sandbox, provisioner     where a learner's kernel runs
    booth, examine, rerun    one submission, from notebook to scores
    repair, preprocessors    what nbgrader does with a notebook
    course, grade, reports   a class: ``layerlab grade``
"""

import os
from typing import Any


def configure(c: Any, root: "str | os.PathLike[str]" = "") -> None:
    """Sets up nbgrader's configuration ``c`` for the course in ``root`` (default: the current directory)."""
    from nbgrader.preprocessors import (
        AssignLatePenalties,
        CheckCellMetadata,
        ClearOutput,
        DeduplicateIds,
        IgnorePattern,
        LimitOutput,
        OverwriteCells,
        OverwriteKernelspec,
        SaveAutoGrades,
    )

    from graders.course.preprocessors import Examine, Repair

    place = os.path.abspath(root or os.getcwd())
    c.CourseDirectory.root = place
    c.CourseDirectory.db_url = f"sqlite:///{place}/gradebook.db"
    c.CourseDirectory.ignore = [
        ".ipynb_checkpoints",
        "*.pyc",
        "__pycache__",
        "feedback",
        ".layerlab",
        "rubrics",
        "graders",
        "conftest.py",
    ]
    c.Autograde.sanitize_preprocessors = [
        Repair,
        ClearOutput,
        DeduplicateIds,
        OverwriteKernelspec,
        OverwriteCells,
        CheckCellMetadata,
    ]
    c.Autograde.autograde_preprocessors = [
        Examine,
        IgnorePattern,
        LimitOutput,
        SaveAutoGrades,
        AssignLatePenalties,
        CheckCellMetadata,
    ]
    c.HTMLExporter.sanitize_html = True
