"""What repo2docker reads, and what ``make setup`` says on a machine where it may not install anything."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(not shutil.which("dpkg-query"), reason="this is not Debian or Ubuntu"),
]
BINDER = Path(__file__).parents[2] / "binder"


def packages(action: str, wanted: str) -> "subprocess.CompletedProcess[str]":
    """As an ordinary user. The script is passed as text: the project may lie where that user can't read."""
    who = {"user": 1000, "group": 1000, "extra_groups": []} if os.geteuid() == 0 else {}
    return subprocess.run(
        ["/bin/sh", "-c", (BINDER / "packages.sh").read_text(), "packages.sh", action],
        input=wanted,
        capture_output=True,
        text=True,
        timeout=60,
        cwd="/",
        env={"PATH": "/usr/bin:/bin"},
        **who,  # type: ignore[call-overload]
    )


@pytest.mark.parametrize("name", ["packages.sh", "postBuild", "start"])
def test_a_script_can_be_run(name):
    assert os.access(BINDER / name, os.X_OK)
    shell = (BINDER / name).read_text().partition("\n")[0].removeprefix("#!")
    assert subprocess.run([shell, "-n", BINDER / name], timeout=20).returncode == 0


def test_what_is_there_is_not_installed_again():
    done = packages("install", "bash\ncoreutils\n")
    assert (done.returncode, done.stderr) == (0, "") and not done.stdout


@pytest.mark.skipif(bool(shutil.which("sudo")), reason="sudo may install things here")
def test_without_root_it_says_what_is_missing_and_what_still_works():
    done = packages("install", "bash\nno-such-package-of-layerlab\n")
    assert done.returncode == 0
    assert "  no-such-package-of-layerlab for " in done.stderr and "bash" not in done.stderr
    assert "sudo apt-get install no-such-package-of-layerlab" in done.stderr
    assert done.stderr.endswith("Everything else works without them.\n")
    assert packages("require", "no-such-package-of-layerlab\n").returncode == 1


def test_every_package_has_a_word_about_what_it_is_for():
    script = (BINDER / "packages.sh").read_text()
    for package in (BINDER / "apt.txt").read_text().split():
        assert f"{package})" in script or f"{package}|" in script


def test_start_ends_in_what_binder_wants_to_run_and_sets_the_engine(tmp_path):
    """Even where nothing can be started: Jupyter must come up."""
    fake = tmp_path / "layerlab"
    fake.write_text('#!/bin/sh\n[ "$1" = engine ] && echo DOCKER_HOST=unix:///there || exit 2\n')
    fake.chmod(0o755)
    command = [BINDER / "start", "sh", "-c", 'echo "$DOCKER_HOST $LAYERLAB_ENGINE $1"', "sh", "an argument"]
    done = subprocess.run(
        command, env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True, timeout=30
    )
    assert done.stdout.splitlines()[-1] == "unix:///there embedded an argument"
    fake.write_text("#!/bin/sh\nexit 2\n")
    done = subprocess.run(
        command, env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == " embedded an argument"
