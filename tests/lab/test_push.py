"""Pushing to a real registry and reading back, on each engine."""

import shutil
import socket

import pytest

import kit
from kit.lab.door import Door
from kit.lab.registry import forget, start_registry, stop_registry
from kit.lab.registry_log import read_requests

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
        with pytest.raises(kit.Denied, match="401"):
            kit.login(closed, "ada", "wrong")
        assert kit.login(closed, "ada", "a: secret") == "Login Succeeded"
        pushed = kit.push(target)
        assert kit.manifest(target).digest == pushed.digest
        assert "secret" not in repr(pushed) + repr(pushed.wire)
    finally:
        stop_registry(tmp_path)


# ---- an entrance with an account


def test_an_account_writes_to_its_own_namespace_only(lab, hello, mine):
    door = kit.registry(login=(mine, "secret"))
    assert kit.registry(login=(mine, "secret")) == door and "secret" not in repr(door) and mine in door.html()
    own, other = f"{door}/{mine}/app:1", f"{door}/{mine}2/app:1"
    kit.tag(hello(), own)
    kit.tag(own, other)
    with pytest.raises(kit.Denied, match="no basic auth credentials"):
        kit.push(own)
    with pytest.raises(kit.Denied):
        kit.login(door.name, mine, "guess")
    kit.login(door.name, mine, "secret")
    with pytest.raises(kit.Denied, match="denied: requested access to the resource is denied"):
        kit.push(other)
    pushed = kit.push(own)
    assert kit.manifest(own).digest == pushed.digest
    assert kit.manifest(f"{kit.registry()}/{mine}/app:1").digest == pushed.digest  # the registry behind it
    assert "secret" not in repr(pushed.wire)


@pytest.mark.parametrize(
    ("method", "target", "proof", "status"),
    [
        ("GET", "/v2/", "", 401),
        ("GET", "/v2/", "Basic YWRhOmd1ZXNz", 401),
        ("GET", "/v2/", "Basic YWRhOsO8", 0),
        ("GET", "/v2/bob/app/manifests/1", "Basic YWRhOsO8", 0),
        ("HEAD", "/v2/bob/app/blobs/sha256:00", "Basic YWRhOsO8", 0),
        ("POST", "/v2/ada/app/blobs/uploads/?mount=sha256:00&from=bob/app", "Basic YWRhOsO8", 0),
        ("POST", "/v2/bob/app/blobs/uploads/?mount=sha256:00&from=ada/app", "Basic YWRhOsO8", 403),
        ("PUT", "/v2/ada/manifests/1", "Basic YWRhOsO8", 403),
        ("PUT", "/v2/adam/app/manifests/1", "Basic YWRhOsO8", 403),
        ("PUT", "/v2/bob%2Fapp/manifests/1", "Basic YWRhOsO8", 403),
        ("DELETE", "/v2/bob/app/manifests/sha256:00", "Basic YWRhOsO8", 403),
        ("PUT", "/v2/ada/app/manifests/1", "Bearer YWRhOsO8", 401),
    ],
)
def test_what_a_door_lets_through(method, target, proof, status):
    refusal = Door("ada", "ü").refusal(method, target, proof)
    assert (refusal.status if refusal else 0) == status


# ---- pulling


def test_what_was_pushed_comes_back(lab, registry, hello, mine):
    target = f"{registry}/{mine}/app:1"
    image_id = kit.image(hello()).id
    kit.tag(f"{mine}/hello:1", target)
    pushed = kit.push(target)
    for name in (target, f"{mine}/hello:1"):
        lab.client.images.remove(name)
    for name in (target, f"{registry}/{mine}/app@{pushed.digest}"):
        pulled = kit.pull(name)
        assert kit.image(name).id == image_id and kit.run(name).out == "Hello!\n"
        assert "On the wire" in pulled.text() and pulled.down > 0
        lab.client.images.remove(name, force=True)
    kit.pull(target)
    assert list(kit.tags(str(registry))) == [target]
    assert kit.pull(target).downloaded <= 1  # the config, at most


def test_pulling_what_is_not_there(lab, registry, mine):
    with pytest.raises(kit.Unavailable, match=f"{registry}/{mine}/nothing:1 was not pulled: .*{registry}"):
        kit.pull(f"{registry}/{mine}/nothing:1")
    door = kit.registry(login=(mine, "secret"))
    with pytest.raises(kit.Denied, match="was not pulled"):
        kit.pull(f"{door}/{mine}/app:1")


# ---- the registry's own log


def test_the_registry_tells_how_a_blob_came(lab, registry, hello, mine):
    kit.tag(hello(), f"{registry}/{mine}/one:1")
    kit.push(f"{registry}/{mine}/one:1")
    kit.tag(f"{mine}/hello:1", f"{registry}/{mine}/two:1")
    kit.push(f"{registry}/{mine}/two:1")
    layer = kit.manifest(f"{registry}/{mine}/one:1").layers[0].digest
    came = [asked for asked in kit.requests() if asked.how and asked.digest == layer and mine in asked.repository]
    assert [(one.repository.partition("/")[2], one.how) for one in came] == [("one", "uploaded"), ("two", "mounted")]


def test_lines_that_are_no_requests_are_passed_over():
    line = '127.0.0.1 - - [25/Nov/2026:17:36:38 +0000] "{}" 201 0 "" "{}"'
    log = "\n".join(
        [
            'time="x" level=info msg=""PUT /v2/a/manifests/1 HTTP/1.1" 201"',
            line.format("PUT /v2/a/blobs/uploads/7?digest=sha256%3A00 HTTP/1.1", "me"),
            line.format("POST /v2/a/b/blobs/uploads/?from=x%2Fy&mount=sha256:11 HTTP/1.1", "me"),
            line.format("POST /v2/a/blobs/uploads/ HTTP/1.1", "me"),
            line.format("GET /v2/ HTTP/1.1", 'you" 201 0 "" "she'),
            "\x00",
        ]
    )
    asked = read_requests(log)
    assert [one.method for one in asked] == ["PUT", "POST", "POST"] and {one.agent for one in asked} == {"me"}
    told = [(one.repository, one.digest, one.how) for one in asked]
    assert told == [("a", "sha256:00", "uploaded"), ("a/b", "sha256:11", "mounted"), ("a", "", "")]


def test_reset_takes_what_was_pushed_out_of_the_registry(lab, registry, hello, mine, monkeypatch):
    monkeypatch.setenv("LAYERLAB_NOTEBOOK", "78")
    kept = f"{registry}/{mine}/kept:1"
    kit.tag(hello(), kept)
    kit.push(kept)
    monkeypatch.setenv("LAYERLAB_NOTEBOOK", "77")
    target = f"{registry}/{mine}/app:1"
    kit.tag(kept, target)
    kit.push(target)
    assert f"{mine}/app in the registry" in kit.reset("77").removed
    assert kit.manifest(kept)
    with pytest.raises(kit.NotFound):
        kit.manifest(target)
    assert not [asked for asked in kit.requests() if asked.repository == f"{mine}/app" and asked.how]
    kit.tag(kept, target)
    assert kit.push(target).uploaded >= 1  # what is forgotten is sent again
    assert [asked for asked in kit.requests() if asked.repository == f"{mine}/app" and asked.how]


@pytest.mark.parametrize("name", ["../x", "a/../../x", "", "/etc", "UPPER"])
def test_only_a_repository_can_be_forgotten(tmp_path, name):
    with pytest.raises(kit.Invalid):
        forget(tmp_path, name)
