"""Push and pull against CNCF Distribution."""

import hashlib
import io
import json
import os
import shutil
import subprocess
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pytest

from kit.engine.registry.transfer import Event, Pulled, Registry, Settings, Whereabouts, pull, push
from kit.oci.config import History, ImageConfig, RunConfig
from kit.oci.descriptor import OCI_CONFIG, OCI_LAYER, Descriptor
from kit.oci.digest import DiffID, Digest, digest_of
from kit.oci.manifest import Manifest
from kit.oci.reference import parse_reference

pytestmark = pytest.mark.timeout(60)


def words(events: Iterable[Event]) -> list[str]:
    """What the events say of each layer, in order, counted progress left out."""
    return [event.status for event in events if not event.total]


def test_what_was_pushed_comes_back_the_same(registry, image, store, quick):
    name = parse_reference(f"{registry}/you/app")
    sent = list(push(name, {"1": image}, settings=quick))
    assert sent[0].to_json() == {"status": f"The push refers to repository [{registry}/you/app]"}
    assert words(sent).count("Pushed") == 2
    size = len(image.manifest.raw)
    assert sent[-2].status == f"1: digest: {image.manifest.digest} size: {size}"
    aux = {"Tag": "1", "Digest": image.manifest.digest, "Size": size}
    assert sent[-1].to_json() == {"progressDetail": {}, "aux": aux}

    came = list(pull(name.with_tag("1"), store, settings=quick))
    assert came[0].to_json() == {"status": "Pulling from you/app", "id": "1"}
    assert came[-2].status == f"Digest: {image.manifest.digest}"
    assert came[-1].status == f"Status: Downloaded newer image for {registry}/you/app:1"
    pulled = store.images[f"{registry}/you/app:1"]
    assert pulled.manifest.raw == image.manifest.raw and pulled.config.raw == image.config.raw
    assert set(store.layers) == set(image.diff_ids)
    for blob in image.manifest.layers:
        assert store.blobs[blob.digest] == image.blobs[blob.digest]
        told = [event.status for event in came if event.id == blob.digest[7:19]]
        assert [word for word in dict.fromkeys(told) if word != "Downloading"] == [
            "Pulling fs layer",
            "Verifying Checksum",
            "Download complete",
            "Extracting",
            "Pull complete",
        ]


def test_the_second_push_and_pull_move_nothing(registry, image, store, quick):
    name = parse_reference(f"{registry}/you/again")
    list(push(name, {"1": image}, settings=quick))
    assert words(push(name, {"2": image}, settings=quick)).count("Layer already exists") == 2
    list(pull(name.with_tag("1"), store, settings=quick))
    second = list(pull(name.with_tag("1"), store, settings=quick))
    assert words(second).count("Already exists") == 2
    assert second[-1].status == f"Status: Image is up to date for {registry}/you/again:1"


def test_a_neighbours_layers_are_mounted(registry, image, documents, quick):
    places = Whereabouts(documents)
    list(push(parse_reference(f"{registry}/you/first"), {"1": image}, settings=quick, whereabouts=places))
    second = words(
        push(parse_reference(f"{registry}/other/second"), {"1": image}, settings=quick, whereabouts=places)
    )
    assert second.count("Mounted from you/first") == 2 and "Pushed" not in second


def test_a_pull_teaches_where_layers_may_be_mounted_from(registry, image, store, documents, quick):
    places = Whereabouts(documents)
    list(push(parse_reference(f"{registry}/you/origin"), {"1": image}, settings=quick))
    list(pull(parse_reference(f"{registry}/you/origin:1"), store, settings=quick, whereabouts=places))
    told = words(push(parse_reference(f"{registry}/you/copy"), {"1": image}, settings=quick, whereabouts=places))
    assert told.count("Mounted from you/origin") == 2


def test_a_neighbour_that_lost_the_layer_does_no_harm(registry, make_image, documents, quick):
    image = make_image({"a": b"only here"})
    places = Whereabouts(documents)
    places.add(registry, image.manifest.layers[0].digest, "nobody/home")
    told = words(push(parse_reference(f"{registry}/you/alone"), {"1": image}, settings=quick, whereabouts=places))
    assert "Pushed" in told


def test_several_tags_of_one_repository_go_in_one_push(registry, make_image, quick):
    first, second = make_image({"a": b"1"}), make_image({"a": b"1"}, {"b": b"2"})
    name = parse_reference(f"{registry}/you/tags")
    told = list(push(name, {"1": first, "2": second}, settings=quick))
    assert [event.aux["Tag"] for event in told if event.aux] == ["1", "2"]
    with Registry(registry, settings=quick) as client:
        assert sorted(client.tags("you/tags")) == ["1", "2"]


def test_a_layer_that_occurs_twice_is_sent_and_fetched_once(registry, make_image, store, quick):
    image = make_image({"a": b"same"}, {"a": b"same"})
    name = parse_reference(f"{registry}/you/twice")
    assert words(push(name, {"1": image}, settings=quick)).count("Pushed") == 1
    list(pull(name.with_tag("1"), store, settings=quick))
    assert store.images[f"{registry}/you/twice:1"].config.diff_ids == image.diff_ids


def test_an_image_without_layers_travels_too(registry, make_image, store, quick):
    image = make_image()
    name = parse_reference(f"{registry}/you/empty")
    list(push(name, {"1": image}, settings=quick))
    list(pull(name.with_tag("1"), store, settings=quick))
    assert store.images[f"{registry}/you/empty:1"].config.raw == image.config.raw


def test_a_pull_by_digest_says_so_as_docker_does(registry, image, store, quick):
    name = parse_reference(f"{registry}/you/digest")
    list(push(name, {"1": image}, settings=quick))
    exact = f"{registry}/you/digest@{image.manifest.digest}"
    told = list(pull(parse_reference(exact), store, settings=quick))
    assert told[0].id == exact and told[-1].status == f"Status: Downloaded newer image for {exact}"


@pytest.mark.parametrize(
    ("repository", "tag"), [("you/app-that-is-not", "1"), ("you/known", "nope")], ids=["repository", "tag"]
)
def test_what_is_not_there_is_named_in_dockers_words(registry, make_image, store, quick, repository, tag):
    list(push(parse_reference(f"{registry}/you/known"), {"1": make_image()}, settings=quick))
    with pytest.raises(Exception, match="manifest unknown") as caught:
        list(pull(parse_reference(f"{registry}/{repository}:{tag}"), store, settings=quick))
    text = f"manifest for {registry}/{repository}:{tag} not found: manifest unknown: manifest unknown"
    assert str(caught.value) == text and store.empty


def test_a_registry_that_speaks_only_tls_on_loopback_is_reached(tls_registry, image, store, quick):
    name = parse_reference(f"{tls_registry}/you/app")
    list(push(name, {"1": image}, settings=quick))
    list(pull(name.with_tag("1"), store, settings=quick))
    assert set(store.layers) == set(image.diff_ids)


def test_docker_hub_is_asked_after_its_mirror(registry, image, store, quick):
    list(push(parse_reference(f"{registry}/library/hello"), {"latest": image}, settings=quick))
    settings = Settings(mirror=f"http://{registry}", patience=quick.patience)
    told = list(pull(parse_reference("hello"), store, settings=settings))
    assert told[0].status == "Pulling from library/hello"
    assert told[-1].status == "Status: Downloaded newer image for hello:latest"
    assert "docker.io/library/hello:latest" in store.images


@pytest.mark.skipif(not shutil.which("skopeo"), reason="skopeo is not installed")
def test_skopeo_reads_what_we_pushed(registry, image, quick):
    list(push(parse_reference(f"{registry}/you/skopeo"), {"1": image}, settings=quick))
    seen = subprocess.run(
        ["skopeo", "inspect", "--tls-verify=false", f"docker://{registry}/you/skopeo:1"],
        check=True,
        capture_output=True,
        timeout=30,
    )
    data = json.loads(seen.stdout)
    assert data["Digest"] == image.manifest.digest
    assert data["Layers"] == [blob.digest for blob in image.manifest.layers]


@pytest.mark.skipif(not shutil.which("skopeo"), reason="skopeo is not installed")
@pytest.mark.parametrize("form", ["v2s2", "oci"])
def test_what_skopeo_pushed_in_either_format_is_pulled(registry, image, store, quick, form):
    list(push(parse_reference(f"{registry}/you/origin"), {"1": image}, settings=quick))
    subprocess.run(
        [
            *("skopeo", "copy", "--src-tls-verify=false", "--dest-tls-verify=false", "--format", form),
            *(f"docker://{registry}/you/origin:1", f"docker://{registry}/you/{form}:1"),
        ],
        check=True,
        capture_output=True,
        timeout=30,
    )
    list(pull(parse_reference(f"{registry}/you/{form}:1"), store, settings=quick))
    pulled = store.images[f"{registry}/you/{form}:1"]
    assert ("docker" in pulled.manifest.media_type) == (form == "v2s2")
    assert set(store.layers) == set(image.diff_ids)


def test_the_registry_keeps_our_bytes(registry, image, quick, fetch: Callable[[str], tuple[int, bytes]]):
    list(push(parse_reference(f"{registry}/you/bytes"), {"1": image}, settings=quick))
    assert fetch(f"http://{registry}/v2/you/bytes/manifests/1") == (200, image.manifest.raw)


def test_a_large_layer_never_is_in_memory_as_a_whole(registry, tmp_path, quick):
    """48 MiB there and back within 12 MiB: three blobs in flight, a few buffers each."""
    big = tmp_path / "blob"
    with big.open("wb") as out:
        for _ in range(48):
            out.write(os.urandom(1 << 20))
    source, sink = FileImage(big), FileSink(tmp_path / "sink")
    name = parse_reference(f"{registry}/you/big")
    tracemalloc.start()
    try:
        list(push(name, {"1": source}, settings=quick))
        list(pull(name.with_tag("1"), sink, settings=quick))
        assert tracemalloc.get_traced_memory()[1] < 12 << 20
    finally:
        tracemalloc.stop()
    assert sink.path.stat().st_size == 48 << 20


class FileImage:
    """One layer, a file on disk that is not compressed."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as stream:
            digest = Digest("sha256:" + hashlib.file_digest(stream, "sha256").hexdigest())
        self.diff_ids = (DiffID(digest),)
        self._path, self._layer = path, Descriptor(OCI_LAYER, digest, path.stat().st_size)
        self._config = ImageConfig.of(run=RunConfig(cmd=("/x",)), diff_ids=self.diff_ids, history=[History()]).raw
        config = Descriptor(OCI_CONFIG, digest_of(self._config), len(self._config))
        self.manifest = Manifest.of(config, [self._layer])

    def open(self, digest: Digest, /) -> BinaryIO:
        return self._path.open("rb") if digest == self._layer.digest else io.BytesIO(self._config)


class FileSink:
    """One layer, a file on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def has_layer(self, diff_id: DiffID, /) -> bool:
        return False

    @contextmanager
    def writer(self, digest: Digest, /) -> Iterator["FileSink"]:
        with self.path.open("wb") as self._out:
            yield self

    size = 0  # no part is ever left

    def write(self, data: bytes, /) -> int:
        return self._out.write(data)

    def commit(self, expected: Digest, /) -> None:
        self._out.flush()

    def adopt(self, blob: Descriptor, /) -> DiffID:
        with self.path.open("rb") as stream:
            return DiffID(Digest("sha256:" + hashlib.file_digest(stream, "sha256").hexdigest()))

    def finish(self, pulled: Pulled, /) -> bool:
        return False

    def abandon(self, blobs: Iterable[Descriptor], /, *, keep: bool) -> None:
        self.path.unlink()
