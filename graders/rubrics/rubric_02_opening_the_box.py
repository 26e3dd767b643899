"""Notebook 02, Opening the box: what an image is, its digests, and how its layers make one tree.

The assignment's functions ran in the learner's kernel. What they returned is looked at here; what they should return
is worked out here.
"""

import json
from typing import Any

from graders.boxes import Case, cases, digest
from graders.criteria import Partial, criterion
from graders.facts import Answers, Images

PAGE = "ex02/page:1"
SEEN = {"a/two", "a/three", "b/z", "motd"}
CHANGES = {
    "diff_id of layer 1": True,
    "diff_id of layer 0": False,
    "blob of layer 1": True,
    "image ID": True,
    "manifest": True,
}

# --- exercises of the lesson


@criterion(
    points=1,
    exercise="02.1",
    hints=[
        "document.keys() shows what is on the first level.",
        "What a container runs with is in document['config'].",
    ],
)
def test_found_the_command(answers: Answers, images: Images) -> None:
    """You took the command out of the configuration."""
    wanted = images(PAGE).config["Cmd"]
    assert answers.get("command") == wanted, (
        f"`command` is {answers.get('command')!r}. Print document: on which level does Cmd stand?"
    )


@criterion(
    points=2,
    exercise="02.2",
    hints=["Which layers bring an index.html? The parent is one of them.", "A container sees the uppermost one."],
)
def test_counted_stored_and_visible(answers: Answers) -> None:
    """You know how many index.html are stored, and how many are seen (1 point each)."""
    wanted = {"stored": 2, "visible": 1}
    wrong = [name for name, count in wanted.items() if answers.get(name) != count or answers.get(name) is True]
    if wrong:
        raise Partial(
            2 - len(wrong), f"Look again at what is {' and '.join(wrong)}: layers are added, never taken out."
        )


@criterion(
    points=3,
    exercise="02.3",
    hints=[
        "Whiteouts hide what lower layers have, not what their own layer brings.",
        "b/.wh..wh..opq hides everything below in b. b/z is of the same layer.",
        "Four files are seen.",
    ],
)
def test_merged_by_hand(answers: Answers) -> None:
    """You know which files a container sees."""
    seen = answers.get("seen")
    assert isinstance(seen, list) and all(isinstance(path, str) for path in seen), "`seen` is a list of paths."
    marks = [path for path in seen if ".wh." in path]
    assert not marks, f"{marks[0]} is a mark for the engine, not a file that a container sees."
    wrong = SEEN ^ set(seen)
    if wrong:
        advice = f"Look again at {', '.join(sorted(wrong))}."
        raise Partial(max(0, 3 - len(wrong)), advice)


def took_the_articles_way(answers: Answers) -> bool:
    """That is MD5, as the article says. Which recipe do the names in diff_ids give?"""
    return str(answers.get("name")).startswith("md5") or len(str(answers.get("name"))) == 32


@criterion(
    points=1,
    exercise="02.4",
    near=[took_the_articles_way],
    hints=["A digest says its own recipe: sha256:…", "hashlib.sha256(layers[1]).hexdigest()"],
)
def test_named_a_layer(answers: Answers, images: Images) -> None:
    """You computed the diff_id of layer 1."""
    wanted = images(PAGE).layers[1].diff_id
    assert answers.get("name") == wanted, f"`name` is {answers.get('name')!r}; the engine calls it {wanted}."


@criterion(
    points=5,
    exercise="02.5",
    hints=[
        "A digest changes when the bytes change that it is made of. What is written in which bytes?",
        "The configuration holds the diff_ids. The manifest holds the configuration's digest.",
        "One of the five stays.",
    ],
)
def test_knows_what_a_byte_changes(answers: Answers) -> None:
    """You know which digests change."""
    wrong = [name for name, changes in CHANGES.items() if answers.get(name) is not changes]
    if wrong:
        raise Partial(len(CHANGES) - len(wrong), f"Look again at: {', '.join(wrong)}. What is it made of?")


# --- assignment A02


def returned(answers: Answers, nonce: str, function: str) -> list[tuple[Case, Any]]:
    """Each case of the function with its outcome.

    Raises AssertionError with advice where there is none.
    """
    known, found = cases(nonce)[function], answers.get(function)
    assert isinstance(found, list) and len(found) == len(known) and all(isinstance(one, dict) for one in found), (
        f"There is no outcome of `{function}`. Run the cell that tries the functions out."
    )
    return list(zip(known, found, strict=True))


def right(case: Case, outcome: Any) -> bool:
    """Whether the function returned this very value; 1 is not True."""
    value = outcome.get("value")
    return "value" in outcome and value == case.wanted and type(value) is type(case.wanted)


def told(case: Case, outcome: Any) -> str:
    """What came out, in one line."""
    if "error" in outcome:
        return f"{case.tries}: it raises {str(outcome['error'])[:200]}"
    return f"{case.tries}: it returns {str(outcome.get('value'))[:200]!r}"


def graded(pairs: list[tuple[Case, Any]], each: float) -> None:
    """Gives ``each`` for every case that is right."""
    wrong = [told(case, outcome) for case, outcome in pairs if not right(case, outcome)]
    if wrong:
        raise Partial(each * (len(pairs) - len(wrong)), "Not yet with " + "; ".join(wrong) + ".")


def hashed_what_travels(answers: Answers, nonce: str) -> bool:
    """That is the digest of the compressed bytes, the blob's. A diff_id is over the uncompressed tar."""
    case, outcome = returned(answers, nonce, "diff_id")[2]
    return bool(outcome.get("value") == digest(case.arguments[0]))


def used_md5(answers: Answers, nonce: str) -> bool:
    """That is no SHA-256. How long are the names that the engine gives?"""
    return any(len(str(outcome.get("value"))) in (32, 36) for _, outcome in returned(answers, nonce, "diff_id"))


@criterion(
    points=3,
    exercise="a02",
    near=[hashed_what_travels, used_md5],
    hints=[
        "'sha256:' + hashlib.sha256(tar).hexdigest()",
        "A layer may come compressed: gzip begins with the bytes 1f 8b. gzip.decompress first.",
    ],
)
def test_diff_id(answers: Answers, nonce: str) -> None:
    """`diff_id` names three layers, one of them compressed (1 point each)."""
    graded(returned(answers, nonce, "diff_id"), 1)


def wrote_it_anew(answers: Answers, nonce: str) -> bool:
    """That is the digest of JSON which was read and written anew. Hash the bytes you were given."""
    return any(
        outcome.get("value") == digest(json.dumps(json.loads(case.arguments[0]), **style).encode())
        for case, outcome in returned(answers, nonce, "image_id")
        for style in ({}, {"separators": (",", ":")}, {"sort_keys": True})
        if not right(case, outcome)
    )


@criterion(
    points=3,
    exercise="a02",
    near=[wrote_it_anew],
    hints=["An image ID is the digest of the configuration's bytes, as they are.", "No json is needed at all."],
)
def test_image_id(answers: Answers, nonce: str) -> None:
    """`image_id` names three configurations by their very bytes (1 point each)."""
    graded(returned(answers, nonce, "image_id"), 1)


@criterion(
    points=3,
    exercise="a02",
    hints=[
        "The chain ID of one layer is its diff_id, as it is.",
        "Going up: the digest of the chain ID below, a space, the diff_id. Both with their sha256: in front.",
    ],
)
def test_chain_id(answers: Answers, nonce: str) -> None:
    """`chain_id` names stacks of one, two and three layers (1 point each)."""
    graded(returned(answers, nonce, "chain_id"), 1)


@criterion(points=3, exercise="a02", hints=["Begin with nothing, and go from the bottom up. The later one wins."])
def test_merge_adds_and_replaces(answers: Answers, nonce: str) -> None:
    """`merge` adds and replaces files."""
    graded(returned(answers, nonce, "merge")[:1], 3)


def kept_the_marks(answers: Answers, nonce: str) -> bool:
    """Whiteouts are marks for the engine: they are not files of the result."""
    return any(".wh." in str(outcome.get("value")) for _, outcome in returned(answers, nonce, "merge"))


def hid_its_own(answers: Answers, nonce: str) -> bool:
    """Whiteouts hide what *lower* layers have, never what the same layer brings: apply them first."""
    value = returned(answers, nonce, "merge")[3][1].get("value")
    return isinstance(value, dict) and "d/new" not in value


def took_too_much(answers: Answers, nonce: str) -> bool:
    """`.wh.conf` hides conf and what is in it, not what merely begins with the same letters."""
    value = returned(answers, nonce, "merge")[2][1].get("value")
    return isinstance(value, dict) and "conf.d/a" not in value


@criterion(
    points=4,
    exercise="a02",
    near=[kept_the_marks, took_too_much],
    hints=[
        "a/.wh.x hides a/x. rpartition('/') gives you directory and name.",
        "If x is a directory, everything below x/ goes, too.",
    ],
)
def test_merge_removes(answers: Answers, nonce: str) -> None:
    """`merge` removes files and directories (2 points each)."""
    graded(returned(answers, nonce, "merge")[1:3], 2)


@criterion(
    points=2,
    exercise="a02",
    near=[kept_the_marks, hid_its_own],
    hints=["d/.wh..wh..opq hides everything below d/ that comes from lower layers.", "Two passes over each layer."],
)
def test_merge_knows_opaque_directories(answers: Answers, nonce: str) -> None:
    """`merge` knows opaque directories, wherever the mark stands."""
    graded(returned(answers, nonce, "merge")[3:], 2)


@criterion(
    points=2,
    exercise="a02",
    hints=["The uppermost layer that has it wins, unless it is gone: then None.", "merge tells whether it is there."],
)
def test_who_wrote(answers: Answers, nonce: str) -> None:
    """`who_wrote` tells which layer a visible file comes from, and None when it is removed (1 point each)."""
    graded(returned(answers, nonce, "who_wrote"), 1)
