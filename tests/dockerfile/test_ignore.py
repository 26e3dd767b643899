"""``.dockerignore``: what stays at home."""

import pytest

from kit.dockerfile.ignore import parse_ignore
from kit.errors import Invalid


@pytest.mark.parametrize(
    ("patterns", "path", "excluded"),
    [
        ("a", "a", True),
        ("a", "a/b/c", True),
        ("a", "x/a", False),
        ("/a/", "a/b", True),
        ("./a/../b", "b", True),
        ("*.pyc", "a.pyc", True),
        ("*.pyc", "x/a.pyc", False),
        ("**/*.pyc", "a.pyc", True),
        ("**/*.pyc", "x/y/a.pyc", True),
        ("**/a", "a", True),
        ("**/a", "x/y/a/z", True),
        ("**/a", "x/ba", False),
        ("a/**", "a/b", True),
        ("a/**", "a", False),
        ("**", "a", True),
        ("a/**/b", "a/b", True),
        ("a/**/b", "a/x/y/b", True),
        ("a?c", "abc", True),
        ("a?c", "a/c", False),
        ("[a-c]x", "bx", True),
        ("[^a-c]x", "bx", False),
        ("a.b", "axb", False),
        (r"\*x", "*x", True),
        (r"\*x", "ax", False),
        ("# a\na", "# a", False),
        ("\ufeffa\r\n", "a", True),
        ("  a  ", "a", True),
        ("*\n!a", "a", False),
        ("*\n!a", "b", True),
        ("*\n!a/b\n", "a/b", False),
        ("*\n!a/b\n", "a/c", True),
        ("!a\na", "a", True),
        ("*.md\n!README*.md\nREADME-secret.md", "README-secret.md", True),
        ("*.md\n!README*.md\nREADME-secret.md", "README-x.md", False),
        ("*a*b*c*d*e", "xaxbxcxdxe", True),
        ("*a*b*c*d*e", "xaxbxcxd", False),
        ("**/a/**/b/**/c*", "x/a/b/y/cc", True),
        ("", "a", False),
    ],
)
def test_the_last_pattern_that_fits_decides(patterns: str, path: str, excluded: bool) -> None:
    assert parse_ignore(patterns).excludes(path) is excluded


def test_a_directory_is_entered_if_something_below_can_come_back() -> None:
    matcher = parse_ignore("*\n!src/app/main.py\n!docs/**/*.md\n")
    assert [name for name in ("src", "src/app", "docs", "docs/x/y", "node_modules") if matcher.may_hold(name)] == [
        "src", "src/app", "docs", "docs/x/y"
    ]  # fmt: skip
    assert parse_ignore("*\n!**/keep\n").may_hold("anything")
    assert not parse_ignore("*\n").may_hold("a")


@pytest.mark.parametrize("pattern", ["[", "[a", "[]", "a\\", "[a-]", "!"])
def test_what_is_no_pattern_is_refused_with_its_line(pattern: str) -> None:
    with pytest.raises(Invalid, match=r"^\.dockerignore:2: (syntax error in pattern|illegal exclusion pattern)"):
        parse_ignore(f"ok\n{pattern}\n")
