"""Which notebook made which image: what ``kit.reset`` may remove.

A label would say the same, but it would be one more line in the image's history and change its ID, and both are
what the lessons are about. So it is written down beside the images.
"""

import fcntl
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from kit.lab.files import read_json, write_whole
from kit.lab.home import Home, private

_NUMBER = re.compile(r"(a?\d\d)\b")


PUSHED = "pushed "
"""What the name of a row begins with that tells of a repository in the local registry. No image's name can."""


class Made(NamedTuple):
    """An image under a name that a notebook gave it. ``name`` "" means: no name."""

    maker: str
    name: str
    image_id: str


def notebook_id(environment: Mapping[str, str] | None = None) -> str:
    """The number of the notebook that runs this code, such as ``03``; "" when nobody tells.

    Source: jupyter_server sets JPY_SESSION_NAME to the notebook's path.
    """
    environment = os.environ if environment is None else environment
    if environment.get("LAYERLAB_NOTEBOOK"):
        return environment["LAYERLAB_NOTEBOOK"]
    path = Path(environment.get("JPY_SESSION_NAME", ""))
    found = (_NUMBER.match(part) for part in (path.name, path.parent.name))
    return next((match[1] for match in found if match), "")


def maker() -> str:
    """Who makes images now: the notebook, else this very process."""
    return notebook_id() or f"process {os.getpid()}"


def note(home: Home, name: str, image_id: str) -> None:
    """Writes down that the notebook made this."""
    with _rows(home) as rows:
        row = [*Made(maker(), name, image_id)]
        if row not in rows:
            rows.append(row)


def made_by(home: Home, *makers: str) -> list[Made]:
    """Everything that one of ``makers`` made and that was not crossed out, oldest first."""
    rows = read_json(home.ledger)
    known = (Made(*map(str, row)) for row in rows if len(row) == 3) if isinstance(rows, list) else ()
    return [made for made in known if made.maker in makers]


def cross_out(home: Home, gone: list[Made]) -> None:
    """Forgets what is no longer there."""
    with _rows(home) as rows:
        rows[:] = [row for row in rows if Made(*row) not in gone]


@contextmanager
def _rows(home: Home) -> Iterator[list[list[str]]]:
    """The rows, written back at the end; one notebook at a time."""
    private(home.root)
    with home.ledger.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        rows = read_json(home.ledger)
        rows = [row for row in rows if isinstance(row, list) and len(row) == 3] if isinstance(rows, list) else []
        yield rows
        write_whole(home.ledger, json.dumps(rows).encode())
