"""Images: by name, by ID, by what a registry calls them; and what goes when one goes."""

import io
import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from kit.engine.store.images import ImageNotFound
from kit.engine.store.layers import LayerNotFound
from kit.engine.store.store import Store
from kit.errors import Invalid
from kit.oci.config import History, ImageConfig
from kit.oci.descriptor import OCI_CONFIG, Descriptor
from kit.oci.digest import DiffID, ImageID, digest_of
from kit.oci.manifest import Manifest
from kit.oci.reference import InvalidReference, parse_reference

MakeTar = Callable[..., bytes]
SHA = "sha256:" + "a" * 64


@pytest.fixture
def make_image(store: Store, make_tar: MakeTar) -> Callable[..., ImageID]:
    def make(*contents: bytes, parent: ImageID | None = None, author: str = "") -> ImageID:
        layers = [store.layers.add(io.BytesIO(make_tar({"a": data}))).diff_id for data in contents]
        history = [History(created_by="COPY") for _ in layers]
        return store.images.put(ImageConfig.of(diff_ids=layers, history=history, author=author), parent)

    return make


MakeImage = Callable[..., ImageID]


def names(store: Store) -> list[str]:
    index = json.loads((store.root / "index.json").read_bytes())
    return [row["annotations"]["org.opencontainers.image.ref.name"] for row in index["manifests"]]


def test_an_image_needs_its_layers(store: Store) -> None:
    with pytest.raises(LayerNotFound):
        store.images.put(ImageConfig.of(diff_ids=[DiffID(digest_of(b""))], history=[History()]))
    assert store.images.all() == [] and store.blobs.all() == []


def test_an_image_is_found_by_every_text_that_names_it(store: Store, make_image: MakeImage) -> None:
    image = make_image(b"1")
    store.images.tag(parse_reference("hello"), image)
    store.images.remember_digest(parse_reference(f"localhost:5000/hello@{SHA}"), image)
    for text in (
        *("hello", "hello:latest", "docker.io/library/hello", image, image[7:], image[7:19], image[:12]),
        *(f"localhost:5000/hello@{SHA}", f"localhost:5000/hello:any@{SHA}"),
    ):
        assert store.images.resolve(text) == image, text


def test_what_names_no_image_is_told_as_dockerd_tells_it(store: Store, make_image: MakeImage) -> None:
    make_image(b"1")
    for text, shown in (("nope", "nope:latest"), ("a/b:1", "a/b:1"), ("a" * 64, SHA), (SHA, SHA)):
        with pytest.raises(ImageNotFound, match=f"^No such image: {shown}$"):
            store.images.resolve(text)
    with pytest.raises(InvalidReference):
        store.images.resolve("A B")


def test_a_name_goes_before_an_id_and_an_ambiguous_id_names_nothing(store: Store, make_image: MakeImage) -> None:
    images = [make_image(b"1", author=str(number)) for number in range(40)]
    first = images[0][7:8]
    same = [image for image in images if image[7:8] == first]
    assert len(same) > 1 and store.images.find(first) is None
    store.images.tag(parse_reference(first), images[1])
    assert store.images.find(first) == images[1]


def test_a_tag_moves_and_other_tools_see_it(store: Store, make_image: MakeImage) -> None:
    old, new = make_image(b"1"), make_image(b"2")
    store.images.tag(parse_reference("hello:1"), old)
    store.images.tag(parse_reference("hello:1"), new)
    store.images.tag(parse_reference("other"), old)
    assert [str(name) for name in store.images.references(new)] == ["docker.io/library/hello:1"]
    assert names(store) == ["hello:1", "other:latest"]
    store.images.untag(parse_reference("other"))
    assert names(store) == ["hello:1"] and store.images.has(old)
    with pytest.raises(Invalid, match="refusing to create a tag with a digest reference"):
        store.images.tag(parse_reference(f"hello@{SHA}"), new)
    with pytest.raises(ImageNotFound):
        store.images.tag(parse_reference("hello"), ImageID(digest_of(b"none")))


def test_deleting_an_image_deletes_what_nothing_else_needs(store: Store, make_image: MakeImage) -> None:
    parent = make_image(b"1")
    child = make_image(b"1", b"2", parent=parent)
    store.images.tag(parse_reference("child"), child)
    assert (store.images.parent(child), store.images.children(parent)) == (parent, [child])
    top = store.images.get(child).diff_ids[1]
    assert store.images.delete(child) == [top]
    assert store.images.find("child") is None and names(store) == []
    store.images.delete(parent)
    assert (store.images.all(), store.layers.all(), store.blobs.all()) == ([], [], [])


def test_a_layer_that_a_container_stands_on_outlives_its_image(store: Store, make_image: MakeImage) -> None:
    image = make_image(b"1")
    diff_ids = store.images.get(image).diff_ids
    store.rootfs.create("c", diff_ids, real_owners=False)
    assert store.images.delete(image) == []
    assert store.rootfs.open("c").base.keys() == {"a"}


def test_a_manifest_is_kept_as_it_came_and_made_once_otherwise(store: Store, make_image: MakeImage) -> None:
    image = make_image(b"1")
    made = store.images.manifest(image)
    assert store.images.manifest(image) == made and made.config.digest == image
    given = Manifest.of(
        replace(Descriptor(OCI_CONFIG, image, made.config.size), annotations={"from": "a registry"}), made.layers
    )
    store.images.remember_manifest(image, given)
    assert store.images.manifest(image).raw == given.raw


def test_an_image_whose_config_is_damaged_can_still_be_deleted(store: Store, make_image: MakeImage) -> None:
    image = make_image(b"1")
    store.blobs.path(image).write_bytes(b"{}")
    with pytest.raises(Invalid, match="is damaged"):
        store.images.get(image)
    assert len(store.images.delete(image)) == 1
    assert store.blobs.all() == []
