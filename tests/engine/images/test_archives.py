"""Images as archives: saved for every tool, loaded from every tool, and hostile ones refused."""

import gzip
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from kit.engine.images import loading
from kit.errors import Invalid, KitError, NotFound
from kit.lab.saved import read_saved
from kit.layer.tarball import scan
from kit.oci.config import ImageConfig
from kit.oci.digest import DiffID, digest_of

Room = Any
"""``Room`` of conftest.py."""


def saved(room: Room, *names: str) -> bytes:
    return b"".join(room.catalogue.save(names))


def loaded(room: Room, archive: bytes, **how: Any) -> list[str]:
    return [
        str(message.to_json().get("stream", "")).strip()
        for message in room.catalogue.load(io.BytesIO(archive), **how)
    ]


def archive_of(files: dict[str, bytes | str]) -> bytes:
    """``str`` is a symlink's target."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            if isinstance(data, str):
                entry.type, entry.linkname = tarfile.SYMTYPE, data
                tar.addfile(entry)
            else:
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def layer(name: str = "file") -> bytes:
    return archive_of({name: b"content"})


def config_of(*layers: bytes) -> bytes:
    return ImageConfig.of(diff_ids=[DiffID(digest_of(one)) for one in layers]).raw


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_what_was_saved_comes_back(room: Room, tmp_path: Path, pack: Any) -> None:
    below = room.image("below:1")
    image = room.image("you/app:1", "you/app:2", parent=below)
    archive = saved(room, "you/app", "below:1")
    for name in ("you/app:1", "you/app:2", "below:1"):
        room.catalogue.delete(name)
    assert room.store.layers.all() == []
    assert loaded(room, pack(archive)) == [
        "Loaded image: you/app:1",
        "Loaded image: you/app:2",
        "Loaded image: below:1",
    ]
    assert room.store.images.resolve("you/app:2") == image and room.store.images.resolve("below:1") == below
    assert ("load", image) in room.events


def test_an_archive_is_read_as_docker_and_as_oci(room: Room) -> None:
    image = room.image("you/app:1")
    archive = saved(room, "you/app:1")
    assert read_saved([archive], scan).config().id == image
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        files = {member.name: tar.extractfile(member).read() for member in tar if member.isfile()}  # type: ignore[union-attr]
    (listed,) = json.loads(files["manifest.json"])
    assert listed["RepoTags"] == ["you/app:1"] and all(
        path in files for path in (listed["Config"], *listed["Layers"])
    )
    (descriptor,) = json.loads(files["index.json"])["manifests"]
    assert descriptor["annotations"] == {
        "io.containerd.image.name": "docker.io/you/app:1",
        "org.opencontainers.image.ref.name": "1",
    }
    assert json.loads(files["repositories"])["you/app"].keys() == {"1"}
    files.pop("manifest.json")
    room.catalogue.delete("you/app:1")
    assert loaded(room, archive_of(files)) == ["Loaded image: you/app:1"]


def test_an_id_is_saved_without_names(room: Room) -> None:
    image = room.image("app:1")
    archive = saved(room, image)
    room.catalogue.delete("app:1")
    assert loaded(room, archive) == [f"Loaded image ID: {image}"]


def test_a_name_moves_to_what_is_loaded(room: Room) -> None:
    image = room.image("app:1")
    archive = saved(room, "app:1")
    room.catalogue.tag("app:1", "kept", "")
    other = room.image("app:1")
    assert loaded(room, archive) == [
        f"The image app:1 already exists, renaming the old one with ID {other} to empty string",
        "Loaded image: app:1",
    ]
    assert room.store.images.resolve("app:1") == image


@pytest.mark.parametrize("name", ["nothere", "nothere:1"])
def test_what_is_not_there_can_not_be_saved(room: Room, name: str) -> None:
    with pytest.raises(NotFound):
        room.catalogue.save([name])


def test_dockers_old_layout_with_its_symlinks_is_read(room: Room) -> None:
    one = layer()
    archive = archive_of(
        {
            "a/layer.tar": one,
            "b/layer.tar": "../a/layer.tar",
            "config.json": config_of(one, one),
            "manifest.json": json.dumps(
                [{"Config": "config.json", "RepoTags": None, "Layers": ["a/layer.tar", "b/layer.tar"]}]
            ).encode(),
        }
    )
    assert loaded(room, archive)[0].startswith("Loaded image ID: sha256:")


def listed(**more: Any) -> bytes:
    return json.dumps([{"Config": "config.json", "RepoTags": ["app:1"], "Layers": ["layer.tar"], **more}]).encode()


HOSTILE: dict[str, tuple[dict[str, bytes | str], str]] = {
    "nothing": ({"readme": b""}, "it holds no image"),
    "no JSON": ({"manifest.json": b"{"}, "is not JSON"),
    "no list": ({"manifest.json": b"[1]"}, "is not a list of images"),
    "no config": ({"manifest.json": listed(), "layer.tar": layer()}, "config.json: no such file"),
    "no layer": ({"manifest.json": listed(), "config.json": config_of(layer())}, "layer.tar: no such file"),
    "another layer": (
        {"manifest.json": listed(), "config.json": config_of(layer()), "layer.tar": layer("other")},
        "invalid diffID for layer 0",
    ),
    "too few layers": ({"manifest.json": listed(Layers=[]), "config.json": config_of(layer())}, "length mismatch"),
    "a name that can't be": (
        {"manifest.json": listed(RepoTags=["A:1"]), "config.json": config_of(layer()), "layer.tar": layer()},
        "invalid reference format",
    ),
    "a file of the host": (
        {"manifest.json": listed(), "config.json": config_of(layer()), "layer.tar": "/etc/passwd"},
        "no such file or directory in the archive",
    ),
    "a ring of links": (
        {"manifest.json": listed(), "config.json": config_of(layer()), "layer.tar": "other", "other": "layer.tar"},
        "no such file or directory in the archive",
    ),
    "a path that climbs": ({"../../up": b"x", "manifest.json": listed()}, "is refused"),
    "a layer whose path climbs": (
        {"manifest.json": listed(), "config.json": config_of(layer("../up")), "layer.tar": layer("../up")},
        "is refused",
    ),
    "a config that is none": (
        {"manifest.json": listed(), "config.json": b"{}", "layer.tar": layer()},
        "not an image config",
    ),
    "a long config": (
        {"manifest.json": listed(), "config.json": bytes(loading.LARGEST_DOCUMENT + 1), "layer.tar": layer()},
        "is longer than",
    ),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_bad_archive_is_refused_and_leaves_nothing(room: Room, kind: str) -> None:
    files, words = HOSTILE[kind]
    before = sorted(path.name for path in room.store.root.iterdir())
    with pytest.raises(Invalid, match=words):
        loaded(room, archive_of(files))
    assert room.store.images.all() == [] and room.store.layers.all() == []
    assert sorted(path.name for path in room.store.root.iterdir()) == before


@pytest.mark.parametrize("cut", [100, 700, 2000])
def test_an_archive_that_stops_is_refused(room: Room, cut: int) -> None:
    room.image("app:1")
    archive = saved(room, "app:1")
    room.catalogue.delete("app:1")
    with pytest.raises(KitError):
        loaded(room, archive[:cut])
    assert room.store.layers.all() == []


def test_a_tar_becomes_an_image(room: Room) -> None:
    messages = list(
        room.catalogue.import_tar(io.BytesIO(layer()), name="you/root:1", changes=["CMD echo hi", "ENV A=b"])
    )
    image = room.store.images.resolve("you/root:1")
    assert messages[-1].to_json() == {"status": image}
    document = room.catalogue.inspect("you/root:1")
    assert document["Comment"] == "Imported from -" and document["Config"]["Env"] == ["A=b"]
    assert document["Config"]["Cmd"] == ["/bin/sh", "-c", "echo hi"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"name": "Not/Valid"}, "invalid reference format"),
        ({"changes": ["RUN x"]}, "RUN|run"),
        ({"source": "ftp://x"}, "from http or https"),
    ],
)
def test_an_import_that_can_not_be_is_refused(room: Room, words: dict[str, Any], told: str) -> None:
    with pytest.raises(Invalid, match=told):
        list(room.catalogue.import_tar(io.BytesIO(layer()), **words))
    assert room.store.images.all() == []
