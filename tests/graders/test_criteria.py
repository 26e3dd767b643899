"""The mark that makes a test a criterion, and credit in part."""

import json

import pytest

from graders.criteria import Partial, criterion, find_criterion, reading, recognise, tiers
from graders.probes import probe


def test_a_criterion_shows_its_docstring_to_the_learner() -> None:
    @criterion(points=2, hints=["look"])
    def test_small() -> None:
        """It is small.

        Not part of the title.
        """

    mark = find_criterion(test_small)
    assert mark is not None
    assert (mark.points, mark.title, mark.hints) == (2.0, "It is small.", ("look",))


def test_a_criterion_without_words_or_points_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a docstring"):
        criterion(points=1)(lambda: None)
    with pytest.raises(ValueError, match="gives points, not 0"):
        criterion(points=0)


def test_tiers_give_the_points_of_the_best_step_kept() -> None:
    steps = [(1000, 4), (64_000, 3), (1_000_000, 2)]
    tiers(1000, steps, "smaller")
    with pytest.raises(Partial, match="smaller") as part:
        tiers(64_000, steps, "smaller")
    assert part.value.earned == 3
    with pytest.raises(AssertionError, match="smaller") as none:
        tiers(1_000_001, steps, "smaller")
    assert not isinstance(none.value, Partial)


def test_a_criterion_has_three_hints_at_most_and_comes_after_criteria_only() -> None:
    with pytest.raises(ValueError, match="3 hints at most, not 4"):
        criterion(points=1, hints="abcd")

    def plain() -> None:
        """Not marked."""

    with pytest.raises(ValueError, match="comes after something that is no criterion"):
        criterion(points=1, after=[plain])(plain)


def test_a_typical_error_without_words_is_refused() -> None:
    def near() -> bool:
        return True

    def test_one() -> None:
        """One."""

    with pytest.raises(ValueError, match="near needs a docstring"):
        criterion(points=1, near=[near])(test_one)


def test_the_first_typical_error_that_applies_is_told() -> None:
    def odd(value: str) -> bool:
        """It is odd."""
        return int(value) % 2 == 1

    def large(value: str) -> bool:
        """It is large."""
        return len(value) > 1

    assert recognise([odd, large], {"value": "17"}) == "It is odd."
    assert recognise([odd, large], {"value": "xy"}) == "It is large.", "one that chokes does not apply"
    assert recognise([odd, large], {}) == "", "nor one whose fact is not there"


def test_what_a_learner_wrote_may_be_anything() -> None:
    with pytest.raises(AssertionError, match=r"report\.json, as JSON can't be read"), reading("report.json, as JSON"):
        json.loads("{")
    with pytest.raises(OSError), reading("it"):
        raise OSError("the disk is gone")


@pytest.mark.parametrize(
    ("value", "kind", "advice"),
    [
        ([1], list, ""),
        (2, float, ""),
        (True, bool, ""),
        (True, int, "should be a whole number; it is True or False, True"),
        ("1", int, "should be a whole number; it is a text, '1'"),
        (None, dict, "There is no answer `x` yet. It should be a dict"),
        ({}, list, "should be a list; it is a dict"),
        ("y" * 500, list, "yyyy…"),
    ],
)
def test_a_probe_is_of_the_kind_asked_for_or_gives_advice(value: object, kind: type, advice: str) -> None:
    if not advice:
        assert probe({"x": value}, "x", kind) == value
        return
    with pytest.raises(AssertionError) as error:
        probe({"x": value}, "x", kind)
    assert advice in str(error.value)
