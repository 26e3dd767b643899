"""One rubric in its own process → Report.

The rubric runs apart from the learner's kernel: patched functions, print tricks and monkeys of the notebook
can't reach it. What crosses is JSON, and it is checked on arrival.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from graders import warm as warm_process
from graders.report import NotGraded, Report
from graders.request import Request
from kit.errors import Invalid, NotFound

RUBRICS = Path(__file__).parent / "rubrics"
FOLDERS = "LAYERLAB_RUBRICS"
"""The setting that names folders of an instructor's own rubrics, as PATH names folders."""
TIMEOUT = 300
"""Seconds for a whole rubric: builds and containers of a slow pod included."""
_BOOT = "import json,sys; t=json.load(sys.stdin); sys.path[:0]=t['path']; from graders.worker import main; main(t)"
_KEPT = {"PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "LAYERLAB_HOME"}
_KEPT |= {"DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"}
"""What of the environment a rubric sees: where things are, and nothing that a learner may have set."""


def find_rubric(name: str) -> Path:
    """The rubric file for a notebook number, such as ``03``: the course's, else one of the instructor's folders.

    Raises:
        NotFound: no such rubric; the message lists those that exist.
    """
    found = [path for folder in (RUBRICS, *_folders()) for path in _rubrics(folder, name)]
    if not found:
        known = sorted({path.name.split("_")[1] for folder in (RUBRICS, *_folders()) for path in _rubrics(folder)})
        raise NotFound(f"there is no rubric {name!r}; there are: {', '.join(known)}")
    return found[0]


def hidden_rubrics(name: str) -> list[Path]:
    """Further criteria for the same notebook that live in the instructor's folders only."""
    public = find_rubric(name)
    return [path for folder in _folders() for path in _rubrics(folder, name) if path != public]


def _folders() -> list[Path]:
    named = os.environ.get(FOLDERS, "").split(os.pathsep)
    missing = [name for name in named if name and not Path(name).is_dir()]
    if missing:
        raise NotFound(f"{FOLDERS} names {missing[0]!r}, which is no directory")
    return [Path(name).absolute() for name in named if name]


def _rubrics(folder: Path, name: str = "") -> list[Path]:
    return sorted(folder.glob(f"rubric_{name or '*'}_*.py")) if name.isdigit() or not name else []


def run_rubric(
    rubric: Path,
    request: Request,
    *,
    name: str,
    subject: str = "",
    timeout: float = TIMEOUT,
    hidden: Sequence[Path] = (),
    warm: bool = False,
) -> Report:
    """The report of ``rubric`` on what ``request`` names; ``hidden`` are files with further criteria.

    ``warm`` runs it in a fork of a process that is kept for the next rubric: for notebooks.

    Raises:
        NotGraded: the rubric or the engine broke, or took more than ``timeout`` seconds. Never a wrong score.
        Invalid: an answer is no plain value (text, number, True or False, list, dict).
    """
    with tempfile.TemporaryDirectory(prefix="layerlab-rubric-") as directory:
        pipe = Path(directory) / "report.json"
        task = {
            "rubrics": [str(rubric), *map(str, hidden)],
            "hidden": [str(path) for path in hidden],
            "request": vars(request),
            "name": name,
            "subject": subject,
            "pipe": str(pipe),
            "path": [path for path in sys.path if path and Path(path).is_absolute()],
        }
        environment = {key: os.environ[key] for key in _KEPT & os.environ.keys()} | {"DOCKER_HOST": request.engine}
        text = (_run_warm if warm else _run_cold)(task, environment, timeout)
        try:
            answer = pipe.read_bytes()
        except FileNotFoundError as error:
            raise NotGraded(f"not graded: the rubric's process ended without a report.\n{text[-2000:]}") from error
    broken = _broken(answer)
    if broken:
        raise NotGraded(f"not graded: {broken}")
    return Report.of_json(answer)


def _as_json(task: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(task).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise Invalid(f"an answer must be a text, a number, True, False, a list or a dict: {error}") from error


def _run_warm(task: Mapping[str, Any], environment: Mapping[str, str], timeout: float) -> str:
    _as_json(task)
    return warm_process.run(task, environment, timeout)


def _run_cold(task: Mapping[str, Any], environment: Mapping[str, str], timeout: float) -> str:
    """Runs the worker; what it printed, for when it says nothing better."""
    command = [sys.executable, "-I", "-c", _BOOT]
    given = _as_json(task)
    try:
        done = subprocess.run(command, cwd="/", env=environment, input=given, capture_output=True, timeout=timeout)
    except subprocess.TimeoutExpired as error:
        raise NotGraded(f"not graded: the rubric took more than {timeout:g} seconds") from error
    return (done.stdout + done.stderr).decode(errors="replace")


def _broken(answer: bytes) -> str:
    try:
        data: Any = json.loads(answer)
    except ValueError:
        return "the rubric's report is damaged"
    return str(data.get("broken", "")) if isinstance(data, Mapping) else "the rubric's report is damaged"
