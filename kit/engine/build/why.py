"""Why a step ran, in words: what it depends on now, against what it depended on in the last build.

Parts of a key are content, so a part that differs can be named; of the files of a COPY even one by one, as long as
they are not too many to be noted.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

Listing = Mapping[str, str]
"""Path → what identifies the file: its content, a space, and everything else."""
Paths = Iterable[tuple[str, str]]
"""The same in pairs."""

MOST_FILES = 20_000
"""Files of a step that are noted by name: about a megabyte in the store."""
SHOWN, LONGEST = 5, 80

_PLAIN = {
    "directory": "the working directory",
    "user": "the user",
    "mounts": "--mount",
    "network": "--network",
    "script": "the text of the heredoc",
    "dest": "the target",
    "owner": "the owner",
    "chmod": "--chmod",
    "unpack": "whether archives are unpacked",
}


@dataclass(frozen=True)
class Note:
    """What is known of a step in one build. ``files`` is empty where there are none, or too many."""

    parts: Mapping[str, str]
    files: Listing

    @classmethod
    def of(cls, parts: Mapping[str, str], files: Callable[[], Paths]) -> "Note":
        found: dict[str, str] = {}
        for path, identity in files():
            found[path] = identity
            if len(found) > MOST_FILES:
                return cls(parts, {})
        return cls(parts, found)

    def differences(self, earlier: "Note") -> tuple[str, ...]:
        """The names of the parts that are not the same."""
        names = {*self.parts, *earlier.parts}
        return tuple(sorted(name for name in names if self.parts.get(name) != earlier.parts.get(name)))


def reasons(now: Note, earlier: Note | None, *, on_parent: bool) -> Iterator[str]:
    """Sentences, the one that helps most first. ``on_parent``: the step stands right on its stage's parent."""
    if earlier is None:
        yield "it is new: no build of this name had such a step"
    elif now == earlier:
        yield "nothing differs, but its result is not in the cache: it has failed, or the cache was emptied"
    else:
        yield from _differences(now, earlier, on_parent)


def _differences(now: Note, earlier: Note, on_parent: bool) -> Iterator[str]:
    differ = now.differences(earlier)
    if "step" in differ or _word(now) != _word(earlier):
        yield f"another instruction stood here: {_cut(earlier.parts['instruction'])}"
        return
    if "files" in differ:
        yield "the parent changed" if on_parent else "a step before it gave other files"
    if ("command" if "command" in now.parts else "instruction") in differ:
        yield f"the instruction changed; it was {_cut(earlier.parts['instruction'])}"
    for name in differ:
        if name == "environment":
            yield from _variables(now.parts.get(name, "[]"), earlier.parts.get(name, "[]"))
        elif name == "copied":
            yield from _files(now.files, earlier.files)
        elif name.startswith("mount "):
            yield f"the files that are mounted at {name.removeprefix('mount ')} changed"
        elif name == "config" and "instruction" not in differ:
            yield "an instruction before it says something else"
        elif name in _PLAIN:
            yield f"{_PLAIN[name]} changed"


def _word(note: Note) -> str:
    return note.parts["instruction"].partition(" ")[0]


def _variables(now: str, earlier: str) -> Iterator[str]:
    after, before = (dict(line.partition("=")[::2] for line in json.loads(text)) for text in (now, earlier))
    for name in sorted({*after, *before}):
        if name not in before:
            yield f"the variable {name} is new: {_cut(after[name])!r}"
        elif name not in after:
            yield f"the variable {name} is gone"
        elif after[name] != before[name]:
            yield f"the variable {name} was {_cut(before[name])!r} and is {_cut(after[name])!r}"


def _files(now: Listing, earlier: Listing) -> Iterator[str]:
    if not now or not earlier:
        yield "the copied files changed"
        return
    both = sorted(now.keys() & earlier.keys())
    changed = [path for path in both if _content(now[path]) != _content(earlier[path])]
    touched = [path for path in both if now[path] != earlier[path] and path not in set(changed)]
    found = (
        ("added", sorted(now.keys() - earlier.keys())),
        ("removed", sorted(earlier.keys() - now.keys())),
        ("changed", changed),
        ("other mode or owner", touched),
    )
    for what, paths in found:
        if paths:
            more = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
            yield f"{what}: {', '.join(paths[:SHOWN])}{more}"


def _content(identity: str) -> str:
    return identity.partition(" ")[0]


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}…"
