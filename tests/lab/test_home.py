"""Where Layerlab keeps its things, and that nobody else can get at them."""

import os

import pytest

from kit.lab.files import read_json, write_whole
from kit.lab.home import LONGEST_SOCKET, NotPrivate, find_home, private
from kit.lab.ledger import cross_out, made_by, note, notebook_id


def test_the_xdg_directories_are_used(tmp_path):
    home = find_home({"XDG_DATA_HOME": "/data", "XDG_RUNTIME_DIR": str(tmp_path)})
    assert str(home.root) == "/data/layerlab" and home.socket == tmp_path / "layerlab" / "engine.sock"
    assert str(find_home({"HOME": "/home/you"}).root) == "/home/you/.local/share/layerlab"


def test_a_home_of_ones_own_has_a_socket_of_its_own(tmp_path):
    usual = find_home({"HOME": "/h", "XDG_RUNTIME_DIR": str(tmp_path)})
    other = find_home({"HOME": "/h", "XDG_RUNTIME_DIR": str(tmp_path), "LAYERLAB_HOME": "/elsewhere"})
    assert usual.socket != other.socket and other.root.as_posix() == "/elsewhere"


def test_a_path_too_long_for_a_socket_is_not_used(tmp_path):
    home = find_home({"LAYERLAB_HOME": str(tmp_path / ("x" * 120))})
    assert len(os.fsencode(home.socket)) <= LONGEST_SOCKET


def test_a_runtime_directory_of_somebody_else_is_not_used(tmp_path):
    home = find_home({"LAYERLAB_HOME": "/h", "XDG_RUNTIME_DIR": "/proc/1/nothing"})
    assert "/proc/1" not in str(home.socket)


def test_a_private_directory_is_made_and_closed(tmp_path):
    directory = private(tmp_path / "a" / "b")
    assert directory.stat().st_mode & 0o777 == 0o700
    directory.chmod(0o755)
    assert private(directory).stat().st_mode & 0o777 == 0o700


def test_a_link_or_a_file_is_no_private_directory(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path)
    for name in ("file", "link"):
        with pytest.raises(NotPrivate, match=r"is not a directory\. Remove it, or set LAYERLAB_HOME"):
            private(tmp_path / name)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_directory_of_somebody_else_is_refused(tmp_path):
    (tmp_path / "theirs").mkdir()
    os.chown(tmp_path / "theirs", 1000, 1000)
    with pytest.raises(NotPrivate, match="belongs to the user with id 1000, not to you"):
        private(tmp_path / "theirs")


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    write_whole(tmp_path / "deep" / "file", b"[1]")
    assert read_json(tmp_path / "deep" / "file") == [1]
    with pytest.raises(TypeError):
        write_whole(tmp_path / "deep" / "file", "no bytes")  # type: ignore[arg-type]
    assert read_json(tmp_path / "deep" / "file") == [1] and len(list((tmp_path / "deep").iterdir())) == 1
    assert read_json(tmp_path / "nothing") is None


@pytest.mark.parametrize(
    ("environment", "number"),
    [
        ({}, ""),
        ({"JPY_SESSION_NAME": "/home/you/notebooks/03-from-scratch.ipynb"}, "03"),
        ({"JPY_SESSION_NAME": "notebooks/assignments/a03/greet.ipynb"}, "a03"),
        ({"JPY_SESSION_NAME": "Untitled.ipynb"}, ""),
        ({"LAYERLAB_NOTEBOOK": "07", "JPY_SESSION_NAME": "03-x.ipynb"}, "07"),
    ],
)
def test_jupyter_tells_which_notebook_runs(environment, number):
    assert notebook_id(environment) == number


def test_the_ledger_knows_who_made_what(tmp_path, monkeypatch):
    home = find_home({"LAYERLAB_HOME": str(tmp_path / "home")})
    for notebook, name in (("03", "a:1"), ("03", "a:1"), ("04", "b:1")):
        monkeypatch.setenv("LAYERLAB_NOTEBOOK", notebook)
        note(home, name, "sha256:1")
    assert [made.name for made in made_by(home, "03")] == ["a:1"]
    cross_out(home, made_by(home, "03"))
    assert not made_by(home, "03") and len(made_by(home, "03", "04")) == 1
    home.ledger.write_text("{damaged")
    assert made_by(home, "04") == []
    note(home, "c:1", "sha256:2")
    assert [made.name for made in made_by(home, "04")] == ["c:1"]
