"""What ``docker rmi`` untags, what it deletes, and what it refuses, in dockerd's words."""

from typing import Any

import pytest

from kit.engine.containers.filters import Filters
from kit.errors import Conflict, NotFound
from kit.oci.digest import Digest, chain_id, hex_of
from kit.oci.reference import Reference

Room = Any
"""``Room`` of conftest.py."""
CONTAINER = "c0ffee" * 10 + "abcd"


def test_the_last_name_takes_the_image_and_its_layers_along(room: Room) -> None:
    image = room.image("app:1", "app:2")
    layer = room.store.images.get(image).diff_ids[0]
    assert room.catalogue.delete("app:1") == [{"Untagged": "app:1"}]
    assert room.catalogue.delete("app:2") == [{"Untagged": "app:2"}, {"Deleted": image}, {"Deleted": layer}]
    assert room.store.layers.all() == [] and room.events == [("untag", image), ("untag", image), ("delete", image)]


def test_layers_are_named_by_their_stack_and_shared_ones_stay(room: Room) -> None:
    below = room.image("below:1")
    above = room.image("above:1", parent=below)
    diff_ids = room.store.images.get(above).diff_ids
    rows = room.catalogue.delete("above:1")
    assert rows == [{"Untagged": "above:1"}, {"Deleted": above}, {"Deleted": chain_id(diff_ids)}]
    assert [layer.diff_id for layer in room.store.layers.all()] == [diff_ids[0]]


def test_nameless_parents_go_too_unless_asked_not_to(room: Room) -> None:
    for prune, left in ((True, 0), (False, 1)):
        parent = room.image()
        image = room.image("app:1", parent=parent)
        deleted = [row["Deleted"] for row in room.catalogue.delete("app:1", prune=prune) if "Deleted" in row]
        assert image in deleted and (parent in deleted) is prune
        assert len(room.store.images.all()) == left


def test_an_image_by_its_id_loses_its_one_name(room: Room) -> None:
    image = room.image("app:1")
    assert room.catalogue.delete(hex_of(image)[:12])[:2] == [{"Untagged": "app:1"}, {"Deleted": image}]


def test_the_digests_go_with_the_last_tag_of_their_repository(room: Room) -> None:
    image = room.image("you/app:1", "other:1")
    digest = Digest("sha256:" + "ab" * 32)
    room.store.images.remember_digest(Reference("you/app", digest=digest), image)
    assert room.catalogue.delete("you/app:1") == [{"Untagged": "you/app:1"}, {"Untagged": f"you/app@{digest}"}]


def test_several_repositories_need_force(room: Room) -> None:
    image = room.image("app:1", "other:1")
    short = hex_of(image)[:12]
    with pytest.raises(Conflict) as refused:
        room.catalogue.delete(short)
    words = f"conflict: unable to delete {short} (must be forced) - image is referenced in multiple repositories"
    assert str(refused.value) == words
    assert {"Deleted": image} in room.catalogue.delete(short, force=True)


def test_children_keep_their_parent_even_by_force(room: Room) -> None:
    parent = room.image()
    room.image("app:1", parent=parent)
    short = hex_of(parent)[:12]
    with pytest.raises(Conflict) as refused:
        room.catalogue.delete(short, force=True)
    words = f"conflict: unable to delete {short} (cannot be forced) - image has dependent child images"
    assert str(refused.value) == words


@pytest.mark.parametrize(
    ("runs", "how", "state"), [(True, "cannot be forced", "running"), (False, "must be forced", "stopped")]
)
def test_containers_keep_their_image(room: Room, runs: bool, how: str, state: str) -> None:
    image = room.image("app:1")
    room.users.rows[image] = [(CONTAINER, runs)]
    short = hex_of(image)[:12]
    with pytest.raises(Conflict) as by_name:
        room.catalogue.delete("app:1")
    assert str(by_name.value) == (
        f'conflict: unable to remove repository reference "app:1" (must force) - container {CONTAINER[:12]} '
        f"is using its referenced image {short}"
    )
    with pytest.raises(Conflict) as by_id:
        room.catalogue.delete(short)
    words = f"conflict: unable to delete {short} ({how}) - image is being used by {state} container {CONTAINER[:12]}"
    assert str(by_id.value) == words


def test_force_takes_the_name_from_under_a_running_container(room: Room) -> None:
    image = room.image("app:1")
    room.users.rows[image] = [(CONTAINER, True)]
    assert room.catalogue.delete("app:1", force=True) == [{"Untagged": "app:1"}]
    assert room.store.images.has(image)


def test_what_is_not_there_is_said(room: Room) -> None:
    with pytest.raises(NotFound, match=r"^No such image: nothere:latest$"):
        room.catalogue.delete("nothere")


def test_pruning_takes_nameless_images_or_all_that_nobody_uses(room: Room) -> None:
    nameless, named, used = room.image(), room.image("named:1"), room.image("used:1")
    room.users.rows[used] = [(CONTAINER, False)]
    found = room.catalogue.prune(Filters())
    assert {"Deleted": nameless} in found["ImagesDeleted"] and found["SpaceReclaimed"] > 0
    assert set(room.store.images.all()) == {named, used}
    found = room.catalogue.prune(Filters({"dangling": ["false"]}))
    assert {"Untagged": "named:1"} in found["ImagesDeleted"]
    assert room.store.images.all() == [used]
    assert room.catalogue.prune(Filters()) == {"ImagesDeleted": None, "SpaceReclaimed": 0}


def test_pruning_looks_at_labels_and_age(room: Room) -> None:
    room.image(labels={"keep": "1"})
    assert room.catalogue.prune(Filters({"label!": ["keep"]}))["ImagesDeleted"] is None
    assert room.catalogue.prune(Filters({"until": ["2020-01-01T00:00:00"]}))["ImagesDeleted"] is None
    assert room.catalogue.prune(Filters({"until": ["1h"]}))["ImagesDeleted"] is not None
