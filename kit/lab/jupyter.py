"""``layerlab lab``: JupyterLab, opened at the first notebook, with all that the lessons need."""

import importlib.util
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from kit.errors import KitError, Unavailable
from kit.lab.connect import connect
from kit.lab.files import write_whole
from kit.lab.home import find_home
from kit.lab.notebooks import FIRST, project
from kit.lab.parents import USUAL, make_parents
from kit.lab.registry import start_registry

_SETTINGS = {
    "--ServerApp.root_dir": "{notebooks}",
    "--LabApp.default_url": "/lab/tree/{first}",
}
"""Ours, unless an option of the caller says otherwise."""
_PAGE = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
"""Nothing leaves this machine: JupyterLab asks nobody for news, and does not ask whether it may."""


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
    config = find_home().root / "jupyter"
    write_whole(config / "labconfig" / "page_config.json", json.dumps(_PAGE).encode())
    os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join(
        filter(None, [str(config), os.environ.get("JUPYTER_CONFIG_PATH")])
    )
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "jupyterlab", *_ours(first, options), *options])


def _ours(first: Path, options: Sequence[str]) -> Iterator[str]:
    """JupyterLab takes each setting once, and refuses to run as root unless told to."""
    given = {option.partition("=")[0] for option in options}
    for name, value in _SETTINGS.items():
        if name not in given:
            yield f"{name}={value.format(notebooks=first.parent, first=first.name)}"
    if os.geteuid() == 0 and "--allow-root" not in given:
        yield "--allow-root"


def _prepare() -> None:
    lab = connect()
    _say(f"Engine: {lab.kind} {lab.version} at {lab.docker_host}")
    for name in USUAL:
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
