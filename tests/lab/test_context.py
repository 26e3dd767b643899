"""The build context: what COPY may see."""

import io
import os
import tarfile

import pytest

import kit
from kit.lab.context import pack_context


def entries(tar) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=tar) as file:
        return {entry.name: entry for entry in file}


def test_files_given_by_hand_are_programs_of_root_with_a_fixed_time():
    found = entries(io.BytesIO(kit.tar({"a/b/hello": b"12345", "note": ("text", 0o600)})))
    assert list(found) == ["a", "a/b", "a/b/hello", "note"]
    assert (found["a/b/hello"].mode, found["a/b/hello"].size, found["a/b/hello"].mtime) == (0o755, 5, 0)
    assert found["note"].mode == 0o600 and {entry.uid for entry in found.values()} == {0}


def test_equal_files_give_equal_bytes():
    assert kit.tar({"a": "1", "b": "2"}) == kit.tar({"b": "2", "a": "1"})


@pytest.mark.parametrize("path", ["/abs", "../up", "a/../../b", "", "a\0b"])
def test_a_path_must_be_inside(path):
    with pytest.raises(kit.Invalid, match="is not a path inside the build context"):
        kit.tar({path: "x"})


def test_a_directory_goes_without_what_dockerignore_names(tmp_path):
    for name in ("keep.txt", "secret.env", "logs/a.log", "logs/keep.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / ".dockerignore").write_text("# words\n*.env\n**/*.log\n")
    os.symlink("keep.txt", tmp_path / "link")
    with pack_context(tmp_path, {"keep.txt": "by hand"}, dockerfile="FROM scratch") as tar:
        found = entries(tar)
    assert {"keep.txt", "logs/keep.md", "link", "Dockerfile"} <= set(found)
    assert not {"secret.env", "logs/a.log"} & set(found)
    assert found["keep.txt"].size == len("by hand") and found["link"].linkname == "keep.txt"
    assert found["logs/keep.md"].uid == 0 and found["logs/keep.md"].uname == ""


def test_a_folder_holds_what_was_asked_for_and_nothing_else(monkeypatch, tmp_path):
    monkeypatch.setenv("LAYERLAB_HOME", str(tmp_path / "home"))
    kit.folder("site", {"old.txt": "1"})
    place = kit.folder("site", {"a/b.sh": "#!/bin/sh", "note": (b"2", 0o600)})
    assert {path.name for path in place.rglob("*")} == {"a", "b.sh", "note"}
    assert [(place / path).stat().st_mode & 0o777 for path in ("a/b.sh", "note")] == [0o755, 0o600]
    for name in ("", "..", "a/b", "A"):
        with pytest.raises(kit.Invalid, match="a folder's name is"):
            kit.folder(name)
    with pytest.raises(kit.Invalid, match="not a path inside"):
        kit.folder("site", {"../up": "3"})
    assert (place / "note").exists(), "nothing is removed for what can't be written"


def test_a_context_tells_what_is_sent_as_the_builder_sees_it(tmp_path):
    for name in ("app.py", "debug.log", "keep/x.log"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("12345")
    (tmp_path / ".dockerignore").write_text("*.log\n")
    os.symlink("/nowhere", tmp_path / "link")
    card = kit.context(tmp_path)
    assert card.sent == [".dockerignore", "app.py", "keep/x.log", "link"]
    assert card.ignored == ["debug.log"]
    with pack_context(tmp_path, {}, dockerfile="FROM scratch") as tar:
        assert set(card.sent) == set(entries(tar)) - {"keep", "Dockerfile"}
    with pytest.raises(kit.NotFound, match="is not a directory"):
        kit.context(tmp_path / "nothing")


def test_a_directory_that_is_none_or_lacks_a_dockerfile(tmp_path):
    with pytest.raises(kit.NotFound, match="is not a directory: the build context must be one"):
        pack_context(tmp_path / "nothing", {})
    with pytest.raises(kit.NotFound, match="holds no Dockerfile"):
        pack_context(tmp_path, {})
