"""What anybody who has an image can read out of it: ``kit.grep``, ``kit.peek``.

A container sees the topmost file of each path. Who looks into the layers sees all of them, also those that a later
layer hides or replaces; and the configuration tells the history of the build, word by word. So this is how to look
for a password before somebody else does.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, BinaryIO

from kit.errors import Invalid, NotFound
from kit.lab.connect import Lab, connect
from kit.lab.images import Image, saved_image
from kit.lab.saved import Saved, Seen
from kit.layer.tarball import members
from kit.layer.tree import Kind
from kit.oci.digest import CHUNK
from kit.views.models.places import Place, Places

LARGEST_FILE = 16 << 20
"""Bytes of a file that are given back; what people look for is a thousand times smaller."""


def grep(text: str, reference: "str | Image", *, lab: Lab | None = None) -> Places:
    """Every place of the image that holds ``text``: files of all layers, bottom first, then the configuration.

    Raises:
        NoSuchImage: the engine has none of that name. Invalid: no text to look for.
    """
    needle = text.encode()
    if not needle:
        raise Invalid("say which text to look for")
    saved = _look(reference, partial(_files_with, needle), lab)
    config = saved.config()
    found = [
        Place("file", path, layer) for layer, diff_id in enumerate(config.diff_ids) for path in saved.layers[diff_id]
    ]
    for key, value in config.document.items():
        lines = value if key == "history" else [value]
        for line in lines:
            for words in _texts(line):
                if text in words:
                    found.append(Place("history" if key == "history" else key, words))
    return Places(text, _name(reference), found)


def peek(path: str, reference: "str | Image", *, lab: Lab | None = None) -> dict[int, bytes]:
    """The file at ``path`` as each layer has it that has it, by the layer's number, bottom first.

    Raises:
        NoSuchImage: the engine has none of that name. NotFound: no layer holds such a file.
    """
    wanted = path.strip("/")
    saved = _look(reference, partial(_file_at, wanted), lab)
    found = {
        layer: data
        for layer, diff_id in enumerate(saved.config().diff_ids)
        if (data := saved.layers[diff_id]) is not None
    }
    if not found:
        raise NotFound(f"no layer of {_name(reference)} holds a file /{wanted}")
    return found


def _look(reference: "str | Image", look: Callable[[BinaryIO], Seen], lab: Lab | None) -> Saved[Seen]:
    return saved_image(lab or connect(), _name(reference), look)


def _name(reference: "str | Image") -> str:
    return reference.reference if isinstance(reference, Image) else reference


def _files_with(needle: bytes, tar: BinaryIO) -> list[str]:
    return [
        path
        for path, entry, contents in members(tar)
        if entry.kind is Kind.FILE and not entry.hardlink and _holds(contents, needle)
    ]


def _holds(contents: BinaryIO, needle: bytes) -> bool:
    """Whether the bytes are there, also across two pieces of the file."""
    tail = b""
    while data := contents.read(CHUNK):
        if needle in tail + data:
            return True
        tail = (tail + data)[len(tail + data) - len(needle) + 1 :]
    return False


def _file_at(wanted: str, tar: BinaryIO) -> bytes | None:
    for path, entry, contents in members(tar):
        if path == wanted and entry.kind is Kind.FILE and not entry.hardlink:
            if entry.size > LARGEST_FILE:
                raise Invalid(f"/{path} is too large to show: {entry.size:,} bytes")
            return b"".join(iter(partial(contents.read, CHUNK), b""))
    return None


def _texts(value: Any) -> Iterator[str]:
    """Every text in a piece of JSON, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from _texts(key)
            yield from _texts(one)
