"""The mark that makes a test a criterion, and credit in part."""

import pytest

from graders.criteria import Partial, criterion, find_criterion, tiers


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
