"""Logins that a credential helper keeps, at a real registry with a password."""

import json
import os
from pathlib import Path

import docker.auth
import pytest

from kit.engine.registry.auth import Credentials
from kit.engine.registry.transfer import push
from kit.errors import Denied, Unavailable
from kit.lab.logins import find_known
from kit.lab.passwords import bcrypt
from kit.lab.remote import read_manifest
from kit.oci.reference import parse_reference
from tests.engine.registry.conftest import make_image, running

HELPER = """#!/bin/sh
test "$1" = get || exit 1
read server
echo "$server" >> "$(dirname "$0")/asked"
case "$server" in
*token*) echo '{"ServerURL": "x", "Username": "<token>", "Secret": "again"}' ;;
*nobody*) echo "credentials not found in native keychain"; exit 1 ;;
*broken*) echo "out of order"; exit 1 ;;
*) echo '{"ServerURL": "x", "Username": "you", "Secret": "secret"}' ;;
esac
"""


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with the helper ``layerlab-test``, and with Docker's configuration."""
    program = tmp_path / "docker-credential-layerlab-test"
    program.write_text(HELPER)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    return tmp_path


def configure(helper: Path, **words: object) -> docker.auth.AuthConfig:
    (helper / "config.json").write_text(json.dumps(words))
    return docker.auth.load_config()


def test_a_helper_is_asked_for_its_registry(helper: Path) -> None:
    found = configure(helper, credHelpers={"reg:5": "layerlab-test"}, auths={"other": {"auth": "YTpi"}})
    assert find_known(found, "reg:5") == {"username": "you", "password": "secret"}
    assert find_known(found, "other") == {"username": "a", "password": "b"}
    assert find_known(found, "third") is None
    assert (helper / "asked").read_text() == "reg:5\n"


def test_a_store_is_asked_for_every_registry(helper: Path) -> None:
    found = configure(helper, credsStore="layerlab-test")
    assert find_known(found, "token.example") == {"identitytoken": "again"}
    assert find_known(found, "nobody.example") is None
    assert find_known(found, "docker.io") == {"username": "you", "password": "secret"}
    assert (helper / "asked").read_text().splitlines()[-1] == "https://index.docker.io/v1/"


@pytest.mark.filterwarnings("ignore:docker-credential-nothing-here")
def test_a_helper_that_is_not_there_or_broken_is_named(helper: Path) -> None:
    found = configure(helper, credHelpers={"reg:5": "nothing-here", "broken": "layerlab-test"})
    with pytest.raises(Unavailable, match=r"helper for reg:5 does not answer: .*docker-credential-nothing-here"):
        find_known(found, "reg:5")
    with pytest.raises(Unavailable, match=r"helper for broken does not answer: .*out of order"):
        find_known(found, "broken")


def test_what_a_helper_knows_opens_a_registry(helper: Path) -> None:
    (helper / "htpasswd").write_text(f"you:{bcrypt('secret')}\n")
    auth = f"auth: {{htpasswd: {{realm: test, path: {helper}/htpasswd}}}}\n"
    with running(helper / "registry", auth=auth) as host:
        name, image = parse_reference(f"{host}/you/app:1"), make_image({"a": b"1"})
        list(push(parse_reference(f"{host}/you/app"), {"1": image}, credentials=Credentials("you", "secret")))
        configure(helper)
        with pytest.raises(Denied):
            read_manifest(name)
        configure(helper, credHelpers={host: "layerlab-test"})
        assert read_manifest(name).digest == image.manifest.digest
