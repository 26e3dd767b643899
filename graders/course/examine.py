"""``python -m graders.course.examine``: one submission, from its notebook to its scores, in a process of its own.

Reads a task as JSON from standard input and writes a result as JSON to the file that the task names. In between stand
a locked engine and, where the assignment pushes, a registry, both of this submission alone; the learner's kernel in a
sandbox beside them; and, when the kernel has ended, each rubric in its own process, looking at the images.

Where we may, all of this has a network of its own with nothing but loopback.
"""

import ctypes
import fcntl
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import nbformat

import kit
from graders.clinic import build_patients
from graders.course.booth import Booth, open_socket
from graders.course.rerun import Outcome, Patience, rerun
from graders.course.sandbox import Kind, first_user, give
from graders.course.task import Graded, Result, Task
from graders.report import NotGraded
from graders.request import Request
from graders.run import FOLDERS, find_rubric, hidden_rubrics, run_rubric
from kit.errors import KitError, Unavailable
from kit.lab.engine import ping
from kit.lab.registry import PROGRAMS, write_config

PATIENCE = 60.0
"""Seconds for an engine or a registry to start on a busy machine."""
PREFIX = "layerlab-booth-"
_NEW_NETWORK, _GET_FLAGS, _SET_FLAGS, _UP = 0x40000000, 0x8913, 0x8914, 1
_LARGEST_FILE, _MOST_FILES = 32 << 20, 1000
_ENDS_WITH_US = ("setpriv", "--pdeathsig", "KILL", "--")


def examine(task: Task) -> Result:
    """The result of one submission.

    Raises:
        KitError, OSError: our own tools do not work; nobody gets a score from that.
    """
    alone = task.kind is not Kind.NONE and network_of_our_own()
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=f"{PREFIX}{os.getpid()}-")))
        port = stack.enter_context(_registry(root)) if task.registry else 0
        address = f"http://127.0.0.1:{port}" if port else ""
        booth = Booth.lay_out(Booth(root, task.kind, first_user(), dict(task.words), address, alone))
        stack.enter_context(_engine(booth, task, port))
        os.environ |= {"DOCKER_HOST": f"unix://{booth.socket}", FOLDERS: task.rubrics}
        _bring(Path(task.files), booth)
        for notebook in task.patients:
            _keep_patients(notebook, task.secret, booth)
        notebook = nbformat.from_dict(task.notebook)
        asked = {number: cell.expression for number, cell in task.cells.items()}
        patience = Patience(task.cell_seconds, task.seconds)
        outcome = rerun(notebook, asked, booth, patience)
        scores = {number: _score(task, number, outcome, booth) for number in task.cells}
        return Result(outcome.outputs, scores, task.kind, outcome.trouble, _layers(task))


def _score(task: Task, number: int, outcome: Outcome, booth: Booth) -> Graded:
    """What the rubric says; why it says nothing, if it can't."""
    cell, told = task.cells[number], outcome.answers.get(number, {})
    answers = told.get("answers")
    request = Request(
        engine=f"unix://{booth.socket}",
        context=_folder(told.get("context"), booth),
        answers=answers if isinstance(answers, dict) else {},
        nonce=task.words.get(cell.notebook, ""),
        exercise=cell.exercise,
        secret=task.secret,
    )
    try:
        report = run_rubric(
            find_rubric(cell.notebook),
            request,
            name=cell.exercise.upper(),
            timeout=task.seconds,
            hidden=hidden_rubrics(cell.notebook),
        )
    except KitError as error:
        why = error if isinstance(error, NotGraded) else NotGraded(f"not graded: {error}")
        return Graded(broken=str(why))
    return Graded(report=report.to_json())


def _folder(told: Any, booth: Booth) -> str:
    """The directory that the learner builds from, if it is one of the submission's own."""
    if not isinstance(told, str) or not told or "\0" in told:
        return ""
    folder = Path(os.path.realpath(booth.work / told))
    return str(folder) if folder.is_dir() and folder.is_relative_to(os.path.realpath(booth.work)) else ""


def _layers(task: Task) -> list[str]:
    """The layers that this submission has made, for who looks for copies."""
    with suppress(Exception):  # whatever the engine came to: this is no matter of points
        images = kit.connect().client.images.list()
        found = {layer for image in images for layer in image.attrs["RootFS"].get("Layers", ())}
        return sorted(found - set(task.known_layers))
    return []


# ---- what stands around the kernel


def network_of_our_own() -> bool:
    """Leaves the machine's network for one that has loopback alone; False where that is not allowed."""
    if ctypes.CDLL(None, use_errno=True).unshare(_NEW_NETWORK) != 0:
        return False
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        flags = struct.unpack("16xH14x", fcntl.ioctl(any_socket, _GET_FLAGS, struct.pack("16s16x", b"lo")))[0]
        fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack("16sH14x", b"lo", flags | _UP))
    return True


@contextmanager
def _engine(booth: Booth, task: Task, port: int) -> Iterator[None]:
    """This submission's own engine, as locked as can be; it has what the class's template has."""
    home = booth.root / "engine"
    copy_home(Path(task.template), home)
    lock = booth.root / "lock.json"
    terms = {
        "folder": str(booth.work),
        "registries": [f"127.0.0.1:{port}"] if port else [],
        "network": "loopback" if booth.alone else "none",
        "disk": task.disk,
        "seconds": task.cell_seconds,
    }
    lock.write_text(json.dumps(terms))
    words = [sys.executable, "-m", "kit.engine.api", "--home", str(home), "--socket", str(booth.socket)]
    words += ["--lock", str(lock), *(["--isolator", task.isolator] if task.isolator else [])]
    log = booth.root / "engine.log"
    with _running(words, log, booth.outside) as process:
        _await(lambda: ping(booth.socket), process, log, "the engine")
        open_socket(booth)
        yield


@contextmanager
def _registry(root: Path) -> Iterator[int]:
    """The class registry of this submission; its port."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        raise Unavailable("the assignment pushes, and no registry is installed: sudo apt install docker-registry")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    place = root / "registry"
    place.mkdir()
    words, log = [program, "serve", str(write_config(place, port, None))], root / "registry.log"
    with _running(words, log, {}) as process:
        _await(lambda: _answers(port), process, log, "the registry")
        yield port


def _answers(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def _running(words: list[str], log: Path, more: Mapping[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    """A helper that ends with us, however we end."""
    environment = {"PATH": os.environ.get("PATH", os.defpath), "TMPDIR": tempfile.gettempdir()} | dict(more)
    with log.open("ab") as out:
        process = subprocess.Popen(
            [*_ENDS_WITH_US, *words], cwd="/", env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await(ready: Any, process: "subprocess.Popen[bytes]", log: Path, what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not ready():
        if process.poll() is not None or time.monotonic() > end:
            raise Unavailable(f"{what} does not start: {log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.02)


def copy_home(template: Path, home: Path) -> None:
    """An engine's home like ``template``. Blobs are shared: they never change, and a container never sees them."""

    def take(source: str, target: str) -> str:
        if "/store/blobs/" in source:
            with suppress(OSError):
                os.link(source, target)
                return target
        return str(shutil.copy2(source, target))

    shutil.copytree(template, home, copy_function=take, symlinks=True)


def _bring(files: Path, booth: Booth) -> None:
    """The submission's other files: regular ones, so many and so large. No link is followed, no fifo waited for."""
    count = 0
    for above, directories, names in os.walk(files):
        inner = Path(above).relative_to(files)
        for name in directories:
            if not Path(above, name).is_symlink():
                (booth.work / inner / name).mkdir(exist_ok=True)
                give(booth.work / inner / name, booth.user)
        for name in names:
            count += 1
            if count <= _MOST_FILES and not name.endswith(".ipynb"):
                _bring_file(Path(above, name), booth.work / inner / name, booth.user)


def _bring_file(source: Path, target: Path, user: int) -> None:
    with suppress(OSError):
        descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(descriptor, "rb") as file:
            facts = os.fstat(descriptor)
            if re.fullmatch("10.{4}", f"{facts.st_mode:o}") and facts.st_size <= _LARGEST_FILE:
                target.write_bytes(file.read(_LARGEST_FILE))
                give(target, user)


def _keep_patients(notebook: str, secret: str, booth: Booth) -> None:
    """Builds them where the kernel can't see how, and keeps them for when the notebook asks for them."""
    names, api = build_patients(secret, f"a{notebook}"), kit.connect().client.api
    archive = booth.shown / f"patients-{notebook}.tar"
    with archive.open("wb") as file:
        for piece in api._stream_raw_result(api._get(api._url("/images/get"), params={"names": names}, stream=True)):
            file.write(piece)
    archive.chmod(0o644)
    for name in names:
        api.remove_image(name, force=True)


def main() -> int:
    task = Task.of_json(json.load(sys.stdin))
    try:
        result = examine(task)
    except Exception as error:  # ours, not the learner's: nobody gets a score from that, and somebody reads why
        result = Result.failed(f"not graded: {type(error).__name__}: {error}", task.kind)
    half = Path(task.result + ".half")
    half.write_text(json.dumps(result.to_json()))
    half.replace(task.result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
