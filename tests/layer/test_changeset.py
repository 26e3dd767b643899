"""Changesets: what a layer says of the tree below it, by the rules of overlayfs and dockerd."""

from dataclasses import replace

import pytest

from kit.layer.changeset import Changeset, DanglingLink, Letter, apply, changes, diff, merge
from kit.layer.tree import Entry, Kind
from kit.oci.digest import digest_of

DIRECTORY = Entry(Kind.DIRECTORY)
LINK = Entry(Kind.SYMLINK, 0o777, target="b")


def file(data: bytes = b"x", **facts: object) -> Entry:
    return replace(Entry(Kind.FILE, 0o644, size=len(data), digest=digest_of(data)), **facts)


def linked(first: str, data: bytes = b"x") -> Entry:
    return file(data, hardlink=first)


def letters(before: dict[str, Entry], after: dict[str, Entry]) -> list[str]:
    return [f"{change.letter} {change.path}" for change in changes(before, diff(before, after))]


def test_a_whiteout_hides_only_what_lies_below_it() -> None:
    below = {"d": DIRECTORY, "d/a": file(), "d/b": file()}
    layer = Changeset({"d/a": file(b"new")}, removed=frozenset({"d"}))
    assert apply(below, layer) == {"d/a": file(b"new")}


def test_an_opaque_directory_starts_anew_and_keeps_itself() -> None:
    below = {"d": DIRECTORY, "d/a": file(), "d/s/x": file(), "e": file()}
    layer = Changeset({"d/b": file()}, opaque=frozenset({"d"}))
    assert apply(below, layer).keys() == {"d", "d/b", "e"}


def test_a_file_where_a_directory_was_takes_all_that_was_in_it_away() -> None:
    assert apply({"d": DIRECTORY, "d/a": file()}, Changeset({"d": file()})) == {"d": file()}
    assert diff({"d": DIRECTORY, "d/a": file()}, {"d": file()}).removed == frozenset()


def test_something_below_a_former_symlink_replaces_the_symlink() -> None:
    assert apply({"l": LINK}, Changeset({"l/a": file()})) == {"l/a": file()}


def test_a_replaced_name_of_a_hard_link_leaves_the_other_names_as_they_were() -> None:
    below = {"a": file(), "b": linked("a"), "c": linked("a")}
    assert apply(below, Changeset({"a": file(b"new")})) == {"a": file(b"new"), "b": file(), "c": linked("b")}
    assert apply(below, Changeset(removed=frozenset({"a"}))) == {"b": file(), "c": linked("b")}


def test_a_hard_link_to_a_file_of_a_layer_below_has_that_file_s_facts() -> None:
    below = {"a": file(b"data", uid=7)}
    found = apply(below, Changeset({"b": Entry(Kind.FILE, hardlink="a")}))["b"]
    assert found == replace(below["a"], hardlink="a")


def test_a_hard_link_to_nothing_is_refused_by_name() -> None:
    with pytest.raises(DanglingLink, match="'b' is a hard link to 'a', which does not exist"):
        apply({}, Changeset({"b": Entry(Kind.FILE, hardlink="a")}))


def test_a_new_name_for_a_file_tells_all_its_names() -> None:
    before, after = {"a": file()}, {"a": file(), "b": linked("a")}
    assert diff(before, after).entries.keys() == {"a", "b"}
    assert apply(before, diff(before, after)) == after


def test_the_directories_above_a_change_are_told_too() -> None:
    before = {"d": DIRECTORY, "d/e": DIRECTORY, "d/e/a": file(), "f": DIRECTORY}
    after = {**before, "d/e/a": file(b"new")}
    assert list(diff(before, after).entries) == ["d", "d/e", "d/e/a"]


def test_of_a_removed_directory_only_the_directory_is_told() -> None:
    before = {"d": DIRECTORY, "d/a": file(), "d/b/c": file()}
    assert diff(before, {}) == Changeset(removed=frozenset({"d"}))
    assert letters(before, {}) == [f"{Letter.DELETED} /d"]


def test_docker_diff_has_letters_for_added_changed_and_deleted() -> None:
    before = {"d": DIRECTORY, "d/a": file(), "d/b": file(), "e": DIRECTORY}
    after = {
        "d": replace(DIRECTORY, mtime=5.0),
        "d/a": file(b"new"),
        "d/c": file(),
        "e": replace(DIRECTORY, mtime=9.0),
    }
    assert letters(before, after) == ["C /d", "C /d/a", "D /d/b", "A /d/c"]


def test_a_digest_that_is_not_known_differs_from_every_digest() -> None:
    assert diff({"a": file()}, {"a": file(digest=None)}).entries.keys() == {"a"}


def test_a_stack_is_merged_bottom_first() -> None:
    stack = [Changeset({"a": file(b"1")}), Changeset({"a": file(b"2")}), Changeset({"b": file()})]
    assert merge(stack) == {"a": file(b"2"), "b": file()}
