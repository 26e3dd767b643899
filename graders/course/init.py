"""``layerlab course init``: a working nbgrader course, made of the assignments that come with the lessons."""

import shutil
from pathlib import Path

import kit
from kit.errors import Conflict, NotFound

ASSIGNMENTS = Path(kit.__file__).parents[1] / "notebooks" / "assignments"
CONFIG = """\
# nbgrader's settings for this course. The first line sets up everything that Layerlab needs.
c = get_config()
__import__("graders.course").course.configure(c)

c.CourseDirectory.course_id = {name!r}

# What learners' code may use while it is graded; these are the defaults.
# c.Grading.cell_seconds = 60
# c.Grading.seconds = 300
# c.Grading.disk = 1 << 30
# c.Grading.parents = ["busybox:1", "debian:13", "web:1"]
# Folders of your own rubrics, which no learner sees:
# c.Grading.rubrics = "/home/me/rubrics"
"""


def init(root: Path, *, assignments: list[str] | None = None) -> list[str]:
    """Makes the course in ``root``; the names of its assignments. What is there already stays as it is.

    Raises:
        Conflict: ``root`` is a course already. NotFound: there is no such assignment.
    """
    known = sorted(path.name for path in ASSIGNMENTS.glob("*/") if any(path.glob("*.ipynb")))
    wanted = assignments or known
    for name in wanted:
        if name not in known:
            raise NotFound(f"there is no assignment {name!r}; there are: {', '.join(known)}")
    config = root / "nbgrader_config.py"
    if config.exists():
        raise Conflict(f"{root} is a course already: it has a {config.name}")
    for name in wanted:
        target = root / "source" / name
        if not target.exists():
            shutil.copytree(ASSIGNMENTS / name, target, ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    config.write_text(CONFIG.format(name=root.absolute().name))
    return wanted
