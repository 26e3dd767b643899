"""Transfers that break off: what came is kept, the next try goes on there, and the result is the same."""

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from kit.engine.images.trading import Sink
from kit.engine.registry.transfer import Patience, Settings, pull, push
from kit.engine.store.store import Store
from kit.errors import Invalid, Unavailable
from kit.oci.digest import digest_of
from kit.oci.reference import parse_reference
from tests.engine.registry.conftest import QuietHandler, cut, serving

pytestmark = pytest.mark.timeout(60)
ONCE = Settings(patience=Patience(delays=(), connect=30, answer=30))


@pytest.fixture
def name(liar):
    return parse_reference(f"{liar.name}/you/app:1")


@pytest.fixture
def big(image):
    """The image's large layer: descriptor and bytes."""
    layer = image.manifest.layers[0]
    return layer, image.blobs[layer.digest]


def ranges(liar, layer):
    """The Range of each request for the layer so far."""
    return [headers.get("Range") for _, path, headers in liar.seen if path.endswith(layer.digest)]


def broken_at(liar, layer, data, count):
    """The next request for the layer ends after ``count`` bytes; those after it don't."""

    def once(handler):
        del liar.ways[layer.digest]
        handler.whole = data
        cut(count)(handler)

    liar.ways[layer.digest] = once


@pytest.mark.parametrize("count", [0, 1, 700_000, -1])
def test_a_pull_that_is_repeated_goes_on_where_it_was_interrupted(liar, name, big, store, count):
    layer, data = big
    broken_at(liar, layer, data, count % len(data))
    with pytest.raises(Unavailable):
        list(pull(name, store, settings=ONCE))
    assert not store.images and not store.layers and not store.blobs
    kept = len(store.parts.get(layer.digest, b""))
    list(pull(name, store, settings=ONCE))
    assert ranges(liar, layer) == [None, f"bytes={kept}-" if kept else None]
    assert store.blobs[layer.digest] == data and store.images and not any(store.parts.values())


def test_layers_that_were_complete_need_not_come_again(liar, name, image, store):
    large, small = image.manifest.layers
    arrived = threading.Event()

    def late(handler):
        arrived.wait(30)
        handler.close_connection = True

    liar.ways[large.digest] = late
    with pytest.raises(Unavailable):
        for event in pull(name, store, settings=ONCE):
            if event.status == "Pull complete":
                arrived.set()
    liar.ways.clear()
    list(pull(name, store, settings=ONCE))
    assert len(ranges(liar, small)) == 1 and len(ranges(liar, large)) == 2 and len(store.layers) == 2


@pytest.mark.parametrize("junk", [b"x" * 1000, b"x" * 9_000_000])
def test_what_was_left_is_believed_only_as_part_of_the_whole(liar, name, big, store, junk):
    layer, data = big
    store.parts[layer.digest] = bytearray(junk)
    list(pull(name, store, settings=ONCE))
    assert ranges(liar, layer)[-1] is None and store.blobs[layer.digest] == data


def test_what_a_liar_sent_is_not_kept(liar, name, big, store):
    layer, data = big
    liar.ways[layer.digest] = lambda handler: handler.answer(200, data + b"more")
    with pytest.raises(Invalid):
        list(pull(name, store, settings=ONCE))
    assert not store.parts and store.empty


def test_an_engine_that_was_started_anew_goes_on_too(liar, name, image, big, tmp_path: Path):
    layer, data = big
    broken_at(liar, layer, data, 700_000)
    store = Store(tmp_path)
    with pytest.raises(Unavailable):
        list(pull(name, Sink(store), settings=ONCE))
    assert store.blobs.all() == [] and store.layers.all() == []
    store.close()
    store = Store(tmp_path)
    list(pull(name, Sink(store), settings=ONCE))
    assert re.fullmatch(r"bytes=\d+-", ranges(liar, layer)[1] or "")
    assert store.blobs.read(layer.digest) == data
    assert store.images.get(digest_of(image.config.raw)).diff_ids == image.diff_ids
    assert not list(tmp_path.glob("blobs/sha256/.*"))
    store.close()


# ---- push


class Uploads:
    """A registry that keeps what an upload has brought, and tells how much that is. It hangs up after ``cuts``."""

    def __init__(self, cuts: list[int]) -> None:
        self.cuts, self.came, self.blobs, self.starts = cuts, bytearray(), set(), list[str | None]()
        self.opened = 0

    def serve(self, handler: QuietHandler) -> None:
        path = handler.path.partition("?")[0]
        match handler.command:
            case "GET" if path == "/v2/":
                handler.answer(200)
            case "HEAD":
                handler.answer(404)
            case "POST":
                self.opened, self.came = self.opened + 1, bytearray()
                handler.answer(202, Location="/v2/x/blobs/uploads/1")
            case "GET":
                handler.answer(204, Location="/v2/x/blobs/uploads/1", Range=f"0-{len(self.came) - 1}")
            case "PATCH":
                self.take(handler)
            case "PUT" if "/manifests/" in path:
                handler.rfile.read(int(handler.headers["Content-Length"]))
                handler.answer(201)
            case "PUT":
                self.blobs.add(digest_of(bytes(self.came)))
                handler.answer(201 if digest_of(bytes(self.came))[7:] in handler.path else 400)

    def take(self, handler: QuietHandler) -> None:
        self.starts.append(handler.headers.get("Content-Range"))
        left = int(handler.headers["Content-Length"])
        wanted = min(left, self.cuts.pop(0)) if self.cuts else left
        self.came += handler.rfile.read(wanted)
        if wanted < left:
            handler.close_connection = True
        else:
            handler.answer(202, Location="/v2/x/blobs/uploads/1")


def test_an_upload_goes_on_where_the_connection_broke(make_image, quick):
    image = make_image({"only": bytes(range(256)) * 8000})
    (layer,) = image.manifest.layers
    whole = layer.size
    uploads = Uploads([whole // 3, whole // 3])

    class Handler(QuietHandler):
        def do_GET(self) -> None:
            uploads.serve(self)

        do_HEAD = do_POST = do_PUT = do_PATCH = do_GET

    with serving(Handler) as address:
        list(push(parse_reference(f"{address}/x"), {"1": image}, settings=quick))
    third = whole // 3
    assert uploads.starts[:3] == [None, f"{third}-{whole - 1}", f"{2 * third}-{whole - 1}"]
    assert uploads.blobs == {layer.digest, image.manifest.config.digest} and uploads.opened == 2


@contextmanager
def shaky(target: str, after: int) -> Iterator[str]:
    """A way to ``target`` that breaks once: when ``after`` bytes have gone there in one connection."""
    host, _, port = target.partition(":")
    fuse = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def carry(source: socket.socket, sink: socket.socket, counted: bool) -> None:
        done = 0
        with suppress(OSError):
            while data := source.recv(1 << 16):
                done += len(data)
                if counted and done > after and not fuse.is_set():
                    fuse.set()
                    break
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def accept() -> None:
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection((host, int(port)))
                for ends in ((near, far, True), (far, near, False)):
                    threading.Thread(target=carry, args=ends, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        assert fuse.is_set(), "the way never broke"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def test_a_push_over_a_way_that_breaks_ends_the_same(registry, image, store, quick):
    with shaky(registry, 400_000) as address:
        told = list(push(parse_reference(f"{address}/you/shaky"), {"1": image}, settings=quick))
    assert any(event.status.startswith("Retrying in") for event in told)
    list(pull(parse_reference(f"{registry}/you/shaky:1"), store, settings=quick))
    assert set(store.layers) == set(image.diff_ids)
