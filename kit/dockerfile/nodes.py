"""The shape of an instruction: keyword, flags, the rest, its heredocs. What it means comes later, in ``parse``.

Source: Dockerfile reference, "Format"; BuildKit's parser, which finds these errors before all others.
"""

import re
from dataclasses import dataclass, replace
from typing import Any

from kit.dockerfile import instructions as say
from kit.dockerfile.errors import Wrong
from kit.dockerfile.go import BLANKS, SPACE
from kit.dockerfile.lines import Line, Reader, Text
from kit.dockerfile.words import parse_json, parse_pairs, split_flags, split_keyword

MOST = 2000  # instructions: each is planned with the whole environment so far; no kernel stacks as many layers


@dataclass(frozen=True)
class Node:
    """A line taken apart: keyword as written, flags unquoted, ``rest`` without them, ``json`` the exec form."""

    line: Line
    keyword: str
    flags: tuple[str, ...]
    rest: str
    json: tuple[str, ...] | None
    escape: str

    @property
    def words(self) -> tuple[str, ...]:
        """Words of the exec form, or parted by blanks."""
        if self.json is not None:
            return self.json
        return tuple(BLANKS.split(self.rest)) if self.rest else ()

    @property
    def common(self) -> dict[str, Any]:
        text = self.line.text.strip(SPACE)
        return {"name": self.keyword, "text": text, "at": self.line.at, "comments": self.line.comments}

    @property
    def command(self) -> say.Command:
        if self.json is not None:
            return say.Command(self.json, shell=False)
        return say.Command((self.rest,) if self.rest else (), shell=True)


def read_nodes(text: Text, reader: Reader) -> list[Node]:
    """The shape of every line.

    Raises:
        DockerfileError: a line that can't be taken apart, or no line at all.
    """
    nodes: list[Node] = []
    for line in reader.logical_lines():
        try:
            node = take_apart(line, reader.escape)
        except Wrong as wrong:
            raise text.error(wrong, line.at) from wrong
        if "<<" in line.text and _takes_heredocs(node):
            node = replace(node, line=reader.with_heredocs(line))
        nodes.append(node)
        if len(nodes) > MOST:
            raise text.error(Wrong(f"the Dockerfile has more than {MOST} instructions"), line.at)
    if not nodes:
        raise text.error(Wrong("file with no instructions"), None)
    return nodes


def take_apart(line: Line, escape: str) -> Node:
    """Keyword, flags and rest of ``line``; and its words, if they follow the keyword's rules.

    Raises:
        Wrong: they don't.
    """
    keyword, rest = split_keyword(line.text)
    flags, rest = split_flags(rest, escape)
    kind = keyword.lower()
    node = Node(line, keyword, flags, rest, None, escape)
    if kind in ("add", "copy", "volume", "cmd", "entrypoint", "run", "shell"):
        return replace(node, json=parse_json(rest))
    if kind == "healthcheck":
        _, command = first_word(rest)
        return replace(node, json=parse_json(command))
    if kind in ("env", "label"):
        parse_pairs(keyword.upper(), rest, escape)
    if kind == "onbuild" and rest and split_keyword(rest)[0].lower() != "onbuild":
        take_apart(replace(line, text=rest), escape)
    return node


def _takes_heredocs(node: Node) -> bool:
    if node.keyword.lower() == "onbuild":
        node = take_apart(replace(node.line, text=node.rest), node.escape)
    return node.keyword.lower() in ("add", "copy", "run") and node.json is None


def first_word(rest: str) -> tuple[str, str]:
    word = re.match(f"[^{SPACE}]*", rest)
    assert word
    return word[0], rest[word.end() :].lstrip(SPACE)
