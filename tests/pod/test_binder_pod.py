"""The first lesson in a container shaped like a Binder pod: an ordinary user, no capability, no new privileges.

The pod has the packages of ``binder/apt.txt`` and this project, read-only. Nothing is pulled. What runs inside is
what a learner runs: the engine, a parent, a registry, the lesson with its solutions.
"""

from collections.abc import Callable

import pytest
from docker.models.containers import Container

POD = {
    "user": "1000",
    "security_opt": ["no-new-privileges"],
    "cap_drop": ["ALL"],
    "mem_limit": "2g",
    "nano_cpus": 1_000_000_000,
}


@pytest.fixture(scope="module")
def pod(run_home: Callable[..., Container]) -> Container:
    return run_home(**POD)


def inside(pod, *words: str) -> str:
    code, output = pod.exec_run(list(words), workdir="/home/jovyan")
    assert code == 0, output.decode(errors="replace")[-6000:]
    return output.decode(errors="replace")


def layerlab(pod, *words: str) -> str:
    return inside(pod, "python3", "-m", "kit.lab.cli", *words)


def test_the_pod_is_as_bare_as_binders(pod) -> None:
    status = inside(pod, "cat", "/proc/self/status")
    facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert facts["Uid"].split()[0] == "1000"
    assert int(facts["CapEff"], 16) == 0
    assert facts["NoNewPrivs"].strip() == "1"
    code, _ = pod.exec_run(["unshare", "--user", "true"])
    assert code != 0


def test_the_engine_chooses_the_isolator_that_needs_nothing(pod) -> None:
    assert layerlab(pod, "engine", "start").startswith("DOCKER_HOST=unix://")
    assert '"seccomp"' in layerlab(pod, "engine", "status", "--json")


@pytest.mark.parametrize("form", ["found", "solved"])
@pytest.mark.parametrize("lesson", ["00-start-here", "03-from-scratch"])
def test_a_lesson_runs_from_top_to_bottom(pod, lesson: str, form: str) -> None:
    """Found, no exercise is right; solved, all checks give full marks: see the runner of tests/notebooks."""
    layerlab(pod, "parents", "busybox:1")
    runner, notebook = "/srv/layerlab/tests/notebooks/lesson.py", f"/srv/layerlab/notebooks/{lesson}.ipynb"
    inside(pod, "python3", runner, form, notebook, "/home/jovyan")


def test_the_assignment_gives_its_points(pod) -> None:
    """Without an answer, the report of the assignment begins at nothing."""
    code, output = pod.exec_run(["python3", "-m", "kit.lab.cli", "check", "03"], workdir="/home/jovyan")
    assert code == 1, output.decode()
    assert output.decode().startswith("A03 · 0 of 20 points")
