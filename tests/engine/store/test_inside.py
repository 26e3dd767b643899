"""Paths of a hostile root: whatever its symlinks say, nothing outside is opened. By the kernel, and by hand."""

import os
import threading
from pathlib import Path

import pytest

from kit.engine.store.inside import Inside, PathNotFound


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    return outside


@pytest.fixture(params=[False, True], ids=["kernel", "by hand"])
def inside(tmp_path: Path, request: pytest.FixtureRequest) -> Inside:
    root = tmp_path / "root"
    (root / "d/e").mkdir(parents=True)
    (root / "d/file").write_text("data")
    return Inside(root, own_walk=request.param)


def read(inside: Inside, path: str) -> str:
    with open(inside.open(path)) as file:
        return file.read()


def test_symlinks_lead_inside_the_root(inside: Inside, outside: Path) -> None:
    (inside.root / "relative").symlink_to("d/e/../file")
    (inside.root / "absolute").symlink_to("/d/file")
    (inside.root / "climbing").symlink_to("../../../../d/file")
    (inside.root / "d/up").symlink_to("..")
    for path in (
        "d/file",
        "/d/file",
        "relative",
        "absolute",
        "climbing",
        "d/up/d/file",
        "../../d/file",
        "d/e/../file",
    ):
        assert read(inside, path) == "data", path
        assert inside.where(path) == "d/file", path


def test_nothing_outside_is_reached(inside: Inside, outside: Path) -> None:
    (inside.root / "to").symlink_to(outside)
    (inside.root / "up").symlink_to("../outside")
    for path in ("to/secret", "up/secret", "../outside/secret", "d/../../outside/secret", str(outside / "secret")):
        with pytest.raises(PathNotFound, match=f"no such file or directory: {path}"):
            inside.open(path)
    (inside.root / "own").symlink_to("/proc/self/root")
    with pytest.raises(PathNotFound):
        inside.open("own/etc")


def test_a_circle_of_symlinks_ends(inside: Inside) -> None:
    (inside.root / "a").symlink_to("b")
    (inside.root / "b").symlink_to("a")
    with pytest.raises(PathNotFound):
        inside.open("a/x")


def test_the_last_symlink_is_the_caller_s_choice(inside: Inside, outside: Path) -> None:
    (inside.root / "l").symlink_to(outside / "secret")
    with inside.opened("l", os.O_PATH | os.O_NOFOLLOW) as descriptor:
        assert os.readlink("", dir_fd=descriptor) == str(outside / "secret")
    with pytest.raises(PathNotFound):
        inside.open("l", os.O_RDONLY | os.O_NOFOLLOW)


def test_the_root_s_parent_is_the_root(inside: Inside) -> None:
    for path in ("", "/", "..", "/..", "d/.."):
        with inside.parent(path) as (directory, name):
            assert name == "." and os.stat(directory).st_ino == inside.root.stat().st_ino


def test_a_symlink_that_flips_while_we_look_never_leads_out(inside: Inside, outside: Path) -> None:
    (inside.root / "in").mkdir()
    (inside.root / "in/secret").write_text("fine")
    stop = threading.Event()

    def flip() -> None:
        while not stop.is_set():
            for target in ("in", "../outside", str(outside)):
                (inside.root / "new").symlink_to(target)
                (inside.root / "new").rename(inside.root / "flip")

    flipper = threading.Thread(target=flip)
    flipper.start()
    try:
        found = set()
        for _ in range(3000):
            try:
                found.add(read(inside, "flip/secret"))
            except PathNotFound:
                found.add("nothing")
    finally:
        stop.set()
        flipper.join()
    assert found <= {"fine", "nothing"}
