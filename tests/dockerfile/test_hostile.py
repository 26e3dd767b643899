"""Texts made to hang a parser: each is planned or refused in seconds, however often a piece is repeated.

The time is that of the process, so a busy machine changes nothing; the texts are such that going back and trying
again, or copying what was read so far, would take minutes.
"""

import time

import pytest

from kit.dockerfile.ignore import parse_ignore
from kit.dockerfile.parse import parse_dockerfile
from kit.dockerfile.plan import PlanOptions, plan
from kit.errors import Invalid

SECONDS = 20
FROM = "FROM scratch\n"


def folded(text: str) -> str:
    """One logical line as long as ``text``, on lines that are short enough."""
    return "\\\n".join(text[start : start + 60000] for start in range(0, len(text), 60000))


HOSTILE = {
    "variables that never end": FROM + "ENV A=" + folded("${" * 900_000),
    "defaults in defaults": FROM + "ENV A=" + folded("${a:-" * 300_000),
    "variables that double": FROM + "ENV A=aaaaaaaa\n" + "ENV A=$A$A\n" * 60,
    "variables that double by stage": "FROM scratch AS s0\n"
    + "".join(f"FROM s{i} AS s{i + 1}\nARG A=aaaa$A$A\n" for i in range(60)),
    "quotes": FROM + "ENV A=" + folded("'\"" * 400_000),
    "pairs": FROM + "ENV " + folded("a=1 " * 60_000),
    "many variables": FROM + "".join(f"ENV A{i}=1\n" for i in range(1900)),
    "stars": FROM + "ENV A=" + "a" * 60_000 + "\nENV B=${A#" + "*a" * 12_000 + "*b}",
    "replacements": FROM + "ENV A=" + "ab" * 30_000 + "\nENV B=${A//a/xx}${A//*b/y}${A//" + "a?" * 20_000 + "/z}",
    "heredocs": FROM + "RUN " + folded("<<A " * 60_000),
    "comments": "# a\n" * 400_000 + FROM,
    "blank continuations": FROM + "RUN a \\\n" + "\n" * 1_000_000,
    "blanks": FROM + "ENV A=b" + folded(" " * 1_500_000),
    "a directive of blanks": "#a=" + " " * 60_000 + "x\n" + FROM,
    "deep JSON": FROM + "RUN " + "[" * 60_000,
    "long JSON": FROM + "CMD [" + folded('"a",' * 300_000) + '"a"]',
    "triggers of triggers": FROM + "ONBUILD " * 7000 + "RUN x",
    "flags": FROM + "RUN " + folded("--mount=type=tmpfs,target=/a " * 15_000) + "x",
    "ports": FROM + "EXPOSE " + folded("0-65535 " * 5000),
    "a long duration": FROM + "HEALTHCHECK --interval=" + "1" * 60_000 + "s CMD x",
    "a long mode": FROM + "COPY --chmod=" + "u+" * 20_000 + "! a b",
    "a long name": "FROM " + "a-" * 30_000,
    "a long git reference": FROM + "ADD git@a:" + "?#" * 30_000 + " /x",
    "bytes": FROM + "RUN \x00\x01\ud800",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_it_ends(text: str) -> None:
    started = time.process_time()
    try:
        plan(parse_dockerfile(text), PlanOptions(), lambda parent: None)
    except Invalid as error:
        assert len(str(error)) < 10_000
    assert time.process_time() - started < SECONDS


def test_bytes_that_are_no_text_are_read() -> None:
    result = plan(parse_dockerfile(b"FROM scratch\nLABEL a=\xff\xfe\n"), PlanOptions(), lambda parent: None)
    assert result.target.end.run.labels == {"a": "\ufffd\ufffd"}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"FROM scratch\n" + b"#\n" * (1 << 20), "the Dockerfile is larger than 2097152 bytes"),
        (b"FROM scratch\n" + b"RUN x\n" * 2001, "the Dockerfile has more than 2000 instructions"),
    ],
)
def test_a_bound_says_what_it_is(data: bytes, reason: str) -> None:
    with pytest.raises(Invalid, match=f"{reason}$"):
        parse_dockerfile(data)


def test_an_ignore_pattern_of_stars_ends() -> None:
    started = time.process_time()
    matcher = parse_ignore("\n".join("*a" * count + "b" for count in range(1, 60)))
    assert not matcher.excludes("a" * 4000)
    assert time.process_time() - started < SECONDS
