"""kill -9 at any moment: the next start finds every finished image whole, no unfinished one, and nothing runs."""

import io
import json
import os
import signal
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import docker
import pytest
import requests
import urllib3

from kit.oci.config import History, ImageConfig
from kit.oci.descriptor import OCI_CONFIG, OCI_LAYER, Descriptor
from kit.oci.digest import DiffID, digest_of
from kit.oci.manifest import Manifest

pytestmark = pytest.mark.timeout(180)
Engine = Any
"""``RunningEngine`` of conftest.py."""


def eventually(holds: Callable[[], bool], timeout: float = 20) -> None:
    end = time.monotonic() + timeout
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def client(new_engine: Engine, busybox_tar: Path) -> docker.APIClient:
    new_engine.start()
    client = new_engine.client()
    client.import_image_from_file(str(busybox_tar), "busybox", "1")
    return client


def killed_and_started(engine: Engine) -> docker.APIClient:
    """A client of the next engine, with the last one dead."""
    engine.end(signal.SIGKILL)
    engine.start()
    return engine.client()


def check_whole(engine: Engine, client: docker.APIClient, names: list[str]) -> None:
    """Exactly these images are there, all of their bytes are good, and nothing else lies about."""
    assert sorted(tag for row in client.images(all=True) for tag in row["RepoTags"]) == sorted(names)
    for name in names:
        archive = io.BytesIO(b"".join(client.get_image(name)))
        with tarfile.open(fileobj=archive) as tar:
            for member in tar:
                if member.name.startswith("blobs/sha256/") and member.isfile():
                    contents = tar.extractfile(member)
                    assert contents and digest_of(contents.read()) == "sha256:" + member.name.rpartition("/")[2]
    store = engine.home / "store"
    leftovers = [
        path for folder, some, files in os.walk(store) for path in (*some, *files) if path.startswith(".new-")
    ]
    assert leftovers == []
    assert [path.name for path in (store / "rootfs").iterdir()] == []
    index = json.loads((store / "index.json").read_text())
    kept = {row["digest"] for row in index["manifests"]}
    for digest in list(kept):
        document = json.loads((store / "blobs" / digest.replace(":", "/")).read_text())
        kept |= {document["config"]["digest"], *(layer["digest"] for layer in document["layers"])}
    blobs = [path.name for path in (store / "blobs/sha256").iterdir()]
    broken_off = {name for name in blobs if name.startswith(".part-")}  # the next pull goes on there
    assert {f"sha256:{name}" for name in blobs if name not in broken_off} == kept


def in_thread(work: Callable[[], object]) -> threading.Thread:
    """Does ``work``, which the kill will cut off."""

    def quietly() -> None:
        with suppress(requests.RequestException, urllib3.exceptions.HTTPError, docker.errors.DockerException):
            work()

    thread = threading.Thread(target=quietly, daemon=True)
    thread.start()
    return thread


def processes_of(words: str) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if words.encode() in process.read_bytes().replace(b"\0", b" "):
                found.append(process.parent.name)
        except OSError:
            continue
    return found


def test_in_the_middle_of_a_build(new_engine: Engine, client: docker.APIClient) -> None:
    dockerfile = b"FROM busybox:1\nRUN echo done > /done\nRUN echo half > /half && sleep 765432\n"
    building = in_thread(lambda: list(client.build(fileobj=io.BytesIO(dockerfile), tag="unfinished", rm=True)))
    eventually(lambda: bool(processes_of("sleep 765432")))
    client = killed_and_started(new_engine)
    building.join(30)
    eventually(lambda: not processes_of("sleep 765432"))
    client.prune_builds()
    check_whole(new_engine, client, ["busybox:1"])


def test_in_the_middle_of_a_commit(new_engine: Engine, client: docker.APIClient) -> None:
    key = client.create_container("busybox:1", ["sh", "-c", "head -c 300000000 /dev/urandom > /big"])["Id"]
    client.start(key)
    assert client.wait(key, timeout=120)["StatusCode"] == 0
    committing = in_thread(lambda: client.commit(key, "unfinished"))
    eventually(
        lambda: any(path.name.startswith(".new-") for path in (new_engine.home / "store/blobs/sha256").iterdir())
    )
    client = killed_and_started(new_engine)
    committing.join(30)
    client.remove_container(key)
    check_whole(new_engine, client, ["busybox:1"])


def test_in_the_middle_of_a_load(new_engine: Engine, client: docker.APIClient) -> None:
    archive = b"".join(client.get_image("busybox:1"))
    client.remove_image("busybox:1")

    def slowly() -> Iterator[bytes]:
        yield archive[: len(archive) // 2]
        time.sleep(30)
        yield archive[len(archive) // 2 :]

    loading = in_thread(lambda: list(client.load_image(slowly())))
    eventually(lambda: any(path.name.startswith(".new-") for path in (new_engine.home / "store").iterdir()))
    client = killed_and_started(new_engine)
    check_whole(new_engine, client, [])
    del loading


class HalfARegistry:
    """A registry that gives one whole layer and half of another, and takes half of what is sent."""

    def __init__(self) -> None:
        layers = [_tar("whole", b"w" * 1000), _tar("half", b"h" * 3_000_000)]
        diff_ids = [DiffID(digest_of(layer)) for layer in layers]
        config = ImageConfig.of(diff_ids=diff_ids, history=[History(), History()])
        blobs = [Descriptor(OCI_LAYER, diff_id, len(layer)) for diff_id, layer in zip(diff_ids, layers, strict=True)]
        manifest = Manifest.of(Descriptor(OCI_CONFIG, config.id, len(config.raw)), blobs)
        self.half = threading.Event()
        held = self.half
        bodies = {
            "/v2/": b"{}",
            "/v2/you/app/manifests/1": manifest.raw,
            f"/v2/you/app/blobs/{config.id}": config.raw,
        }
        bodies |= {f"/v2/you/app/blobs/{diff_id}": layer for diff_id, layer in zip(diff_ids, layers, strict=True)}

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = bodies.get(self.path)
                if body is None:
                    return self.send_error(404)
                self.send_response(200)
                self.send_header("Content-Type", manifest.media_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if len(body) < 1_000_000:
                    self.wfile.write(body)
                    return None
                self.wfile.write(body[: len(body) // 2])
                self.wfile.flush()
                held.set()
                time.sleep(60)
                return None

            do_HEAD = lambda self: self.send_error(404)  # noqa: E731

            def do_POST(self) -> None:
                self.send_response(202)
                self.send_header("Location", "/v2/you/app/blobs/uploads/1")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def do_PATCH(self) -> None:
                self.rfile.read(1000)
                held.set()
                time.sleep(60)

            def log_message(self, format: str, *args: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.name = f"127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()


def _tar(name: str, data: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        entry = tarfile.TarInfo(name)
        entry.size = len(data)
        tar.addfile(entry, io.BytesIO(data))
    return out.getvalue()


@pytest.fixture
def half_a_registry() -> Iterator[HalfARegistry]:
    registry = HalfARegistry()
    yield registry
    registry.close()


def test_in_the_middle_of_a_pull(
    new_engine: Engine, client: docker.APIClient, half_a_registry: HalfARegistry
) -> None:
    pulling = in_thread(lambda: client.pull(f"{half_a_registry.name}/you/app", tag="1"))
    assert half_a_registry.half.wait(30)
    time.sleep(0.5)
    client = killed_and_started(new_engine)
    pulling.join(30)
    client.info()
    check_whole(new_engine, client, ["busybox:1"])


def test_in_the_middle_of_a_push(
    new_engine: Engine, client: docker.APIClient, half_a_registry: HalfARegistry
) -> None:
    name = f"{half_a_registry.name}/you/app:1"
    client.tag("busybox:1", f"{half_a_registry.name}/you/app", "1")
    pushing = in_thread(lambda: client.push(name))
    assert half_a_registry.half.wait(30)
    client = killed_and_started(new_engine)
    pushing.join(30)
    check_whole(new_engine, client, ["busybox:1", name])
