"""``docker images``, ``history`` and ``inspect``: rows, filters and what is told of images that say little."""

from typing import Any

import pytest

from kit.engine.containers.filters import Filters
from kit.errors import Invalid
from kit.oci.digest import Digest
from kit.oci.reference import Reference

Room = Any
"""``Room`` of conftest.py."""


def tags(room: Room, **wanted: list[str]) -> list[str]:
    found = room.catalogue.list(Filters({key.replace("_", "!"): value for key, value in wanted.items()}))
    return [tag for row in found for tag in row["RepoTags"] or ["(none)"]]


def test_the_newest_comes_first(room: Room) -> None:
    room.image("a:1")
    room.image("b:1", "b:2")
    assert tags(room) == ["b:1", "b:2", "a:1"]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("app", ["app:2", "app:1"]),
        ("app:1", ["app:1"]),
        ("app*", ["app:2", "app:1"]),
        ("*:1", ["app:1"]),
        ("you/*", ["you/app:1"]),
        ("*/app:?", ["you/app:1"]),
        ("a[op]p", ["app:2", "app:1"]),
        ("*.5000/*", []),
        ("*pp:[^1]", ["app:2"]),
    ],
)
def test_references_are_filtered_as_in_go(room: Room, pattern: str, found: list[str]) -> None:
    for name in ("app:1", "you/app:1", "app:2"):
        room.image(name)
    assert tags(room, reference=[pattern]) == found


def test_nameless_images_are_shown_unless_others_stand_on_them(room: Room) -> None:
    parent = room.image()
    room.image("app:1", parent=parent)
    room.image()
    assert tags(room) == ["<none>:<none>", "app:1"]
    assert len(room.catalogue.list(Filters(), everything=True)) == 3
    assert tags(room, dangling=["true"]) == ["<none>:<none>"]
    assert tags(room, dangling=["false"]) == ["app:1"]


def test_images_are_filtered_by_label_and_by_neighbour(room: Room) -> None:
    room.image("a:1", labels={"k": "v"})
    room.image("b:1", labels={"k": "w"})
    room.image("c:1")
    assert tags(room, label=["k=v"]) == ["a:1"] and tags(room, label=["k"]) == ["b:1", "a:1"]
    assert tags(room, before=["b:1"]) == ["a:1"] and tags(room, since=["b:1"]) == ["c:1"]
    with pytest.raises(Invalid, match="Invalid filter 'colour'"):
        tags(room, colour=["red"])


def test_an_image_that_only_a_registry_named_has_no_tag(room: Room) -> None:
    image = room.image()
    digest = Digest("sha256:" + "cd" * 32)
    room.store.images.remember_digest(Reference("you/app", digest=digest), image)
    (row,) = room.catalogue.list(Filters())
    assert (row["RepoTags"], row["RepoDigests"]) == (None, [f"you/app@{digest}"])


def test_history_names_the_images_that_are_here(room: Room) -> None:
    parent = room.image("below:1")
    image = room.image("above:1", parent=parent)
    top, bottom = room.catalogue.history("above:1")
    assert (top["Id"], top["CreatedBy"], top["Tags"], top["Size"]) == (image, "step 2", ["above:1"], 2)
    assert (bottom["Id"], bottom["CreatedBy"], bottom["Tags"]) == (parent, "step 1", ["below:1"])


def test_a_document_tells_everything(room: Room) -> None:
    image = room.image("you/app:1", labels={"k": "v"})
    document = room.catalogue.inspect("you/app:1")
    assert document["Id"] == image and document["RepoTags"] == ["you/app:1"] and document["RepoDigests"] == []
    assert document["Config"]["Cmd"] == ["sh"] and document["Config"]["Labels"] == {"k": "v"}
    assert document["Config"]["Entrypoint"] is None and document["RootFS"]["Type"] == "layers"
    assert document["Size"] == document["VirtualSize"] == 1


def test_a_tag_moves(room: Room) -> None:
    room.image("a:1")
    second = room.image("b:1")
    room.catalogue.tag("b:1", "a", "1")
    assert room.store.images.resolve("a:1") == second and room.events == [("tag", second)]
    with pytest.raises(Invalid, match="digest reference"):
        room.catalogue.tag("b:1", "a@sha256:" + "ab" * 32, "")
