"""A tree on the disk and back: ``scan`` tells what ``create`` put there, with real owners and with recorded ones."""

import io
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from trees import content_of, trees

from kit.engine.store.store import Store
from kit.layer.changeset import Changeset
from kit.layer.tree import Entry
from kit.oci.digest import DiffID

Tree = dict[str, Entry]

pytestmark = pytest.mark.parametrize(
    "real_owners", [False, pytest.param(True, marks=pytest.mark.skipif(os.geteuid() != 0, reason="needs root"))]
)
on_disk = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def put(store: Store, tree: Tree) -> DiffID:
    return store.layers.put(Changeset(tree), lambda path: io.BytesIO(content_of(tree, path))).diff_id


@on_disk
@given(tree=trees())
def test_what_goes_onto_the_disk_is_found_there(store: Store, tree: Tree, real_owners: bool) -> None:
    layer = put(store, tree)
    rootfs = store.rootfs.create("x", [layer], real_owners=real_owners, ignore=())
    try:
        assert rootfs.scan() == store.layers.tree([layer])
        assert not rootfs.changeset()
        assert rootfs.snapshot() is None
    finally:
        store.rootfs.delete("x")


@on_disk
@given(tree=trees())
def test_a_copy_of_a_tree_is_the_same_tree(store: Store, tree: Tree, real_owners: bool) -> None:
    layer = put(store, tree)
    source = store.rootfs.create("source", [layer], real_owners=real_owners, ignore=())
    target = store.rootfs.create("target", [], real_owners=real_owners, ignore=())
    try:
        source.copy_to("/", target)
        assert target.scan() == source.scan()
    finally:
        store.rootfs.delete("source")
        store.rootfs.delete("target")
