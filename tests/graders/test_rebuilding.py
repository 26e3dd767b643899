"""A context is built again with changes of the grader's, and a stranger's directory gives nothing away."""

import os
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

import kit
from graders import rebuilding
from graders.rebuilding import Rebuilding

DOCKERFILE = "FROM scratch\nARG VERSION=none\nLABEL version=$VERSION\nCOPY a /\nCOPY b /\n"


@pytest.fixture
def context(tmp_path: Path) -> Path:
    directory = tmp_path / "context"
    directory.mkdir()
    for name, text in {"Dockerfile": DOCKERFILE, "a": "one", "b": "two", ".dockerignore": "*.log\n"}.items():
        (directory / name).write_text(text)
    return directory


@pytest.fixture
def again(
    context: Path, grading_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Rebuilding]:
    for name in ("DOCKER_HOST", "LAYERLAB_HOME", "HOME"):
        monkeypatch.setenv(name, grading_environment[name])
    found = Rebuilding(context)
    yield found
    found.clear()


def diff_ids(built: rebuilding.Rebuilt) -> list[str]:
    return [layer.diff_id for layer in built.image.layers]


def test_the_image_follows_what_is_changed(again: Rebuilding, context: Path) -> None:
    first, second = again.build(), again.build({"b": "another", "c.log": "noise"}, args={"VERSION": "7"})
    assert diff_ids(second)[0] == diff_ids(first)[0] and diff_ids(second)[1] != diff_ids(first)[1]
    assert (first.image.config["Labels"], second.image.config["Labels"]) == ({"version": "none"}, {"version": "7"})
    assert "c.log" not in second.image.files
    assert (context / "b").read_text() == "two", "the learner's own directory stays as it was"


def test_what_is_ignored_is_not_sent_when_it_changes(again: Rebuilding, context: Path) -> None:
    (context / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    (context / "old.log").write_text("noise")
    first, second = again.build(), again.build({"old.log": "more noise"})
    assert diff_ids(first) == diff_ids(second) and "old.log" not in second.image.files


def test_what_comes_from_the_cache_is_not_counted(again: Rebuilding) -> None:
    again.build()
    assert (again.build().ran, again.build({"b": os.urandom(8).hex()}).ran) == (0, 1)


def test_a_file_can_be_left_out(again: Rebuilding) -> None:
    with pytest.raises(AssertionError, match="does not build again") as error:
        again.build({"b": None})
    assert "COPY" in str(error.value)


def test_links_are_never_followed(again: Rebuilding, context: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hunter2")
    (context / "a").unlink()
    (context / "a").symlink_to(tmp_path / "secret")
    (context / "dir").symlink_to(tmp_path)
    os.mkfifo(context / "pipe")
    files = again.build({"Dockerfile": "FROM scratch\nCOPY . /\n"}).image.files
    assert files["a"].kind == "symlink" and files["dir"].kind == "symlink"
    assert "pipe" not in files and not any(path.startswith("dir/") for path in files)


def test_a_dockerfile_that_leads_elsewhere_is_not_read(again: Rebuilding, context: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hunter2")
    (context / "Dockerfile").unlink()
    (context / "Dockerfile").symlink_to(tmp_path / "secret")
    with pytest.raises(AssertionError, match="Dockerfile must be a plain file"):
        again.build()


def test_a_context_is_limited_and_must_be_there(
    again: Rebuilding, context: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(AssertionError, match="which directory you build from"):
        Rebuilding(None).build()
    with pytest.raises(AssertionError, match="is not a directory"):
        Rebuilding(context / "nothing").build()
    with (context / "large").open("wb") as file:
        file.truncate(rebuilding.MOST_BYTES + 1)
    with pytest.raises(AssertionError, match="more than 20,000 files or 200,000,000 bytes"):
        again.build()


def test_no_name_of_a_rebuild_stays(again: Rebuilding, dockerd: docker.DockerClient) -> None:
    name = again.build().reference
    assert kit.image(name).layers
    again.clear()
    with pytest.raises(docker.errors.ImageNotFound):
        dockerd.images.get(name)
