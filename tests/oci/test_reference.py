"""References: Docker's short forms, completed, and what it refuses, in its words."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from kit.oci.reference import InvalidReference, Reference, parse_reference

SHA = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "full", "familiar"),
    [
        ("hello", "docker.io/library/hello", "hello"),
        ("hello:1", "docker.io/library/hello:1", "hello:1"),
        ("you/hello", "docker.io/you/hello", "you/hello"),
        ("docker.io/library/hello", "docker.io/library/hello", "hello"),
        ("index.docker.io/you/hello", "docker.io/you/hello", "you/hello"),
        ("localhost/hello", "localhost/hello", "localhost/hello"),
        ("localhost:5000/a/b/c:d", "localhost:5000/a/b/c:d", "localhost:5000/a/b/c:d"),
        ("ghcr.io/a/b@" + SHA, "ghcr.io/a/b@" + SHA, "ghcr.io/a/b@" + SHA),
        ("a__b.c-d:T_.-1", "docker.io/library/a__b.c-d:T_.-1", "a__b.c-d:T_.-1"),
        ("[::1]:5000/a", "[::1]:5000/a", "[::1]:5000/a"),
    ],
)
def test_short_forms_are_completed(text: str, full: str, familiar: str) -> None:
    reference = parse_reference(text)
    assert (str(reference), reference.familiar) == (full, familiar)


@pytest.mark.parametrize("text", ["Hello", "you/Hello:1", "docker.io/A"])
def test_capitals_are_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidReference, match=r"^invalid reference format: repository name must be lowercase$"):
        parse_reference(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "/", "a/", "/a", "a//b", "a:", ":1", "a:-1", "a b", "a@", "a@sha256:1", "a..b", "-a", "a/../b"),
        *("a:" + "t" * 129, "a" * 300, "é", "a\n", "a:1:2"),
    ],
)
def test_what_names_no_image_is_refused(text: str) -> None:
    with pytest.raises(InvalidReference, match=r"^invalid reference format"):
        parse_reference(text)


def test_the_default_tag_is_latest_unless_something_is_said() -> None:
    assert parse_reference("a").with_default_tag().tag == "latest"
    assert parse_reference("a:1").with_default_tag().tag == "1"
    assert parse_reference("a@" + SHA).with_default_tag().tag == ""


# No dot in the first part: Docker's short form would take it for a registry.
_PART = st.from_regex(r"[a-z0-9]{1,8}((_|__|-{1,2})[a-z0-9]{1,8}){0,2}", fullmatch=True)


@given(
    st.builds(
        Reference,
        repository=st.lists(_PART, min_size=2, max_size=3).map("/".join),
        registry=st.sampled_from(["docker.io", "localhost:5000", "ghcr.io", "127.0.0.1"]),
        tag=st.from_regex(r"([A-Za-z0-9_][A-Za-z0-9_.-]{0,20})?", fullmatch=True),
        digest=st.sampled_from([None, SHA]),
    )
)
def test_a_reference_reads_back_as_itself(reference: Reference) -> None:
    assume(not reference.repository.startswith("localhost/"))
    assert parse_reference(str(reference)) == reference
    assert parse_reference(reference.familiar) == reference
