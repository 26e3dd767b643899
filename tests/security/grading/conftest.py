"""One class for all tests: honest, sloppy and malicious learners, graded once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from graders.course.course import Course
from graders.course.grade import grade
from graders.course.init import init
from graders.course.reports import Entry
from graders.course.sandbox import Kind, works
from tests.security.grading.zoo import EVERY_TIME, SECRET, ZOO, hand_in

CONFIG = """
c.Grading.parents = ["busybox:1"]
c.Grading.cell_seconds = 30
c.Grading.seconds = 150
c.Grading.disk = 64 << 20
c.Grading.jobs = 3
"""


class Class:
    """The course, and what came out. ``told`` are the lines of progress."""

    def __init__(self, root: Path, environment: dict[str, str]) -> None:
        self.root, self.environment = root, environment
        self.told: list[str] = []
        self.entries: dict[str, Entry] = {}

    def nbgrader(self, *words: str) -> str:
        command = [sys.executable, "-m", "nbgrader", *words]
        done = subprocess.run(
            command, cwd=self.root, env=self.environment, capture_output=True, text=True, timeout=280
        )
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
        return done.stdout

    def grade(self) -> None:
        """Grades in this process, so that what it tells can be seen."""
        before = dict(os.environ)
        os.environ.clear()
        os.environ.update(self.environment)
        try:
            graded = grade(Course.at(self.root), "a03", self.told.append)
        finally:
            os.environ.clear()
            os.environ.update(before)
        self.entries = {entry.student: entry for entry in graded.entries}


@pytest.fixture(scope="session")
def graded(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Class:
    """Everybody in the zoo, graded by ``layerlab grade``."""
    if not works(Kind.BUBBLEWRAP):
        pytest.skip("bubblewrap does not work here")
    home = tmp_path_factory.mktemp("teacher")
    (home / "parents").symlink_to(cache / "parents")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("DOCKER_", "LAYERLAB_"))}
    kept["PATH"] = f"{Path(sys.executable).parent}:{kept['PATH']}"  # nbgrader calls alembic by name
    names = ("HOME", "LAYERLAB_HOME", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")
    room = Class(tmp_path_factory.mktemp("course"), kept | {name: str(home) for name in names} | {"TOKEN": SECRET})
    init(room.root, assignments=["a03"])
    with (room.root / "nbgrader_config.py").open("a") as config:
        config.write(CONFIG)
    place = room.root / ".layerlab"
    place.mkdir(mode=0o700)
    (place / "secret").write_text("a fixed one, so that luck is the same in every run")
    room.nbgrader("generate_assignment", "a03")
    release = (room.root / "release/a03/greet.ipynb").read_text()
    whole = os.environ.get("LAYERLAB_SLOW") == "1"
    for attack in (one for one in ZOO if whole or one.name in EVERY_TIME):
        hand_in(attack, release, room.root / "submitted" / attack.name / "a03")
    room.grade()
    return room
