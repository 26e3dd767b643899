"""Finding an engine."""

import socket

import pytest

import kit
from kit.lab.connect import NoEngine, find_engine, sockets
from kit.lab.engine import ping


def test_docker_host_is_asked_first(lab):
    assert kit.connect() is lab and lab.because == "DOCKER_HOST names it"
    assert lab.kind in ("Docker", "Layerlab") and lab.version and lab.platform == "linux/amd64"
    assert lab.docker_host in lab.text() and lab.docker_host in lab.html()


def test_an_address_of_ours_goes_before_docker_host(lab):
    found = find_engine({"LAYERLAB_ENGINE": lab.docker_host, "DOCKER_HOST": "unix:///nowhere"})
    assert (found.docker_host, found.because) == (lab.docker_host, "LAYERLAB_ENGINE names it")


def test_an_engine_that_does_not_answer_is_named(tmp_path):
    with pytest.raises(NoEngine, match=r"no engine answers at unix:///nowhere/x\.sock \(DOCKER_HOST names it\)"):
        find_engine({"DOCKER_HOST": "unix:///nowhere/x.sock", "LAYERLAB_HOME": str(tmp_path)})


def test_something_that_is_no_engine(tmp_path):
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(path))
        deaf.listen()
        assert not ping(path, timeout=0.2)


@pytest.mark.parametrize("wanted", ["podman!", "yes", "/run/docker.sock"])
def test_a_wish_that_can_not_be_understood(wanted):
    with pytest.raises(kit.Invalid, match="LAYERLAB_ENGINE is 'embedded', 'docker' or an address"):
        find_engine({"LAYERLAB_ENGINE": wanted})


def test_sockets_of_docker_come_before_those_of_podman(tmp_path):
    (tmp_path / "podman").mkdir()
    for name in ("podman/podman.sock", "docker.sock"):
        (tmp_path / name).touch()
    found = [path for path in sockets({"XDG_RUNTIME_DIR": str(tmp_path)}) if tmp_path in path.parents]
    assert found == [tmp_path / "docker.sock", tmp_path / "podman/podman.sock"]


def test_another_setting_is_another_engine(lab, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/else.sock")
    with pytest.raises(kit.Unavailable, match=r"/nowhere/else\.sock"):
        kit.connect()
