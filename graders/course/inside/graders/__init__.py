"""What the learner's kernel finds as ``graders`` while it is graded: no rubric, no report, no score.

The names are those of the real package, so that an assignment runs unchanged. What is decided elsewhere is answered
with ``Later``.
"""

import json
import os
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parents[1]


class Later:
    """Says that this is found out after the notebook has run, from what it has made."""

    rubric, subject, points, max, passed, rows = "", "", 0.0, 0.0, False, ()

    def __repr__(self) -> str:
        return "This is checked after your notebook has run, where it can't be reached from here."


def check(task: str, image: str = "", **_: Any) -> Later:
    return Later()


def score(task: str, **_: Any) -> Later:
    return Later()


def begin(notebook: str) -> str:
    return nonce(notebook)


def nonce(notebook: str, student: str = "") -> str:
    """The word that this learner gets while the work is graded."""
    words = json.loads(os.environ.get("LAYERLAB_WORDS", "{}"))
    return str(words.get(notebook, ""))


def patients(notebook: str) -> list[str]:
    """Loads the images that the assignment asks a diagnosis of; their names."""
    import kit

    archive = _HERE / f"patients-{notebook}.tar"
    return [image.tags[0] for image in kit.connect().client.images.load(archive.read_bytes())]
