"""The warm process itself: imports everything once, then forks for each task that comes over standard input.

Started by ``graders.warm``. A line in is ``{"task": …, "environment": …}``, a line out is ``{"said": …}``; the
report goes where the task says. When the other end of the line is closed, this process and all it started end.
"""

import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from graders.worker import main as run_task

_USED = ("images", "run", "serving", "containers", "registries", "build", "saved")
"""Modules of ``kit.lab`` that rubrics reach through ``kit``, which imports them at first use."""
_NOTHING = "from graders.criteria import criterion\n@criterion(points=1)\ndef test_a():\n    'A.'\n"
_SAID = 20_000
"""Characters of what a rubric printed that are told."""


def main() -> None:
    """Serves tasks until the other end is closed."""
    line = socket.socket(fileno=os.dup(0))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    _warm_up()
    with line.makefile("rb") as tasks:
        for text in tasks:
            said = _run(json.loads(text), line)
            line.sendall(json.dumps({"said": said or "nothing"}).encode() + b"\n")


def _warm_up() -> None:
    """Imports what a rubric needs, and lets pytest run once, which imports the rest."""
    for name in _USED:
        importlib.import_module(f"kit.lab.{name}")
    with tempfile.TemporaryDirectory(prefix="layerlab-warm-") as directory:
        rubric = Path(directory) / "rubric_00_nothing.py"
        rubric.write_text(_NOTHING)
        task = {"rubrics": [str(rubric)], "hidden": [], "name": "", "subject": "", "pipe": f"{directory}/report"}
        run_task(task | {"request": {"engine": ""}})
    gc.collect()
    gc.freeze()


def _run(message: Mapping[str, Any], line: socket.socket) -> str:
    """Runs one task in a fork; what it printed. Does not return when the other end is closed meanwhile."""
    with tempfile.TemporaryFile() as printed:
        child = os.fork()
        if not child:
            _in_the_fork(message, line, printed.fileno())
        ended = os.pidfd_open(child)
        try:
            while True:
                ready, _, _ = select.select([ended, line.fileno()], [], [])
                if ended in ready:
                    break
                os.killpg(0, signal.SIGKILL)  # nothing is sent during a task, so this is its end
        finally:
            os.close(ended)
        os.waitpid(child, 0)
        printed.seek(0)
        return printed.read(_SAID).decode(errors="replace")


def _in_the_fork(message: Mapping[str, Any], line: socket.socket, printed: int) -> NoReturn:
    """Never returns to the loop, whatever happens: ``os._exit`` runs nothing of the server's."""
    code = 1
    try:
        os.close(line.fileno())
        os.dup2(printed, 1)
        os.dup2(printed, 2)
        os.environ.clear()
        os.environ.update(message["environment"])
        tempfile.tempdir = None
        sys.path[:0] = [path for path in message["task"]["path"] if path not in sys.path]
        run_task(message["task"])
        sys.stdout.flush()
        sys.stderr.flush()
        code = 0
    finally:
        os._exit(code)
