"""JupyterLab as ``layerlab lab`` starts it, and a browser to look at it.

Both live for a module: the browser's driver keeps an event loop running in this thread, which others want as
their own.
"""

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Queue

import driving
import pytest
from playwright.sync_api import Browser

PROJECT = Path(__file__).parents[2]
PATIENCE = 180
"""Seconds until JupyterLab says where it is: two parent images are loaded before."""


@dataclass(frozen=True)
class Lab(driving.Lab):
    """``notebooks`` is a copy, so that a browser's autosave changes no lesson."""

    notebooks: Path


@pytest.fixture(scope="module")
def lab(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """What ``make lab`` gives a newcomer: the embedded engine, a registry, the parents, JupyterLab."""
    home = tmp_path_factory.mktemp("browser")
    notebooks = home / "notebooks"
    shutil.copytree(PROJECT / "notebooks", notebooks)
    (home / "home").mkdir(mode=0o700)
    (cache / "parents").mkdir(exist_ok=True)
    (home / "home/parents").symlink_to(cache / "parents")
    token, environment = os.urandom(16).hex(), _environment(home)
    layerlab = [sys.executable, "-m", "kit.lab.cli"]
    command = [*layerlab, "lab", "--no-browser", "--port=0", "--ip=127.0.0.1", f"--IdentityProvider.token={token}"]
    command += [f"--ServerApp.root_dir={notebooks}"]
    server = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield Lab(_address(server), token, notebooks)
    finally:
        server.terminate()
        server.wait(60)
        for what in ("registry", "engine"):
            subprocess.run([*layerlab, what, "stop"], env=environment, capture_output=True, timeout=60)


def _environment(home: Path) -> dict[str, str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("DOCKER_", "LAYERLAB_"))}
    (home / "run").mkdir(mode=0o700)
    environment |= {"HOME": str(home), "LAYERLAB_HOME": str(home / "home"), "XDG_RUNTIME_DIR": str(home / "run")}
    return environment | {"LAYERLAB_ENGINE": "embedded"}


def _address(server: "subprocess.Popen[str]") -> str:
    """What JupyterLab says of itself; its words are read on, so that it never waits for a reader."""
    lines: Queue[str] = Queue()

    def read() -> None:
        assert server.stdout
        for line in server.stdout:
            lines.put(line)

    threading.Thread(target=read, daemon=True).start()
    said = ""
    while server.poll() is None:
        try:
            said += lines.get(timeout=PATIENCE)
        except Empty:
            break
        found = re.search(r"(http://127\.0\.0\.1:\d+)/lab", said)
        if found:
            return found[1]
    pytest.fail(f"JupyterLab did not start:\n{said}")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with driving.chromium() as browser:
        yield browser
