"""The same container here and in a real dockerd: ``diff``, ``cp`` and ``commit`` tell the same."""

import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import docker
import pytest

from kit.engine.containers.commit import CommitOptions
from kit.errors import KitError
from kit.lab.parents import root_tar
from kit.layer.changeset import Changeset, apply
from kit.layer.tarball import scan
from kit.layer.tree import Entry, Tree

Room = Any
Facts = dict[str, tuple[object, ...]]
NAME = "layerlab-same-container"
SCRIPT = """
mkdir -p /new/deep; echo data >/new/deep/file; ln /new/deep/file /new/hard; ln -s deep/file /new/link
mkfifo /new/fifo; chmod 4750 /new/deep/file; chown 12:34 /new/deep; echo more >>/etc/group; rm /etc/passwd
rm -r /root; mkdir /root; mv /bin/vi /vi; ln -s /new/deep /way; chmod 1777 /new; touch -d @5 /new/deep/file /new
"""
PATHS = ("/new", "/new/", "/new/.", "/new/link", "/new/link/.", "/way", "/way/", "/way/file", "/etc/group", "/none")


@pytest.fixture
def theirs(dockerd: docker.DockerClient, cache: Path) -> Iterator[Any]:
    dockerd.api.import_image_from_data(root_tar("busybox:1", cache).read_bytes(), repository=NAME, tag="1")
    container = dockerd.containers.create(f"{NAME}:1", ["sh", "-c", SCRIPT], name=NAME)
    container.start()
    assert container.wait()["StatusCode"] == 0
    yield container
    container.remove(force=True)
    for image in dockerd.images.list(NAME):
        dockerd.images.remove(image.id, force=True)


@pytest.fixture
def ours(room: Room) -> str:
    result = room.run("sh", "-c", SCRIPT)
    assert result.code == 0, result.output
    key: str = result.id
    return key


def entries_of(tar: bytes) -> Facts:
    """All but the times of what was made just now."""
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        return {
            info.name: (
                *(info.type, info.mode & 0o7777, info.uid, info.gid, info.size, info.linkname),
                info.mtime if info.mtime < 9 else None,
            )
            for info in archive
        }


def test_diff_cp_and_commit_are_as_in_dockerd(
    room: Room, ours: str, theirs: Any, dockerd: docker.DockerClient
) -> None:
    assert _sorted(room.containers.changes(ours)) == _sorted(theirs.diff())
    for path in PATHS:
        assert _archive_here(room, ours, path) == _archive_there(theirs, path), path
        assert _stat_here(room, ours, path) == _stat_there(theirs, path), path
    image = room.containers.commit(ours, CommitOptions())
    parent, layer = room.store.images.get(image).diff_ids
    base, mine = room.store.layers.tree([parent]), room.store.layers.index(layer)
    their = _their_layer(theirs, dockerd)
    assert (_facts(mine.entries), mine.removed) == (_facts(their.entries), their.removed)
    assert _facts(apply(base, mine)) == _facts(apply(base, their))


def test_what_is_put_in_lands_as_in_dockerd(room: Room, ours: str, theirs: Any, make_tar: Any) -> None:
    for where, data in (("/new", {"f": b"1", "deep/g": b"2"}), ("/way", {"h": b"3"}), ("/new/deep/file", {"i": b"4"}),
                        ("/none", {"j": b""}), ("/new", {"link": b"5", "deep/file": b"6"})):  # fmt: skip
        tar = make_tar(data).getvalue()
        try:
            theirs.put_archive(where, tar)
            refused = False
        except docker.errors.APIError:
            refused = True
        try:
            room.containers.extract(ours, where, io.BytesIO(tar))
            assert not refused, where
        except KitError:
            assert refused, where
    assert _archive_here(room, ours, "/new") == _archive_there(theirs, "/new")


def _sorted(rows: Any) -> list[tuple[str, int]]:
    return sorted((row["Path"], row["Kind"]) for row in rows or ())


def _archive_here(room: Room, key: str, path: str) -> Facts | None:
    try:
        return entries_of(b"".join(room.containers.archive(key, path)))
    except KitError:
        return None


def _archive_there(container: Any, path: str) -> Facts | None:
    try:
        return entries_of(b"".join(container.get_archive(path)[0]))
    except docker.errors.APIError:
        return None


def _stat_here(room: Room, key: str, path: str) -> Any:
    try:
        found = room.containers.stat(key, path)
    except KitError:
        return None
    return {name: found[name] for name in ("name", "mode", "linkTarget")}


def _stat_there(container: Any, path: str) -> Any:
    try:
        found = container.get_archive(path)[1]
    except docker.errors.APIError:
        return None
    return {name: found[name] for name in ("name", "mode", "linkTarget")}


def _their_layer(container: Any, dockerd: docker.DockerClient) -> Changeset:
    container.commit(repository=NAME, tag="2")
    saved = b"".join(dockerd.images.get(f"{NAME}:2").save())
    with tarfile.open(fileobj=io.BytesIO(saved)) as archive:
        manifest = archive.extractfile("manifest.json")
        assert manifest is not None
        layer = archive.extractfile(json.load(manifest)[0]["Layers"][-1])
        assert layer is not None
        return scan(layer)  # type: ignore[arg-type]


def _facts(tree: Tree) -> dict[str, Entry]:
    """All but the times of what was made just now."""
    return {path: replace(entry, mtime=entry.mtime if entry.mtime < 9 else 0.0) for path, entry in tree.items()}
