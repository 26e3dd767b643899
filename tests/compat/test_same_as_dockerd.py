"""What an install step leaves behind is what it leaves on dockerd, entry by entry, on every isolator.

Two quick steps run always, all eight with ``make same``.
"""

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import docker
import pytest

from benchmarks import same

PROJECT = Path(__file__).parents[2]
IMAGE = "layerlab-same:13"


@pytest.fixture(scope="module")
def reference(dockerd: docker.DockerClient, debian13_tar: Path) -> Callable[[str], tuple[same.Tree, same.Tree]]:
    """What dockerd makes of a step, twice; each step runs once for all isolators."""
    dockerd.api.import_image_from_file(str(debian13_tar), *IMAGE.split(":"))
    made: dict[str, tuple[same.Tree, same.Tree]] = {}

    def run(step: str) -> tuple[same.Tree, same.Tree]:
        if step not in made:
            script = same.STEPS[step]
            made[step] = (same.on_dockerd(dockerd, IMAGE, script), same.on_dockerd(dockerd, IMAGE, script))
        return made[step]

    return run


@pytest.mark.parametrize("isolator", ["root", "userns", "seccomp"])
@pytest.mark.parametrize(
    "step", [step if step in same.QUICK else pytest.param(step, marks=pytest.mark.slow) for step in same.STEPS]
)
@pytest.mark.timeout(3000)
def test_a_step_leaves_what_it_leaves_on_dockerd(
    step: str,
    isolator: str,
    reference: Callable[[str], tuple[same.Tree, same.Tree]],
    debian13_tar: Path,
    working_isolators: dict[str, str],
    as_user: Any,
    user_tmp_path: Path,
) -> None:
    if isolator not in working_isolators:
        pytest.skip(f"isolator {isolator} does not work here")
    words = [isolator, step, str(debian13_tar), str(user_tmp_path)]
    if isolator == "root":
        command = [sys.executable, "-m", "benchmarks.same", *words]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(PROJECT), *filter(None, sys.path)])}
        done = subprocess.run(command, capture_output=True, text=True, timeout=2000, env=environment)
    else:
        code = "import sys; from benchmarks import same; same.main(*sys.argv[1:])"
        done = as_user(code, *words, timeout=2000)
    assert done.returncode == 0, done.stderr
    ours = pickle.loads((user_tmp_path / "entries").read_bytes())
    first, second = reference(step)
    found = same.differences(first, second, ours)
    print()
    print(same.table([(step, isolator, len(ours), same.noise(first, second), found)]))
    assert found == []
