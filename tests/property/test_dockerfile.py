"""What holds for every text: a parser raises its own error or nothing; a matcher agrees with the slow way."""

import re

from hypothesis import example, given, settings
from hypothesis import strategies as st

from kit.dockerfile import globs, ignore
from kit.dockerfile.changes import changed
from kit.dockerfile.errors import DockerfileError, Wrong
from kit.dockerfile.go import duration_text, parse_duration
from kit.dockerfile.parse import parse_dockerfile
from kit.dockerfile.plan import PlanOptions, plan
from kit.dockerfile.variables import Lexer
from kit.errors import Invalid
from kit.oci.config import RunConfig

WORDS = [
    "FROM ",
    "scratch",
    "RUN ",
    "COPY ",
    "--from=",
    "--mount=type=",
    "cache",
    ",target=",
    "/a",
    "ENV ",
    "A=",
    "$A",
]
WORDS += ["${A:-b}", "${A#*}", "<<E", "\nE\n", "\\\n", '["a"]', "EXPOSE ", "80", "-", ":", "/udp", "HEALTHCHECK CMD "]
WORDS += [
    "ONBUILD ",
    "ARG ",
    "AS ",
    "b",
    " ",
    "\n",
    "\0",
    "'",
    '"',
    "!",
    "*",
    "\ud7ff",
    "#",
    "--chmod=",
    "u+x",
    "0777",
]
texts = st.lists(st.sampled_from(WORDS), max_size=30).map("".join)


@settings(max_examples=400, deadline=None)
@given(texts | st.binary(max_size=200))
def test_a_dockerfile_is_planned_or_refused_with_its_place(text: str | bytes) -> None:
    data = b"FROM scratch\n" + (text if isinstance(text, bytes) else text.encode())
    try:
        dockerfile = parse_dockerfile(data)
        result = plan(dockerfile, PlanOptions(), lambda parent: None)
    except DockerfileError as error:
        assert error.reason
        assert 0 <= error.line <= data.count(b"\n") + 1
    else:
        assert result.target.end.run.working_dir


@given(texts)
def test_changes_are_made_or_refused(text: str) -> None:
    try:
        assert isinstance(changed(RunConfig(), [text]), RunConfig)
    except Invalid as error:
        assert str(error)


@given(st.text("a*?\n", max_size=8), st.text("ab\n", max_size=12), st.booleans())
def test_a_prefix_is_what_a_regular_expression_finds(pattern: str, value: str, greedy: bool) -> None:
    pattern = re.sub(r"\*+", "*", pattern)
    every = [end for end in range(len(value) + 1) if re.fullmatch(regex(pattern), value[:end])]
    expected = value[(max(every) if greedy else min(every)) :] if every else value
    assert globs.without_prefix(value, pattern, greedy=greedy) == expected


@given(st.text("a*?", max_size=8), st.text("ab\n", max_size=12), st.booleans())
def test_a_suffix_is_what_a_regular_expression_finds(pattern: str, value: str, greedy: bool) -> None:
    pattern = re.sub(r"\*+", "*", pattern)
    every = [start for start in range(len(value) + 1) if re.fullmatch(regex(pattern), value[start:])]
    expected = value[: (min(every) if greedy else max(every))] if every else value
    assert globs.without_suffix(value, pattern, greedy=greedy) == expected


@given(st.text("ab?", min_size=1, max_size=4), st.text("abc", max_size=15), st.booleans())
def test_replacing_is_what_a_regular_expression_does(pattern: str, value: str, every: bool) -> None:
    expected = re.sub(regex(pattern), "-", value, count=0 if every else 1)
    assert globs.replaced(value, pattern, "-", all_=every) == expected


def regex(pattern: str) -> str:
    return "".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in pattern)


@given(st.text("a*?/", min_size=1, max_size=10), st.text("ab/", max_size=10))
@example("**/a", "aa")
def test_two_ways_of_matching_an_ignore_pattern_agree(pattern: str, path: str) -> None:
    """Few wildcards are a regular expression, many an automaton: which of the two it is changes no answer."""
    parts = ignore._parts(pattern)
    assert globs.Automaton(ignore._items(parts)).matches(path) == ignore._compiled(parts)(path)


@given(st.integers(0, 2**62))
def test_a_duration_survives_being_printed(nanoseconds: int) -> None:
    assert parse_duration(duration_text(nanoseconds)) == nanoseconds


@given(st.text("a$\\'\"{}:-/#% ", max_size=20))
def test_a_word_is_expanded_or_refused(text: str) -> None:
    try:
        Lexer().expand(text, {"a": "b"})
    except Wrong as wrong:
        assert wrong.reason.startswith("failed to process ")


@given(st.text(max_size=20).filter(lambda text: not set(text) & set("$\\'\"<")))
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert Lexer().expand(text, {}).text == text
