"""Variables and quotes, as BuildKit replaces them."""

import pytest

from kit.dockerfile.errors import Wrong
from kit.dockerfile.variables import DEEPEST, LONGEST, Lexer

ENV = {"A": "plain", "EMPTY": "", "PATH": "/usr/bin:/bin", "F": "a/b/c.tar.gz", "Q": "()[]{}^$.*?|\\x", "한": "국"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$A ${A} '$A' \"$A\"", "plain plain $A plain"),
        (r"\$A \${A} \\$A", r"$A ${A} \plain"),
        (r'"\$A \" \n"', r'$A " \n'),
        ("he'll'o", "hello"),
        ("$NO-$", "-$"),
        ("$1a $12b $@ $$x", "a b  x"),
        ("${A:-b} ${EMPTY:-b} ${NO:-b}", "plain b b"),
        ("${A-b} ${EMPTY-b} ${NO-b}", "plain  b"),
        ("${A:+b} ${EMPTY:+b} ${NO:+b}", "b  "),
        ("${A+b} ${EMPTY+b} ${NO+b}", "b b "),
        ("${A:?} ${EMPTY?}", "plain "),
        ("${NO:-${A:+$PATH}}", "/usr/bin:/bin"),
        ("${F#*/} ${F##*/} ${F%.*} ${F%%.*}", "b/c.tar.gz c.tar.gz a/b/c.tar a/b/c"),
        ("${PATH#/usr} ${PATH%?} ${PATH#x}", "/bin:/bin /usr/bin:/bi /usr/bin:/bin"),
        (r"${Q#()[]{\}^$.\*\?|\\}", "x"),
        ("${F/b/X} ${F//\\//-} ${F//[/x}", "a/X/c.tar.gz a-b-c.tar.gz a/b/c.tar.gz"),
        ("${A/*/x} ${A//?/.} ${NO/a/b}", "x ..... "),
        ("${한}-$한", "국-국"),
        ("<< a <<EOF < b", "<< a <<EOF < b"),
    ],
)
def test_variables_are_replaced(text: str, expected: str) -> None:
    assert Lexer().expand(text, ENV).text == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("${A", "syntax error: missing '}'"),
        ("${A:-b", "syntax error: missing '}'"),
        ("${A/b", "syntax error: missing '/' in ${}"),
        ("${A/b/c", "syntax error: missing '}'"),
        ("${", "syntax error: missing '}'"),
        ("${}", "syntax error: bad substitution"),
        ("${:-a}", "syntax error: bad substitution"),
        ("${A!b}", "unsupported modifier (!) in substitution"),
        ("${A:=b}", "unsupported modifier (:=) in substitution"),
        ("${A:#b}", "unsupported modifier (:#) in substitution"),
        (r"${A#\b}", r"invalid pattern (\b) in substitution: invalid escape '\b'"),
        ("${NO?}", "NO: is not allowed to be unset"),
        ("${EMPTY:?}", "EMPTY: is not allowed to be empty"),
        ("${NO:?give it $A}", "NO: give it plain"),
        ("'a", "unexpected end of statement while looking for matching single-quote"),
        ('"a', "unexpected end of statement while looking for matching double-quote"),
        ("${A:-" * (DEEPEST + 1) + "}" * (DEEPEST + 1), f"${{…}} nested more than {DEEPEST} deep"),
    ],
)
def test_what_cannot_be_replaced_is_refused(text: str, reason: str) -> None:
    with pytest.raises(Wrong) as error:
        Lexer().expand(text, ENV)
    assert error.value.reason.startswith("failed to process ")
    assert error.value.reason.endswith(f": {reason}")


def test_the_escape_character_can_be_a_backtick() -> None:
    assert Lexer(escape="`").expand(r"C:\x `$A", ENV).text == r"C:\x $A"


def test_words_are_split_at_unquoted_spaces_only() -> None:
    words = Lexer().expand("a \"b c\" d' 'e $X ${Y} ''", {"X": "1 2", "Y": ""}).words
    assert words == ("a", "b c", "d e", "1", "2")


def test_the_names_that_were_met_are_told() -> None:
    result = Lexer().expand("$A ${NO:-${EMPTY}} ${X+y}", ENV)
    assert (result.matched, result.unmatched) == ({"A", "EMPTY"}, {"NO", "X"})


def test_unset_variables_and_quotes_can_be_kept() -> None:
    lexer = Lexer(raw_quotes=True, keep_unset=True)
    assert lexer.expand("'x' \"$A\" $NO ${NO} ${NO:-b}", ENV).text == "'x' \"plain\" $NO ${NO} ${NO:-b}"


def test_a_result_has_an_end() -> None:
    with pytest.raises(Wrong, match=f"longer than {LONGEST} characters"):
        Lexer().expand("$A$A$A", {"A": "x" * LONGEST})
