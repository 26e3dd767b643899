"""A course on disk: nbgrader's directories, and beside them what Layerlab keeps.

    ROOT/source, submitted, …    nbgrader's, as nbgrader_config.py says
    ROOT/.layerlab/secret        makes the learners' words; whoever has it can foretell them
    ROOT/.layerlab/parents-…     an engine's home with the parents, which every submission begins with
    ROOT/.layerlab/results       one file per examined submission, named by the digest of all that went into it

Equal digests give equal results: a submission is examined once, however often it is graded, and anew when it, its
rubric, the source or a parent has changed.
"""

import fcntl
import hashlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import docker
import nbformat
from nbgrader.coursedir import CourseDirectory
from traitlets import Bool, Float, Int, List, Unicode
from traitlets.config import Config, Configurable, PyFileConfigLoader

import graders
from graders.course.repair import grade_cells, patients_in, repaired, text_of
from graders.course.sandbox import Kind, find_kind
from graders.course.task import Result, Task
from graders.report import NotGraded
from graders.run import find_rubric
from kit.errors import Denied, Invalid, NotFound
from kit.lab.engine import start_engine, stop_engine
from kit.lab.home import Home, find_home, private
from kit.lab.parents import RECIPES, make_parents

CONFIG = "nbgrader_config.py"
WITHOUT = (
    "no sandbox works on this machine, so what learners wrote would run as you, and SCORES CAN BE FORGED. Install "
    "bubblewrap, or set c.Grading.without_sandbox = True if you trust every learner."
)
_GRACE = 120
"""Seconds that an examination may take beyond those of its notebook and its rubric: engines start, images load."""
_PARENTS = ["busybox:1", "debian:13", "tools:1", "web:1"]
"""What the assignments build upon; ``nodejs:20`` is for a lesson alone."""


class Grading(Configurable):  # type: ignore[misc]
    """The settings in nbgrader_config.py: ``c.Grading.… = …``."""

    without_sandbox = Bool(False, help="run learners' code as you: scores can be forged").tag(config=True)
    sandbox = Unicode("", help="bubblewrap, supervisor or none; the best that works, if not given").tag(config=True)
    isolator = Unicode("", help="how containers run: root, userns or seccomp").tag(config=True)
    rubrics = Unicode("", help="folders of your own rubrics, separated by ':'").tag(config=True)
    parents = List(Unicode(), _PARENTS, help="the images that every learner's engine has").tag(config=True)
    jobs = Int(0, help="submissions at once; as many as there are processors, if 0").tag(config=True)
    cell_seconds = Float(60.0, help="for one cell").tag(config=True)
    seconds = Float(300.0, help="for all cells of a notebook, and for its rubric").tag(config=True)
    disk = Int(1 << 30, help="bytes that a learner's engine may fill").tag(config=True)


@dataclass(frozen=True)
class Submission:
    """One notebook of one learner, as handed in."""

    assignment: str
    student: str
    notebook: str
    path: Path


class Course:
    """The course of an nbgrader configuration."""

    def __init__(self, config: Config) -> None:
        self.directory = CourseDirectory(config=config)
        self.settings = Grading(config=config)
        self.root = Path(self.directory.root).absolute()
        self.place = self.root / ".layerlab"

    @classmethod
    def at(cls, root: Path) -> "Course":
        """The course whose nbgrader_config.py is in ``root``.

        Raises:
            NotFound: there is none.
        """
        if not (root / CONFIG).is_file():
            raise NotFound(f"{root} has no {CONFIG}: `layerlab course init` makes a course")
        before = Path.cwd()
        os.chdir(root)  # as nbgrader's own commands do: what the file says may be relative to where it is
        try:
            return cls(PyFileConfigLoader(CONFIG, path=str(Path.cwd())).load_config())
        finally:
            os.chdir(before)

    # --- what was handed in

    def source(self, assignment: str, notebook: str) -> Path:
        return self._path("source", ".", assignment) / f"{notebook}.ipynb"

    def submissions(self, assignment: str) -> list[Submission]:
        """Everything handed in for ``assignment``, in the order of the learners' names.

        Raises:
            NotFound: there is no such assignment.
        """
        names = [path.stem for path in sorted(self._path("source", ".", assignment).glob("*.ipynb"))]
        if not names:
            raise NotFound(f"there is no assignment {assignment!r} in {self._path('source', '.', '')}")
        above = self._path("submitted", "", "").absolute()
        students = sorted(path.name for path in above.iterdir() if path.is_dir()) if above.is_dir() else []
        found = [self.submission(assignment, student, name) for student in students for name in names]
        return [submission for submission in found if submission.path.parent.is_dir()]

    def submission(self, assignment: str, student: str, notebook: str) -> Submission:
        path = self._path("submitted", student, assignment) / f"{notebook}.ipynb"
        return Submission(assignment, student, notebook, path)

    def _path(self, step: str, student: str, assignment: str) -> Path:
        directory = getattr(self.directory, f"{step}_directory")
        return Path(
            self.directory.format_path(directory, student, assignment) if assignment else self.root / directory
        )

    # --- what an examination needs

    @property
    def kind(self) -> Kind:
        """The sandbox that learners' code runs in.

        Raises:
            Denied: there is none, and nobody has allowed to do without.
        """
        found = Kind(self.settings.sandbox) if self.settings.sandbox else find_kind()
        if found is Kind.NONE and not self.settings.without_sandbox:
            raise Denied(WITHOUT)
        return found

    def task(self, submission: Submission, kind: Kind, template: "Template") -> Task:
        """What is to be examined.

        Raises:
            NotGraded: the notebook or its rubric can't be used; the text says why.
        """
        source = read(self.source(submission.assignment, submission.notebook), "the source")
        notebook = repaired(read(submission.path, "the submitted notebook"), source)
        cells = grade_cells(notebook)
        numbers = sorted({cell.notebook for cell in cells.values()})
        secret = self._secret(submission.student)
        task = Task(
            notebook=dict(notebook),
            cells=cells,
            files=str(submission.path.parent),
            template=str(template.home),
            result="",
            kind=kind,
            words={number: graders.nonce(number, secret) for number in numbers},
            secret=hashlib.sha256(f"hidden {secret}".encode()).hexdigest(),
            patients=patients_in(source),
            known_layers=template.layers,
            registry="registry" in text_of(source),
            rubrics=self.settings.rubrics,
            isolator=self.settings.isolator,
            disk=self.settings.disk,
            cell_seconds=self.settings.cell_seconds,
            seconds=self.settings.seconds,
        )
        name = self._digest(task, submission, template)
        return Task(**{**vars(task), "result": str(self.place / "results" / f"{name}.json")})

    def _digest(self, task: Task, submission: Submission, template: "Template") -> str:
        """Of all that the result follows from."""
        facts = asdict(task) | {"template": template.name, "notebook": json.dumps(task.notebook, sort_keys=True)}
        for name in ("files", "result", "known_layers"):
            facts.pop(name)
        digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
        for path in _rubric_files(task, self.settings.rubrics):
            digest.update(path.read_bytes())
        for path in sorted(submission.path.parent.rglob("*")):
            if path.is_file() and not path.is_symlink() and path.suffix != ".ipynb":
                digest.update(f"{path.relative_to(submission.path.parent)} {path.stat().st_size}".encode())
                digest.update(path.read_bytes() if path.stat().st_size < 1 << 25 else b"")
        return digest.hexdigest()

    def _secret(self, student: str) -> str:
        """What the words of a learner are made of in this course."""
        file = private(self.place) / "secret"
        with _alone(self.place / "lock"):
            if not file.exists():
                file.touch(mode=0o600)
                file.write_text(secrets.token_hex(32))
        return f"{student} {file.read_text()}"

    def template(self) -> "Template":
        """The engine's home that every submission begins with, made if need be.

        Raises:
            Invalid: no such parent. Unavailable: a parent can't be made.
        """
        names = list(self.settings.parents)
        unknown = [name for name in names if name not in RECIPES]
        if unknown:
            raise Invalid(f"no parent image is called {unknown[0]!r}: there are {', '.join(sorted(RECIPES))}")
        recipes = [(name, RECIPES[name].digest) for name in names]
        key = hashlib.sha256(f"{version('layerlab')} {recipes}".encode()).hexdigest()[:12]
        place = private(self.place) / f"parents-{key}"
        with _alone(self.place / "lock"):
            if not place.exists():
                half = Path(tempfile.mkdtemp(prefix="half-", dir=self.place))
                layers = _fill(half, names, self.settings.isolator)
                (half / "layers.json").write_text(json.dumps(layers))
                half.replace(place)
        return Template(key, place / "engine", tuple(json.loads((place / "layers.json").read_text())))


@dataclass(frozen=True)
class Template:
    """An engine's home with parents, and their layers."""

    name: str
    home: Path
    layers: tuple[str, ...]


def examined(task: Task) -> Result:
    """The result of ``task``: from its file, else found out now, by a process of its own.

    Raises:
        NotGraded: the process broke. What it says about a rubric or an engine that broke is in the result.
    """
    file = Path(task.result)
    known = find_result(task)
    if known is not None:
        return known
    file.parent.mkdir(parents=True, exist_ok=True)
    project = str(Path(graders.__file__).parents[1])
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    limit = task.seconds * (1 + len(task.cells)) + _GRACE
    process = subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", "--", sys.executable, "-m", "graders.course.examine"],
        cwd="/",
        env=kept | {"PYTHONPATH": project, "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        said, _ = process.communicate(json.dumps(task.to_json()).encode(), timeout=limit)
    except subprocess.TimeoutExpired as error:
        raise NotGraded(f"not graded: it took more than {limit:g} seconds") from error
    finally:
        process.kill()
        process.wait()
    found = find_result(task)
    if found is None:
        raise NotGraded(
            f"not graded: the examination ended without a result. {said.decode(errors='replace')[-1500:]}"
        )
    if found.why_not:
        file.unlink()  # what broke may be mended: it is found out anew next time
    return found


def find_result(task: Task) -> Result | None:
    """What is known already."""
    try:
        return Result.of_json(json.loads(Path(task.result).read_text()))
    except (OSError, ValueError, NotGraded):
        return None


def read(path: Path, what: str) -> Any:
    """
    Raises:
        NotGraded: it is no notebook that anybody could read.
    """
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), encoding="utf-8") as file:
            return nbformat.reads(file.read(), as_version=4)
    except Exception as error:  # nbformat raises whatever a damaged notebook makes it stumble over
        raise NotGraded(f"not graded: {what} can't be read ({type(error).__name__}): look at it yourself") from error


def _rubric_files(task: Task, folders: str) -> Iterator[Path]:
    for number in sorted({cell.notebook for cell in task.cells.values()}):
        try:
            yield find_rubric(number)
        except NotFound as error:
            raise NotGraded(f"not graded: {error}") from error
        for folder in filter(None, folders.split(os.pathsep)):
            yield from sorted(Path(folder).glob(f"rubric_{number}_*.py"))


def _fill(place: Path, names: Iterable[str], isolator: str) -> list[str]:
    """An engine's home with these parents; their layers."""
    with tempfile.TemporaryDirectory(prefix="layerlab-door-") as door:
        home = Home(place, Path(door))
        client = docker.DockerClient(start_engine(home, isolator).docker_host, version="auto", timeout=600)
        try:
            make_parents(client, list(names), shared_home())
            images = client.images.list()
            return sorted({layer for image in images for layer in image.attrs["RootFS"]["Layers"]})
        finally:
            client.close()
            stop_engine(home)


def shared_home(environment: Mapping[str, str] = os.environ) -> Path:
    """Where the parents' root file systems are kept, for all courses."""
    root = find_home(environment).root
    root.mkdir(parents=True, exist_ok=True)
    return root


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One process at a time. The lock ends with its holder."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def sweep(place: Path = Path(tempfile.gettempdir())) -> None:
    """Removes booths whose process was killed."""
    from graders.course.examine import PREFIX

    for booth in place.glob(f"{PREFIX}*"):
        pid = booth.name.removeprefix(PREFIX).partition("-")[0]
        if pid.isdecimal() and not Path("/proc", pid).exists() and booth.lstat().st_uid == os.geteuid():
            shutil.rmtree(booth, ignore_errors=True)
