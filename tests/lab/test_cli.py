"""The command ``layerlab``, as it is typed."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

import pytest

import kit
from kit.lab.cli import main

pytestmark = pytest.mark.timeout(180)
PROJECT = Path(__file__).parents[2]
needs_registry = pytest.mark.skipif(not shutil.which("docker-registry"), reason="docker-registry is not installed")


def layerlab(*words: str, env: Mapping[str, str] = {}) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "kit.lab.cli", *words]
    return subprocess.run(command, env={**os.environ, **env}, capture_output=True, text=True, timeout=120)


@pytest.fixture
def home(monkeypatch, tmp_path):
    """A home of one's own, and no engine yet."""
    for name in [name for name in os.environ if name.startswith(("DOCKER_", "LAYERLAB_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("LAYERLAB_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_the_command_is_installed_under_its_name():
    done = subprocess.run([Path(sys.executable).parent / "layerlab", "version"], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith("layerlab 0.1.0\n")


@pytest.mark.parametrize("words", [["--help"], ["engine", "--help"], ["check", "--help"], ["lab", "--help"]])
def test_help_goes_to_standard_output(words):
    done = layerlab(*words)
    assert done.returncode == 0 and done.stdout.startswith("usage: layerlab") and not done.stderr


@pytest.mark.parametrize(
    "words", [[], ["dance"], ["engine"], ["engine", "dance"], ["check"], ["registry", "start", "--port", "x"]]
)
def test_what_can_not_be_understood_is_a_usage_error(words):
    done = layerlab(*words)
    assert done.returncode == 2 and "usage: layerlab" in done.stderr and not done.stdout


def test_nothing_runs_and_status_says_so_without_starting_it(home):
    for what in ("engine", "registry"):
        done = layerlab(what, "status")
        assert (done.returncode, done.stdout) == (1, "not running\n")
        assert json.loads(layerlab(what, "status", "--json").stdout)["running"] is False
        assert (layerlab(what, "stop").returncode, layerlab(what, "stop").stdout) == (0, "was not running\n")


def test_an_isolator_that_does_not_exist(home):
    done = layerlab("engine", "start", "--isolator", "magic")
    assert done.returncode == 2 and done.stderr.startswith("layerlab: ") and "magic" in done.stderr


def test_the_engine_is_started_once_and_prints_what_to_export(home):
    first, again = layerlab("engine", "start"), layerlab("engine", "start")
    if first.returncode:
        pytest.skip(first.stderr.partition("\n")[0])
    try:
        assert first.stdout == again.stdout and first.stdout.startswith("DOCKER_HOST=unix:///")
        facts = json.loads(layerlab("engine", "status", "--json").stdout)
        assert facts["running"] and facts["isolator"] and facts["version"] and facts["api_version"]
        assert Path(facts["socket"]).is_socket() and Path(f"/proc/{facts['pid']}").exists()
        assert f"DOCKER_HOST=unix://{facts['socket']}\n" == first.stdout
        assert f"process {facts['pid']}" in layerlab("engine", "status").stdout
    finally:
        assert layerlab("engine", "stop").stdout == "stopped\n"
    assert layerlab("engine", "status").returncode == 1


@needs_registry
def test_the_registry_is_started_once(home):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    try:
        done = layerlab("registry", "start", "--port", str(port))
        assert (done.returncode, done.stdout) == (0, f"http://127.0.0.1:{port}\n")
        assert layerlab("registry", "start").stdout == done.stdout
        assert layerlab("registry", "status").stdout == f"running at http://127.0.0.1:{port}\n"
        assert json.loads(layerlab("registry", "status", "--json").stdout)["name"] == f"127.0.0.1:{port}"
    finally:
        assert layerlab("registry", "stop").stdout == "stopped\n"


def test_an_engine_that_does_not_answer_is_one_line_that_says_what_to_do(home):
    done = layerlab("parents", "busybox:1", env={"DOCKER_HOST": "unix:///nowhere/docker.sock"})
    assert done.returncode == 2 and not done.stdout
    assert done.stderr.startswith("layerlab: no engine answers at unix:///nowhere/docker.sock")
    assert "LAYERLAB_ENGINE=embedded" in done.stderr and len(done.stderr.splitlines()) == 1


def test_the_doctor_finds_a_missing_engine(home):
    done = layerlab("doctor", env={"DOCKER_HOST": "unix:///nowhere/docker.sock"})
    assert done.returncode == 1 and done.stdout.splitlines()[0] == "1 part is missing: engine"


def test_the_doctor_says_what_works(lab):
    done = layerlab("doctor")
    assert done.returncode == 0 and "Everything that the lessons need is here" in done.stdout
    found = {finding["part"]: finding for finding in json.loads(layerlab("doctor", "--json").stdout)}
    assert found["engine"]["state"] == found["busybox:1"]["state"] == "works"
    assert lab.docker_host in found["engine"]["facts"]


def test_parents_are_made_and_named(lab):
    done = layerlab("parents", "busybox:1")
    assert (done.returncode, done.stdout) == (0, "busybox:1: is there\n")
    done = layerlab("parents", "fedora:40")
    assert done.returncode == 2 and "no parent image is called 'fedora:40': there are" in done.stderr


def test_a_check_reports_for_people_and_machines(lab, mine, tmp_path):
    kit.build(dockerfile="FROM busybox:1\nCMD echo Hello", tag=f"{mine}/greet:1", lab=lab)
    files = ["--junit", str(tmp_path / "report.xml"), "--html", str(tmp_path / "report.html")]
    done = layerlab("check", "03", f"{mine}/greet:1", *files)
    assert done.returncode == 1 and done.stdout.startswith("A03 · ") and "[failed]" in done.stdout, done.stderr
    suite = ElementTree.parse(tmp_path / "report.xml").getroot()
    assert int(suite.attrib["failures"]) > 0
    assert "<table" in (tmp_path / "report.html").read_text()
    report = json.loads(layerlab("check", "03", f"{mine}/greet:1", "--json").stdout)
    assert report["max"] == 20 and report["points"] < 20


def test_full_marks_are_exit_code_0(lab, mine):
    tag = f"{mine}/fixed:1"
    kit.build(
        dockerfile='FROM scratch\nCOPY a /\nCMD ["/a"]\n',
        files={"a": kit.elf.tiny("Hello\n") + mine.encode()},
        tag=tag,
        lab=lab,
    )
    done = layerlab("check", "03.3", tag)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_report_that_can_not_be_written(lab, hello):
    done = layerlab("check", "03.3", hello(), "--html", "/nowhere/report.html")
    assert done.returncode == 2 and "layerlab: /nowhere/report.html can't be written" in done.stderr


def test_a_notebook_without_a_rubric(lab):
    done = layerlab("check", "98")
    assert done.returncode == 2 and "layerlab: there is no rubric '98'; there are: " in done.stderr


def test_a_reader_that_went_away_is_no_traceback():
    command = f"{sys.executable} -m kit.lab.cli version | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=PROJECT, timeout=60)
    assert "Traceback" not in done.stderr


def test_main_can_be_called(capsys):
    assert main(["version"]) == 0 and capsys.readouterr().out.startswith("layerlab ")


def test_lab_without_notebooks_says_where_it_looked(lab, tmp_path):
    done = layerlab("lab", env={"LAYERLAB_PROJECT": str(tmp_path)})
    assert done.returncode == 2 and f"there is no {tmp_path}/notebooks/00-start-here.ipynb" in done.stderr


def test_lab_opens_the_first_notebook_and_passes_options_on(lab, tmp_path, cache):
    """JupyterLab itself, on a port of our own, with a token of our own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shutil.copytree(PROJECT / "notebooks", tmp_path / "notebooks")
    (lab.home.root / "parents").mkdir(exist_ok=True)
    for tar in (cache / "parents").glob("*.tar"):
        if not (lab.home.root / "parents" / tar.name).exists():
            (lab.home.root / "parents" / tar.name).symlink_to(tar)
    options = ["--no-browser", f"--port={port}", "--IdentityProvider.token=sesame"]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "kit.lab.cli", "lab", *options],
            env={**os.environ, "LAYERLAB_PROJECT": str(tmp_path)},
            stdout=log,
            stderr=log,
        )
    try:
        answer = _answer(f"http://127.0.0.1:{port}/api/contents?token=sesame", process, tmp_path / "log")
        assert "00-start-here.ipynb" in {entry["name"] for entry in json.loads(answer)["content"]}
        said = (tmp_path / "log").read_text()
        assert (
            "/lab/tree/00-start-here.ipynb" in said
            and f"Engine: {lab.kind}" in said
            and "busybox:1: is there" in said
        )
        page = _answer(f"http://127.0.0.1:{port}/lab?token=sesame", process, tmp_path / "log")
        assert "apputils-extension:announcements" in page  # among the extensions that are off
    finally:
        process.terminate()
        process.wait(timeout=30)


def _answer(url: str, process: "subprocess.Popen[bytes]", log: Path) -> str:
    end = time.monotonic() + 120
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return str(answer.read().decode())
        except OSError:
            time.sleep(0.3)
    raise AssertionError(f"JupyterLab does not answer: {log.read_text()[-3000:]}")
