"""The first lesson in a container shaped like a Binder pod: an ordinary user, no capability, no new privileges.

The pod has the packages of ``binder/apt.txt`` and this project, read-only. Nothing is pulled. What runs inside is
what a learner runs: the engine, a parent, a registry, the lesson with its solutions.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
PACKAGES = [line for line in (PROJECT / "binder/apt.txt").read_text().split() if line]
POD = {
    "user": "1000",
    "security_opt": ["no-new-privileges"],
    "cap_drop": ["ALL"],
    "mem_limit": "2g",
    "nano_cpus": 1_000_000_000,
}


def release() -> dict[str, str]:
    lines = Path("/etc/os-release").read_text().splitlines()
    return {key: value.strip('"') for key, _, value in (line.partition("=") for line in lines)}


@pytest.fixture(scope="session")
def pod_image(dockerd, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An image of this machine's own Debian with python3 and the packages that Binder installs."""
    name = f"layerlab-pod:{release().get('VERSION_CODENAME', 'unknown')}-{sys.version_info.minor}"
    if any(name in image.tags for image in dockerd.images.list()):
        return name
    if release().get("ID") != "debian" or os.geteuid() != 0:
        pytest.skip("making the pod's image needs Debian and root")
    archive = tmp_path_factory.mktemp("pod") / "root.tar"
    command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(['python3', *PACKAGES])}"]
    subprocess.run([*command, release()["VERSION_CODENAME"], str(archive)], check=True, timeout=900)
    repository, _, tag = name.partition(":")
    with archive.open("rb") as tar:
        dockerd.api.import_image_from_data(tar, repository=repository, tag=tag)
    return name


@pytest.fixture(scope="module")
def pod(dockerd, pod_image: str) -> Iterator[object]:
    """A running pod; the project stands read-only in /srv, /home/jovyan is the user's own."""
    packages = Path(pytest.__file__).parents[1]
    container = dockerd.containers.run(
        pod_image,
        ["sleep", "3600"],
        detach=True,
        init=True,
        environment={
            "HOME": "/home/jovyan",
            "PYTHONPATH": "/srv/layerlab:/srv/packages",
            "PYTHONDONTWRITEBYTECODE": "1",
            "NB_USER": "jovyan",
            "USER": "jovyan",
            "LAYERLAB_PROJECT": "/srv/layerlab",
        },
        volumes={
            str(PROJECT): {"bind": "/srv/layerlab", "mode": "ro"},
            str(packages): {"bind": "/srv/packages", "mode": "ro"},
        },
        tmpfs={"/home/jovyan": "uid=1000,gid=1000,mode=0755,exec,size=3g"},
        working_dir="/home/jovyan",
        **POD,
    )
    code, output = container.exec_run(["python3", "-c", "import sys; print(sys.version_info[:2])"])
    if code or output.decode().strip() != str(sys.version_info[:2]):
        container.remove(force=True)
        wanted, there = sys.version_info[:2], output.decode().strip()
        pytest.skip(f"the tests' packages are for Python {wanted}, Debian's is {there}")
    yield container
    container.remove(force=True)


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
