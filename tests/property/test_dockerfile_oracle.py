"""Our parser against BuildKit's own (PyPI's ``dockerfile``): the same lines, flags, words, heredocs, refusals.

Left out is what BuildKit itself has changed since the oracle was built (blanks after ``<<``, text after a JSON array,
the escape character in flags) and where it splits a flag inside a character (docs/decisions/04-dockerfile-parser.md).
"""

import re
from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kit.dockerfile.errors import DockerfileError
from kit.dockerfile.lines import Reader, Text
from kit.dockerfile.nodes import Node, read_nodes, take_apart
from kit.dockerfile.words import parse_pairs, split_words

oracle = pytest.importorskip("dockerfile", reason="the oracle has no wheels for this machine")

KEYWORDS = ["FROM", "RUN", "COPY", "ADD", "ENV", "ARG", "LABEL", "CMD", "ENTRYPOINT", "EXPOSE", "USER", "WORKDIR"]
KEYWORDS += ["VOLUME", "SHELL", "STOPSIGNAL", "HEALTHCHECK", "ONBUILD", "MAINTAINER", "FOO", "run", "Env", "from"]
BITS = [
    "a",
    "b",
    "x=y",
    "=",
    " ",
    "  ",
    "\t",
    "\x0b",
    ",",
    "0",
    "#",
    "\n",
    "\r\n",
    "\n# comment\n",
    "\\\n",
    "\\ \n",
    "`\n",
]
BITS += ["\\", "`", "'", '"', "$", "${", "}", "$a", "[", "]", '["a"]', '["a", "b c"]', '["a", 1]', "NONE", "CMD "]
BITS += [
    "--x=y ",
    "--",
    "-- ",
    "<",
    "<<",
    "<<EOF",
    "<<-EOF",
    "3<<EOF",
    "<<'E2'",
    '<<"E3"',
    "\nEOF\n",
    "\n\tEOF\n",
    "\nE2\n",
]
TOPS = ["", "", "# escape=`\n", "#syntax=a\n", "# Escape = \\\n", "#check=skip=all\n", "# foo=bar\n", "# escape=x\n"]
TOPS += ["\ufeff", "#syntax=a\n#syntax=b\n", "\n", "# only\n"]

rests = st.lists(st.sampled_from(BITS), max_size=10).map("".join)
gaps = st.sampled_from([" ", " ", "  ", "\t", ""])
lines = st.tuples(st.sampled_from(KEYWORDS), gaps, rests).map("".join)
dockerfiles = st.builds(
    lambda top, rows: top + "\n".join(rows) + "\n", st.sampled_from(TOPS), st.lists(lines, max_size=4)
)

Shape = tuple[object, ...]


def changed_since(text: str) -> bool:
    """Does the text use what today's BuildKit reads in another way than the oracle does?"""
    blanks_after_heredoc = re.search(r"<<-?[ \t\r\x0b\\`]", text)
    flags_with_other_escape = "escape=`" in text and "--" in text
    return bool(blanks_after_heredoc or flags_with_other_escape or re.search(r"\]\S*\s*\S", text))


def words_of(node: Node) -> tuple[str, ...]:
    kind = node.keyword.lower()
    if kind == "onbuild":
        return words_of(take_apart(replace(node.line, text=node.rest), node.escape)) if node.rest else ()
    if kind in ("add", "copy", "volume", "expose", "from"):
        return node.words
    if kind in ("env", "label"):
        pairs = parse_pairs(kind, node.rest, node.escape)
        return tuple(word for pair in pairs for word in (pair.key, pair.value))
    if kind == "arg":
        return tuple(split_words(node.rest, node.escape))
    if kind == "healthcheck":
        kind, *command = re.split(r"\s+", node.rest, maxsplit=1)
        words = node.json if node.json is not None else tuple(filter(None, command))
        return (kind, *words) if kind else ()
    if node.json is not None:
        return node.json
    known = ("cmd", "run", "shell", "entrypoint", "maintainer", "stopsignal", "user", "workdir")
    return ((node.rest,) if node.rest else ()) if kind in known else ("",)


def ours(text: str) -> list[Shape]:
    source = Text(text, "Dockerfile")
    found = []
    for node in read_nodes(source, Reader(source)):
        trigger = node.keyword.lower() == "onbuild"
        heredocs = () if trigger else tuple((h.name, h.fd, h.content) for h in node.line.heredocs)
        at = node.line.at
        json = trigger or node.json is not None
        found.append((node.keyword.upper(), node.flags, json, at.line, at.end_line, words_of(node), heredocs))
    return found


def theirs(text: str) -> list[Shape]:
    found = []
    for command in oracle.parse_string(text):
        keyword = (command.cmd or "").upper()
        heredocs = tuple((h.name, h.file_descriptor, h.content) for h in command.heredocs)
        json = command.json or keyword == "ONBUILD"
        lines = command.start_line, command.end_line
        found.append((keyword, command.flags, json, *lines, command.value, heredocs))
    return found


@settings(max_examples=1500, deadline=None)
@given(dockerfiles)
def test_buildkit_reads_the_same(text: str) -> None:
    assume(not changed_since(text))
    try:
        expected = theirs(text)
    except oracle.GoParseError as refusal:
        with pytest.raises(DockerfileError) as error:
            ours(text)
        assert error.value.reason == str(refusal)
    else:
        assert ours(text) == expected


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60), st.sampled_from(["CMD", "ENV", "LABEL", "ARG", "COPY", "RUN"]))
def test_any_text_is_read_the_same(text: str, keyword: str) -> None:
    text = text.replace("\0", "").replace("\n", " ")
    assume(not changed_since(text) and "--" not in text and "<<" not in text)
    test = f"{keyword} {text}\n"
    try:
        expected = theirs(test)
    except oracle.GoParseError as refusal:
        with pytest.raises(DockerfileError) as error:
            ours(test)
        assert error.value.reason == str(refusal) or "can't find" in str(refusal)
    else:
        assert ours(test) == expected
