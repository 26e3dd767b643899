"""The local registry: started once, found again, ended for good, as whoever you are."""

import base64
import hashlib
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from kit.errors import Unavailable
from kit.lab import registry_container
from kit.lab.passwords import bcrypt
from kit.lab.registry import (
    LocalRegistry,
    RegistryUnavailable,
    log_of,
    registry_status,
    start_registry,
    stop_registry,
)

pytestmark = pytest.mark.timeout(90)
needs_program = pytest.mark.skipif(not shutil.which("docker-registry"), reason="docker-registry is not installed")


@pytest.fixture
def port() -> int:
    """A port that nobody has, instead of 5000, which somebody may."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    stop_registry(tmp_path)


def status_of(url: str, login: tuple[str, str] | None = None, method: str = "GET") -> int:
    request = urllib.request.Request(url, method=method)
    if login:
        request.add_header("Authorization", "Basic " + base64.b64encode(":".join(login).encode()).decode())
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


@needs_program
def test_it_starts_once_and_stops_once(home, port):
    assert registry_status(home) is None
    url = start_registry(home, port)
    assert url == f"http://127.0.0.1:{port}" and status_of(f"{url}/v2/") == 200
    first = registry_status(home)
    assert first and first.name == f"127.0.0.1:{port}" and first.url == url
    assert start_registry(home, port) == url and registry_status(home) == first
    assert stop_registry(home) and not stop_registry(home)
    assert registry_status(home) is None
    with pytest.raises(OSError, match="refused"):
        status_of(f"{url}/v2/")


@needs_program
def test_its_images_and_its_port_survive_a_stop(home, port):
    url = start_registry(home, port)
    data = b"kept"
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    with urllib.request.urlopen(urllib.request.Request(f"{url}/v2/a/b/blobs/uploads/", method="POST")) as answer:
        session = answer.headers["Location"]
    finish = urllib.request.Request(f"{session}&digest={digest}", data=data, method="PUT")
    finish.add_header("Content-Type", "application/octet-stream")
    with urllib.request.urlopen(finish) as answer:
        assert answer.status == 201
    stop_registry(home)
    assert start_registry(home) == url  # not 5000: its name stands in the names of images
    assert status_of(f"{url}/v2/a/b/blobs/{digest}") == 200
    assert status_of(f"{url}/v2/a/b/blobs/{digest}", method="DELETE") == 202  # deletion is on


@needs_program
def test_a_taken_port_is_left_to_who_has_it(home):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        url = start_registry(home, taken)
        assert url != f"http://127.0.0.1:{taken}" and status_of(f"{url}/v2/") == 200
        assert start_registry(home, taken) == url


@needs_program
def test_a_crash_is_noticed_and_mended(home, port):
    url = start_registry(home, port)
    running = registry_status(home)
    assert running
    os.kill(running.pid, signal.SIGKILL)
    while registry_status(home):
        time.sleep(0.01)
    assert start_registry(home, port) == url and status_of(f"{url}/v2/") == 200


@needs_program
def test_a_pid_that_belongs_to_somebody_else_by_now_is_left_alone(home, port):
    (home / "registry").mkdir()
    stale = {"port": port, "pid": os.getpid(), "born": "1", "container": "", "user": ""}
    (home / "registry" / "state.json").write_text(json.dumps(stale))
    assert registry_status(home) is None
    assert start_registry(home) == f"http://127.0.0.1:{port}"
    stop_registry(home)


@needs_program
@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"port": "x"}', '{"port": 5, "more": 1}', "\x00"])
def test_a_state_file_that_can_not_be_read_is_written_anew(home, port, text):
    (home / "registry").mkdir()
    (home / "registry" / "state.json").write_text(text)
    if '"port": 5' in text:
        port = 5  # remembered, and nothing that an ordinary user gets
    assert registry_status(home) is None
    assert status_of(start_registry(home, port) + "/v2/") == 200


@needs_program
def test_with_a_login_only_that_user_comes_in(home, port):
    you = ("you", "a secret: with ümlaut")
    url = start_registry(home, port, login=you)
    first = registry_status(home)
    assert status_of(f"{url}/v2/") == 401
    assert status_of(f"{url}/v2/", ("you", "guess")) == 401
    assert status_of(f"{url}/v2/", you) == 200
    assert start_registry(home, login=you) == url and registry_status(home) == first
    start_registry(home, login=("you", "another"))
    assert status_of(f"{url}/v2/", ("you", "another")) == 200
    start_registry(home)
    assert status_of(f"{url}/v2/") == 200
    passwords = home / "registry" / "htpasswd"
    assert stat.S_IMODE(passwords.stat().st_mode) == 0o600 and "secret" not in passwords.read_text()


@needs_program
def test_a_registry_that_can_not_start_shows_the_end_of_its_log(home, port):
    (home / "registry").mkdir()
    (home / "registry" / "data").write_text("a file where a directory must be")
    start_registry(home, port)  # the program looks only when it needs it
    stop_registry(home)
    fake = home / "bin"
    fake.mkdir()
    (fake / "docker-registry").write_text("#!/bin/sh\necho this is why >&2\nexit 1\n")
    (fake / "docker-registry").chmod(0o755)
    code = (
        "import sys, pathlib, kit.lab.registry as r\n"
        "try: r.start_registry(pathlib.Path(sys.argv[1]))\n"
        "except r.RegistryUnavailable as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(home)],
        env=os.environ | {"PATH": f"{fake}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert f"the registry does not start on port {port}" in done.stdout and "this is why" in done.stdout
    assert "this is why" in log_of(home).read_text()


@needs_program
def test_an_ordinary_user_needs_nothing_more(as_user, port):
    code = (
        "import sys, pathlib, kit.lab.registry as r\n"
        "home = pathlib.Path('lab')\n"
        "print(r.start_registry(home.absolute(), int(sys.argv[1])), r.stop_registry(home))\n"
    )
    done = as_user(code, str(port))
    assert done.stdout.split() == [f"http://127.0.0.1:{port}", "True"], done.stderr


def test_without_a_program_and_an_engine_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RegistryUnavailable, match="sudo apt install docker-registry"):
        start_registry(tmp_path)


def test_bcrypt_is_different_each_time():
    assert bcrypt("secret").startswith("$2b$10$") and bcrypt("secret") != bcrypt("secret")


def test_a_container_serves_where_no_program_is_installed(home, port, monkeypatch, request):
    engine = docker.DockerClient(base_url=request.getfixturevalue("dockerd_host"), version="auto")
    if not any(registry_container.IMAGE in image.tags for image in engine.images.list()):
        pytest.skip(f"{registry_container.IMAGE} is not in the engine, and there may be no way to fetch it")
    monkeypatch.setenv("PATH", "/nowhere")
    try:
        url = start_registry(home, port, engine=engine)
        assert url == f"http://127.0.0.1:{port}" and status_of(f"{url}/v2/") == 200
        assert start_registry(home, port, engine=engine) == url
        running = registry_status(home, engine=engine)
        assert isinstance(running, LocalRegistry) and running.container
        with pytest.raises(Unavailable, match="needs the program"):
            start_registry(home, port, login=("you", "secret"), engine=engine)
    finally:
        stop_registry(home, engine=engine)
    assert registry_status(home, engine=engine) is None
