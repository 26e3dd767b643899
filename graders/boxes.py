"""Functions that learners write, tried out: what the assignment of notebook 02 asks, and what came out.

The learner's kernel calls the functions; what they return crosses to the rubric as JSON. What they should return
is worked out again in the rubric's own process. Tars and configurations hold the learner's word, so a neighbour's
results are of no use.
"""

import copy
import gzip
import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import kit

_LONGEST = 200
"""Characters of an error that are told."""


class Case(NamedTuple):
    """One call: its arguments, what it should return, and what it tries."""

    arguments: tuple[Any, ...]
    wanted: Any
    tries: str


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def cases(nonce: str) -> Mapping[str, list[Case]]:
    """The calls of each function."""
    return {
        "diff_id": _diff_ids(nonce),
        "image_id": [Case((raw,), digest(raw), tries) for raw, tries in _configs(nonce)],
        "chain_id": _chains(nonce),
        "merge": _merges(nonce),
        "who_wrote": [Case((layers, path), wanted, tries) for layers, path, wanted, tries in _writers(nonce)],
    }


def outcomes(nonce: str, *functions: Callable[..., Any]) -> dict[str, list[dict[str, Any]]]:
    """What each function returns, case by case: ``{"value": …}``, or ``{"error": why}``. Plain JSON."""
    known = cases(nonce)
    return {
        function.__name__: [_try(function, case) for case in known.get(function.__name__, ())]
        for function in functions
    }


def _try(function: Callable[..., Any], case: Case) -> dict[str, Any]:
    try:
        return {"value": json.loads(json.dumps(function(*copy.deepcopy(case.arguments))))}
    except Exception as error:  # whatever a learner's function raises is its result
        return {"error": f"{type(error).__name__}: {error}"[:_LONGEST]}


def _diff_ids(nonce: str) -> list[Case]:
    page, note, packed = (kit.tar({f"{name}.txt": f"{name} of {nonce}\n"}) for name in ("page", "note", "packed"))
    return [
        Case((page,), digest(page), "a layer"),
        Case((note,), digest(note), "another layer"),
        Case((gzip.compress(packed, mtime=0),), digest(packed), "a layer as it travels, compressed with gzip"),
    ]


def _configs(nonce: str) -> list[tuple[bytes, str]]:
    document = {"os": "linux", "config": {"Cmd": ["echo", f"<{nonce}> über"]}, "architecture": "amd64"}
    return [
        (json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode(), "a compact configuration"),
        (json.dumps(document, indent=3).encode() + b"\n", "an indented one"),
        (json.dumps(document, separators=(", ", ":")).encode(), "one with a style of its own"),
    ]


def _chains(nonce: str) -> list[Case]:
    one, two, three = (digest(f"{number} {nonce}".encode()) for number in (1, 2, 3))
    above = digest(f"{one} {two}".encode())
    return [
        Case(([one],), one, "one layer"),
        Case(([one, two],), above, "two layers"),
        Case(([one, two, three],), digest(f"{above} {three}".encode()), "three layers"),
    ]


def _merges(nonce: str) -> list[Case]:
    """Layers are dicts of path to text."""
    return [
        Case(
            ([{"etc/motd": "old", "bin/sh": "x"}, {"etc/motd": nonce}, {"new": "n"}],),
            {"etc/motd": nonce, "bin/sh": "x", "new": "n"},
            "files added and replaced",
        ),
        Case(
            ([{"a/x": "1", "a/y": "2", "x": nonce}, {"a/.wh.x": "", "a/z": "3"}],),
            {"a/y": "2", "x": nonce, "a/z": "3"},
            "a file removed",
        ),
        Case(
            ([{"conf/a": "1", "conf/b/c": "2", "conf.d/a": nonce}, {".wh.conf": ""}, {"conf/new": "3"}],),
            {"conf.d/a": nonce, "conf/new": "3"},
            "a directory removed, and made again by a later layer",
        ),
        Case(
            ([{"d/old": "1", "d/e/old": "2", "keep": nonce}, {"d/new": "3", "d/.wh..wh..opq": ""}],),
            {"keep": nonce, "d/new": "3"},
            "an opaque directory, with a file of the same layer before the mark",
        ),
    ]


def _writers(nonce: str) -> list[tuple[Any, str, Any, str]]:
    layers = [{"a": "1", "b": "1"}, {"a": nonce, ".wh.b": ""}, {"c": "1"}]
    return [
        (layers, "a", 1, "a file that two layers have"),
        (layers, "b", None, "a file that was removed"),
    ]
