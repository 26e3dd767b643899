"""The builder's small values: patterns, modes, owners, drafts, history, the cache key."""

import stat
import subprocess
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.dockerfile.steps import State
from kit.engine.build.accounts import owner_of
from kit.engine.build.cache import Key
from kit.engine.build.draft import Draft
from kit.engine.build.files import find_real
from kit.engine.build.history import Stack
from kit.engine.build.modes import parse_mode
from kit.engine.build.patterns import glob, has_wildcard
from kit.engine.build.pool import Pool
from kit.engine.build.why import Note
from kit.errors import Invalid
from kit.layer.changeset import apply
from kit.layer.tree import Entry, Kind
from kit.oci.config import History, ImageConfig, RunConfig
from kit.oci.descriptor import Platform
from kit.oci.digest import DiffID, Digest, digest_of

DIRECTORY = Entry(Kind.DIRECTORY)


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("a*", "abc", True),
        ("a*", "a/b", False),
        ("*/b", "a/b", True),
        ("a?c", "a/c", False),
        ("[a-c]x", "bx", True),
        ("[^a-c]x", "bx", False),
        (r"a\*", "a*", True),
        (r"a\*", "ab", False),
        ("[", "[", False),
        ("[]", "]", False),
        ("**", "a/b", False),
    ],
)
def test_a_glob_is_go_s(pattern: str, path: str, fits: bool) -> None:
    assert glob(pattern)(path) is fits


def test_a_pattern_that_could_take_for_ever_does_not() -> None:
    assert not glob("*a" * 200 + "b")("a" * 2000)


def test_an_escaped_wildcard_is_none() -> None:
    assert has_wildcard("a[b") and not has_wildcard(r"a\*b\[\?")


@given(
    st.integers(0, 0o777),
    st.booleans(),
    st.sampled_from(["u=rwX,go=rX", "a+x", "go-w", "u=rw", "+r", "g=u", "o=g,u+s", "a=", "ug+rw,o-rwx", "u-x,g+X"]),
)
@settings(max_examples=60, deadline=None)
def test_symbols_mean_what_chmod_means(mode: int, directory: bool, text: str) -> None:
    with TemporaryDirectory() as folder:
        place = Path(folder) / "x"
        place.mkdir() if directory else place.touch()
        place.chmod(mode)
        subprocess.run(["chmod", text, place], check=True, umask=0)
        assert parse_mode(text)(mode, directory) == stat.S_IMODE(place.stat().st_mode)


@pytest.mark.parametrize("text", ["8", "77777", "u=q", "rw", "", "u=r,"])
def test_a_mode_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="chmod"):
        parse_mode(text)


def test_owners() -> None:
    files = {"etc/passwd": "me:x:7:8::/:\n", "etc/group": "us:x:9:\n"}
    assert [owner_of(spec, lambda path: files[path]) for spec in ("3", "3:4", "me", "me:us", "3:us", ":4")] == [
        (3, 3),
        (3, 4),
        (7, 8),
        (7, 9),
        (3, 9),
        (0, 4),
    ]
    with pytest.raises(Invalid, match="unable to find user you"):
        owner_of("you", lambda path: "")
    with pytest.raises(Invalid, match="range"):
        owner_of(str(2**40), lambda path: "")


def test_symlinks_lead_inside_the_root() -> None:
    tree = {"a": Entry(Kind.SYMLINK, target="/b/../../c"), "c": DIRECTORY, "loop": Entry(Kind.SYMLINK, target="loop")}
    assert find_real(tree.get, "a/x") == "c/x"
    assert find_real(tree.get, "a", follow_last=False) == "a"
    assert find_real(tree.get, "../../a") == "c"
    assert find_real(tree.get, "loop/x").endswith("x")


NAMES = st.sampled_from(["a", "b", "a/b", "a/c", "a/b/c", "d", "d/e"])


@given(st.lists(st.tuples(st.sampled_from(["put", "make", "remove"]), NAMES), max_size=12))
def test_a_draft_says_what_its_changeset_does(steps: list[tuple[str, str]]) -> None:
    base = {"a": DIRECTORY, "a/b": Entry(Kind.FIFO), "d": Entry(Kind.DIRECTORY, 0o700), "d/e": Entry(Kind.FIFO)}
    draft = Draft(base)
    for what, path in steps:
        try:
            if what == "put":
                draft.put(path, Entry(Kind.FIFO, 0o600))
            elif what == "make":
                draft.make_directories(path, DIRECTORY)
            else:
                draft.remove(path)
        except Invalid:
            continue
    after = apply(base, draft.changeset())
    for path in ("a", "b", "a/b", "a/c", "a/b/c", "d", "d/e"):
        assert after.get(path) == draft.find(path), path


def test_a_pool_gives_back_what_it_took(tmp_path: Path) -> None:
    pool = Pool(tmp_path)
    named = [pool.add(BytesIO(data))[0] for data in (b"one", b"", b"two" * 100_000, b"one")]
    assert named[0] == named[3]
    with pool.open(named[2]) as file:
        assert file.read() == b"two" * 100_000
        file.seek(3)
        assert file.read(3) == b"two"
    assert list(tmp_path.iterdir()) == [], "it has no name"


def test_lines_without_a_layer_take_the_time_of_a_layer() -> None:
    parent = ImageConfig.of(history=[History("FROM", "2020-01-01T00:00:00Z", empty_layer=True)])
    layer = DiffID(Digest(digest_of(b"x")))
    stack = (
        Stack.of_parent(parent).with_line("ENV A").with_layer(layer, "RUN", "2021-01-01T00:00:00Z").with_line("CMD")
    )
    config = stack.config(State(RunConfig(), Platform()))
    assert [line.created[:4] for line in config.history] == ["2020", "2021", "2021", "2021"]
    assert config.created[:4] == "2021"
    only_words = Stack.of_parent(parent).with_line("ENV A").config(State(RunConfig(), Platform()))
    assert only_words.created[:4] == "2020"


def test_a_key_tells_what_differs() -> None:
    key = Key({"a": "1", "b": "2"})
    assert key.digest == Key({"b": "2", "a": "1"}).digest
    note = Note({"a": "1", "b": "2"}, {})
    assert note.differences(Note({"a": "1", "b": "3", "c": "4"}, {})) == ("b", "c")
