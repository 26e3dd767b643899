"""A repository that GitHub builds: its files pass the linters, and its steps do what they say."""

import json
import os
import shutil
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
import yaml

import kit
from kit.lab.github import WORKFLOW

DOCKERFILE = 'FROM busybox:1\nCOPY page.html /page.html\nCMD ["cat", "/page.html"]\n'


@pytest.fixture
def directory(tmp_path):
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    (tmp_path / "page.html").write_text("<h1>From GitHub</h1>\n")
    return tmp_path


def test_the_workflow_follows_githubs_schema(directory):
    kit.repository(directory, "app")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows"]
    done = subprocess.run([*command, str(directory / WORKFLOW)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    (directory / WORKFLOW).write_text((directory / WORKFLOW).read_text().replace("runs-on", "run-on"))
    assert subprocess.run([*command, str(directory / WORKFLOW)], capture_output=True, timeout=60).returncode != 0


def test_no_value_from_outside_stands_in_a_command(directory):
    """GitHub puts expressions into a command as text: a branch's name could then be a command of its own."""
    kit.repository(directory, "app")
    document = yaml.safe_load((directory / WORKFLOW).read_text())
    steps = document["jobs"]["image"]["steps"]
    commands = [step["run"] for step in steps if "run" in step]
    assert len(commands) == 3 and not any("${{" in command for command in commands)
    assert document["permissions"] == {"contents": "read"}
    assert all(step.get("if") for step in steps if step.get("name") in ("Log in", "Push"))


@pytest.mark.skipif(not shutil.which("docker"), reason="the docker command is not installed")
def test_its_steps_build_log_in_and_push(lab, mine, directory, tmp_path_factory):
    door = kit.registry(login=(mine, "a token"))
    kit.repository(directory, "app")
    document = yaml.safe_load((directory / WORKFLOW).read_text())
    settings = {"DOCKER_HOST": lab.docker_host, "DOCKER_CONFIG": str(tmp_path_factory.mktemp("docker"))}
    settings |= {"REGISTRY": door.name, "DOCKER_ACC": mine, "DOCKER_TOKEN": "a token", "DOCKER_BUILDKIT": "0"}
    settings |= {"DOCKER_REPO": document["env"]["DOCKER_REPO"], "IMG_TAG": "edge", "PATH": os.environ["PATH"]}
    for step in document["jobs"]["image"]["steps"]:
        if "run" in step:
            command = ["bash", "-e", "-o", "pipefail", "-c", step["run"]]  # as GitHub starts it
            done = subprocess.run(command, cwd=directory, env=settings, capture_output=True, text=True, timeout=120)
            assert done.returncode == 0, step["name"] + done.stdout + done.stderr
    pushed = kit.manifest(f"{kit.registry()}/{mine}/app:edge")
    assert pushed.config.digest == kit.image(f"{door}/{mine}/app:edge").id
    assert "page.html" in kit.image(f"{door}/{mine}/app:edge").files


def test_what_is_there_stays(directory):
    (directory / ".dockerignore").write_text("mine\n")
    first = kit.repository(directory, "app")
    assert kit.repository(directory, "app") == first and (directory / ".dockerignore").read_text() == "mine\n"
    (directory / WORKFLOW).write_text("name: another\n")
    with pytest.raises(kit.Conflict, match="somebody else wrote it"):
        kit.repository(directory, "app")
    assert (directory / WORKFLOW).read_text() == "name: another\n"


@pytest.mark.parametrize("name", ["App", "me/app", "app:1", "", "a b", "$(id)", "app\nx: y"])
def test_only_a_name_can_be_put_into_it(directory, name):
    with pytest.raises(kit.Invalid):
        kit.repository(directory, name)
    assert not (directory / WORKFLOW).exists()


def test_without_a_dockerfile_there_is_nothing_to_build(tmp_path):
    with pytest.raises(kit.NotFound, match="no Dockerfile"):
        kit.repository(tmp_path, "app")


# ---- Docker Hub


class _Hub(BaseHTTPRequestHandler):
    """Answers as Docker Hub's two servers do."""

    def do_GET(self):
        body = json.dumps({"token": "t"}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_HEAD(self):
        known = (
            self.headers["Authorization"] == "Bearer t" and self.path == "/v2/ratelimitpreview/test/manifests/latest"
        )
        self.send_response(200 if known else 401)
        self.send_header("ratelimit-limit", "100;w=21600")
        self.send_header("ratelimit-remaining", "42;w=21600")
        self.end_headers()

    def log_message(self, *words):
        """Nobody reads it."""


def test_docker_hub_tells_how_many_pulls_are_left():
    with HTTPServer(("127.0.0.1", 0), _Hub) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        found = kit.hub(registry=url, tokens=f"{url}/token")
        server.shutdown()
    assert found.online and "100 in 6 hours; left now: 42 in 6 hours" in found.text()


def test_without_a_hub_the_lesson_goes_on():
    found = kit.hub(registry="http://127.0.0.1:9", tokens="http://127.0.0.1:9/token")
    assert not found.online and "nothing in this notebook needs it" in found.text()
