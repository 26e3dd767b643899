"""A push and a pull, written down by a proxy on loopback."""

import base64
import hashlib
import http.client
import json
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from kit.lab.registry import start_registry, stop_registry
from kit.lab.wire import Wire
from kit.lab.wire_words import digest_in, short_target, words_of

pytestmark = [
    pytest.mark.timeout(60),
    pytest.mark.skipif(not shutil.which("docker-registry"), reason="docker-registry is not installed"),
]
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = tmp_path_factory.mktemp("lab")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    yield start_registry(home, port).removeprefix("http://")
    stop_registry(home)


@pytest.fixture
def wire(registry: str) -> Iterator[Wire]:
    with Wire(registry) as wire:
        yield wire


def ask(name: str, method: str, target: str, body=None, **headers: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(name, timeout=20)
    connection.request(method, target, body=body, headers=headers, encode_chunked=not isinstance(body, bytes | None))
    answer = connection.getresponse()
    answer.body = answer.read()
    connection.close()
    return answer


def push(name: str, repository: str, blob: bytes) -> str:
    """The smallest push: one blob that is config and layer at once."""
    digest = "sha256:" + hashlib.sha256(blob).hexdigest()
    if ask(name, "HEAD", f"/v2/{repository}/blobs/{digest}").status == 404:
        session = ask(name, "POST", f"/v2/{repository}/blobs/uploads/").headers["Location"]
        host, _, target = session.removeprefix("http://").partition("/")
        assert host == name  # the upload goes on through the proxy
        halves = iter([blob[: len(blob) // 2], blob[len(blob) // 2 :]])
        sent = ask(name, "PATCH", f"/{target}", halves, **{"Transfer-Encoding": "chunked"})
        target = sent.headers["Location"].removeprefix(f"http://{name}")
        assert ask(name, "PUT", f"{target}&digest={digest}").status == 201
    part = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest, "size": len(blob)}
    manifest = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": part, "layers": []}).encode()
    assert ask(name, "PUT", f"/v2/{repository}/manifests/1", manifest, **{"Content-Type": MANIFEST}).status == 201
    return digest


def test_a_push_is_written_down_request_by_request(wire):
    digest = push(wire.name, "you/app", b"x" * 100_000)
    rows = wire.rows()
    assert [(row.method, row.status, row.kind) for row in rows] == [
        ("HEAD", 404, "check"),
        ("POST", 202, "upload"),
        ("PATCH", 202, "upload"),
        ("PUT", 201, "finish"),
        ("PUT", 201, "manifest"),
    ]
    assert [row.up for row in rows][:4] == [0, 0, 100_000, 0] and 100 < rows[4].up < 400
    assert rows[0].digest == rows[3].digest == digest
    assert "_state" not in rows[2].path and rows[3].path.endswith(f"?digest={digest}")
    assert rows == sorted(rows, key=lambda row: row.at)


def test_a_mount_is_told_from_an_upload(wire):
    digest = push(wire.name, "you/first", b"y" * 50_000)
    since = wire.now()
    answer = ask(wire.name, "POST", f"/v2/you/second/blobs/uploads/?mount={digest}&from=you%2Ffirst")
    assert answer.status == 201
    (row,) = wire.rows(since)
    assert (row.kind, row.up, row.digest) == ("mount", 0, digest)
    assert row.meaning == "Mounted from you/first: the blob is in both repositories, and no byte was sent."


def test_what_comes_down_is_counted(wire):
    digest = push(wire.name, "you/down", b"z" * 300_000)
    since = wire.now()
    answer = ask(wire.name, "GET", f"/v2/you/down/blobs/{digest}")
    assert answer.body == b"z" * 300_000
    ask(wire.name, "HEAD", f"/v2/you/down/blobs/{digest}")
    down, head = wire.rows(since)
    assert (down.kind, down.down) == ("download", 300_000) and head.down == 0


def test_a_password_is_passed_on_and_never_kept(registry):
    proof = "Basic " + base64.b64encode(b"you:secret").decode()
    heard = []

    def listen() -> None:
        connection, _ = server.accept()
        heard.append(connection.recv(65536).decode())
        connection.sendall(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\n{}")
        connection.close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=listen, daemon=True).start()
        with Wire(f"127.0.0.1:{server.getsockname()[1]}") as wire:
            ask(wire.name, "GET", "/v2/", Authorization=proof)
            rows = wire.rows()
    assert proof in heard[0] and f"Host: {wire.name}" in heard[0]
    assert rows[0].kind == "auth" and proof.split()[1] not in repr((rows, vars(wire)))


def test_a_registry_that_is_gone_is_said_in_its_own_way():
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        with Wire(f"127.0.0.1:{nobody.getsockname()[1]}") as wire:
            answer = ask(wire.name, "GET", "/v2/")
            assert answer.status == 502 and "does not answer" in json.loads(answer.body)["errors"][0]["message"]
            assert wire.rows()[0].status == 502


def test_a_tls_hello_is_answered_by_hanging_up_at_once(wire):
    with socket.create_connection(("127.0.0.1", int(wire.name.partition(":")[2])), timeout=10) as connection:
        connection.sendall(b"\x16\x03\x01\x02\x00\x01")
        try:
            assert connection.recv(1) == b""
        except ConnectionResetError:
            return  # hung up as well
    assert not wire.rows()


@pytest.mark.skipif(not shutil.which("skopeo"), reason="skopeo is not installed")
def test_another_program_pushes_and_pulls_through_it(wire, tmp_path: Path):
    push(wire.name, "you/origin", json.dumps({"rootfs": {"type": "layers", "diff_ids": []}}).encode())
    since = wire.now()
    done = subprocess.run(
        [
            *("skopeo", "copy", "--src-tls-verify=false", "--dest-tls-verify=false"),
            *(f"docker://{wire.name}/you/origin:1", f"docker://{wire.name}/you/copy:1"),
        ],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    rows = wire.rows(since)
    assert rows[-1].method == "PUT" and rows[-1].path == "/v2/you/copy/manifests/1" and rows[-1].status == 201


def test_a_real_dockerd_is_recorded_without_knowing(wire, dockerd, tmp_path: Path):
    (tmp_path / "Dockerfile").write_text('FROM scratch\nCOPY data /\nCMD ["/data"]\n')
    (tmp_path / "data").write_bytes(os.urandom(30_000))
    name = f"{wire.name}/you/dockerd:1"
    dockerd.images.build(path=str(tmp_path), tag=name)
    try:
        assert "error" not in dockerd.images.push(name)
        rows = wire.rows()
        dockerd.images.push(name)
        again = wire.rows()[len(rows) :]
    finally:
        dockerd.images.remove(name, force=True)
    assert rows[-1].path == "/v2/you/dockerd/manifests/1" and sum(row.up for row in rows) > 30_000
    assert {row.kind for row in rows} >= {"check", "upload", "finish", "manifest"}
    assert sum(row.up for row in again) < 1_000 and not any(row.kind == "upload" for row in again)


@pytest.mark.parametrize(
    ("request_line", "status", "kind"),
    [
        ("GET /v2/", 200, "check"),
        ("GET /v2/", 401, "auth"),
        ("PUT /v2/other/app/manifests/1", 403, "auth"),
        ("HEAD /v2/a/b/c/blobs/sha256:00", 404, "check"),
        ("POST /v2/a/blobs/uploads/?mount=sha256:00&from=b", 202, "upload"),
        ("GET /v2/a/tags/list", 200, "list"),
        ("GET /favicon.ico", 404, "other"),
        ("PATCH /v2/a/blobs/uploads/1", 503, "other"),
    ],
)
def test_each_request_has_its_sentence(request_line, status, kind):
    method, target = request_line.split()
    words = words_of(method, target, status)
    assert words.kind == kind and words.meaning.endswith(".") and "{" not in words.meaning


def test_a_target_is_shortened_to_what_a_reader_needs():
    digest = "sha256:" + "0" * 64
    target = f"/v2/a/blobs/uploads/1?_state=long&digest={digest.replace(':', '%3A')}"
    assert short_target(target) == f"/v2/a/blobs/uploads/1?digest={digest}"
    assert digest_in(target) == digest and digest_in("/v2/") == ""
