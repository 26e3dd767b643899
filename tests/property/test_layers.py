"""What must hold of every tree: diff and apply are inverse, pack and scan are, and no bytes break a scan."""

import io

from hypothesis import example, given
from hypothesis import strategies as st
from trees import content_of, trees

from kit.errors import Invalid
from kit.layer.changeset import Changeset, apply, changes, diff, merge
from kit.layer.tarball import Limits, pack, scan
from kit.layer.tree import Entry
from kit.layer.waste import dead_files, weigh

Tree = dict[str, Entry]


def packed(tree: Tree, changeset: Changeset) -> tuple[bytes, Changeset]:
    out = io.BytesIO()
    result = pack(changeset, lambda path: io.BytesIO(content_of(tree, path)), out)
    return out.getvalue(), result.changeset


@given(trees(), trees())
def test_applying_a_difference_gives_what_it_was_taken_from(before: Tree, after: Tree) -> None:
    assert apply(before, diff(before, after)) == after


@given(trees())
def test_nothing_changed_is_an_empty_changeset(tree: Tree) -> None:
    assert not diff(tree, tree)


@given(trees(), trees())
def test_a_packed_layer_says_what_the_changeset_said(before: Tree, after: Tree) -> None:
    changeset = diff(before, after)
    tar, result = packed(after, changeset)
    assert scan(io.BytesIO(tar)) == result
    assert apply(before, result) == after


@given(trees())
def test_packing_again_gives_the_same_bytes(tree: Tree) -> None:
    tar, result = packed(tree, Changeset(tree))
    assert packed(tree, result)[0] == tar
    assert packed(tree, Changeset(dict(reversed(tree.items()))))[0] == tar


@given(st.lists(trees(), max_size=4))
def test_stacked_differences_give_the_last_tree_and_account_for_every_byte(history: list[Tree]) -> None:
    stack = [diff(before, after) for before, after in zip([{}, *history], history, strict=False)]
    assert merge(stack) == (history[-1] if history else {})
    assert weigh(stack).dead == sum(file.size for file in dead_files(stack))


@given(trees(), trees())
def test_docker_diff_tells_a_directory_before_what_is_in_it(before: Tree, after: Tree) -> None:
    told = [change.path for change in changes(before, diff(before, after))]
    assert told == sorted(set(told), key=lambda path: path.split("/"))


@given(trees(), st.data())
def test_a_layer_that_lies_is_read_or_refused(tree: Tree, data: st.DataObject) -> None:
    tar = bytearray(packed(tree, Changeset(tree))[0])
    for _ in range(data.draw(st.integers(1, 8))):
        block = 512 * data.draw(st.integers(0, len(tar) // 512 - 1))
        tar[block + data.draw(st.integers(0, 511))] = data.draw(st.sampled_from(b"\0/. 0179SxgLK1\x80\xff"))
        if tar[block + 257 : block + 262] == b"ustar":
            fields = tar[block : block + 148] + b" " * 8 + tar[block + 156 : block + 512]
            tar[block + 148 : block + 156] = b"%06o\0 " % sum(fields)
    refused_or_read(bytes(tar[: data.draw(st.integers(len(tar) // 2, len(tar)))]))


@given(st.binary(max_size=2048))
@example(b"\0" * 511)
@example(b"x" * 512)
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    refused_or_read(data)


def refused_or_read(data: bytes) -> None:
    try:
        scan(io.BytesIO(data), Limits(holes=1 << 20))
    except Invalid as error:
        assert str(error)
