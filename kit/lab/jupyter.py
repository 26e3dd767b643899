"""``layerlab lab``: JupyterLab, opened at the first notebook, with all that the lessons need."""

import importlib.util
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from kit.errors import KitError, Unavailable
from kit.lab.connect import connect
from kit.lab.notebooks import FIRST, project
from kit.lab.parents import RECIPES, make_parents
from kit.lab.registry import start_registry

_QUIET = ("--LabApp.news_url=None", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate")
"""Nothing leaves this machine: JupyterLab asks nobody for news."""


def open_lab(options: Sequence[str]) -> NoReturn:
    """Prepare engine, parents and registry, then become JupyterLab. ``options`` are JupyterLab's own.

    What can't be prepared is said, with what to do; the lessons go on without it as far as they can.

    Raises:
        Unavailable: there is no JupyterLab, no notebook, or no engine at all.
    """
    first = project() / "notebooks" / FIRST
    if importlib.util.find_spec("jupyterlab") is None:
        raise Unavailable("JupyterLab is not installed: `make setup` installs everything")
    if not first.is_file():
        raise Unavailable(f"there is no {first}: set LAYERLAB_PROJECT to the directory that holds notebooks/")
    _prepare()
    os.chdir(project())
    command = [sys.executable, "-m", "jupyterlab", *_QUIET, *_for_root(options), f"notebooks/{FIRST}", *options]
    sys.stdout.flush()
    os.execv(sys.executable, command)


def _for_root(options: Sequence[str]) -> list[str]:
    """JupyterLab refuses to run as root unless told to; in a container root is often all there is."""
    return ["--allow-root"] if os.geteuid() == 0 and "--allow-root" not in options else []


def _prepare() -> None:
    lab = connect()
    _say(f"Engine: {lab.kind} {lab.version} at {lab.docker_host}")
    for name in RECIPES:
        try:
            make_parents(lab.client, [name], lab.home.root, _say)
        except KitError as error:
            _say(f"{name}: not made: {error}")
    try:
        _say(f"Registry: {start_registry(lab.home.root, engine=lab.client)}")
    except KitError as error:
        _say(f"Registry: none: {error}")


def _say(line: str) -> None:
    print(line, flush=True)
