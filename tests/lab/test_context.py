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


def test_a_directory_that_is_none_or_lacks_a_dockerfile(tmp_path):
    with pytest.raises(kit.NotFound, match="is not a directory: the build context must be one"):
        pack_context(tmp_path / "nothing", {})
    with pytest.raises(kit.NotFound, match="holds no Dockerfile"):
        pack_context(tmp_path, {})
