"""Pushing to a real registry and reading back, on each engine."""

import shutil
import socket

import pytest

import kit
from kit.lab.registry import start_registry, stop_registry

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(not shutil.which("docker-registry"), reason="docker-registry is not installed"),
]


@pytest.fixture
def registry(lab):
    return kit.registry()


def test_the_registry_is_its_name_in_a_text(registry):
    assert f"{registry}/app" == f"{registry.name}/app" and registry.name.startswith("127.0.0.1:")
    assert kit.registry() == registry and registry.name in registry.html()


def test_a_pushed_image_can_be_read_back(lab, registry, hello, mine):
    target = f"{registry}/{mine}/app:1"
    kit.tag(hello(), target)
    with pytest.raises(kit.NotFound, match="push it first"):
        kit.manifest(target)
    pushed, manifest = kit.push(target), kit.manifest(target)
    assert manifest.digest == pushed.digest and manifest.config.digest == kit.image(target).id
    assert len(manifest.layers) == 1 and manifest.digest in manifest.html()
    by_digest = kit.manifest(f"{registry}/{mine}/app@{manifest.digest}")
    assert by_digest.raw == manifest.raw


def test_what_is_there_is_not_sent_again(lab, registry, hello, mine):
    target = f"{registry}/{mine}/app:1"
    kit.tag(hello(text="x" * 5000), target)
    first, again = kit.push(target), kit.push(target)
    assert first.uploaded == 2 and again.uploaded == 0 and again.up < 1500
    assert {row.kind for row in first.wire} >= {"check", "upload", "finish", "manifest"}
    assert "On the wire" in first.text() and "now has a name here" in first.html()


def test_the_name_on_the_wire_is_gone_afterwards(lab, registry, hello, mine):
    target = f"{registry}/{mine}/app:1"
    kit.tag(hello(), target)
    kit.push(target)
    assert [name for name in kit.tags() if mine in name] == sorted([f"{mine}/hello:1", target])


def test_tags_know_what_the_registry_has(lab, registry, hello, mine):
    target = f"{registry}/{mine}/app:1"
    kit.tag(hello("one", text="1\n"), target)
    states = lambda: [name.there for name in kit.tags(target).names]  # noqa: E731
    assert states() == ["missing"]
    kit.push(target)
    assert states() == ["same"]
    kit.tag(hello("two", text="2\n"), target)
    assert states() == ["differs"]


def test_pushing_what_has_no_such_name(lab, registry, mine):
    with pytest.raises(kit.NotFound, match=f"there is no image '{registry}/{mine}/app:1'"):
        kit.push(f"{registry}/{mine}/app:1")


def test_a_registry_that_is_not_there(lab, hello, mine):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        target = f"127.0.0.1:{nobody.getsockname()[1]}/{mine}/app:1"
        kit.tag(hello(), target)
        with pytest.raises(kit.Unavailable, match=f"{target} was not pushed"):
            kit.push(target)
        with pytest.raises(kit.Unavailable, match="does not answer"):
            kit.manifest(target)


def test_a_registry_with_a_password_wants_to_know_who_pushes(lab, hello, mine, tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    closed = start_registry(tmp_path, port, login=("ada", "a: secret")).removeprefix("http://")
    try:
        target = f"{closed}/{mine}/app:1"
        kit.tag(hello(), target)
        with pytest.raises(kit.Denied, match="nobody is logged in to that registry"):
            kit.push(target)
        with pytest.raises(kit.Denied, match=r"kit\.login"):
            kit.manifest(target)
        with pytest.raises((kit.Denied, kit.Unavailable)):
            kit.login(closed, "ada", "wrong")
        assert kit.login(closed, "ada", "a: secret") == "Login Succeeded"
        pushed = kit.push(target)
        assert kit.manifest(target).digest == pushed.digest
        assert "secret" not in repr(pushed) + repr(pushed.wire)
    finally:
        stop_registry(tmp_path)
