"""What a learner has done, in one plain file: guesses, attempts, points, hints seen.

Passed stays passed: the best report of an exercise is kept. Nothing here counts for a grade.
"""

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kit.lab.files import read_json, write_whole
from kit.lab.home import Home, private

PARTS = ("guesses", "checks", "hints", "asked")
"""``guesses`` by question, ``checks`` by exercise, ``hints`` seen by exercise, ``asked`` for a solution too early."""


def read_progress(home: Home) -> dict[str, dict[str, Any]]:
    """All parts, empty where nothing is known."""
    document = read_json(home.progress)
    document = document if isinstance(document, dict) else {}
    return {part: dict(document[part]) if isinstance(document.get(part), dict) else {} for part in PARTS}


@contextmanager
def progress(home: Home) -> Iterator[dict[str, dict[str, Any]]]:
    """All parts, to be changed; written at the end. One notebook at a time."""
    private(home.root)
    with home.progress.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        document = read_progress(home)
        yield document
        write_whole(home.progress, json.dumps(document, indent=1).encode())
