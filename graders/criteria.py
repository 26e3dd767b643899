"""Criteria: plain pytest functions with points.

The docstring is the criterion as the learner reads it, the assert message is the advice. A criterion that
is met in part raises ``Partial``, most easily through ``tiers``.

    @criterion(points=2)
    def test_plain_user(image):
        \"\"\"The container does not start as root.\"\"\"
        assert image.user not in ("", "0", "root"), "USER is not set, so the app starts as root."
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

_ATTRIBUTE = "__layerlab_criterion__"
Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class Criterion:
    """What the mark says: the most points it can give, its hints in order, its exercise, the image it looks at."""

    points: float
    hints: tuple[str, ...] = ()
    exercise: str = ""
    image: str = ""
    title: str = ""


def criterion(
    *, points: float, hints: Sequence[str] = (), exercise: str = "", image: str = ""
) -> Callable[[Function], Function]:
    """Marks a test function as a criterion.

    Raises:
        ValueError: no points to give, or no docstring to tell the learner what is asked.
    """
    if not points > 0:
        raise ValueError(f"a criterion gives points, not {points!r}")

    def mark(function: Function) -> Function:
        title = (inspect.getdoc(function) or "").partition("\n")[0]
        if not title:
            raise ValueError(f"{function.__name__} needs a docstring: it is what the learner reads")
        setattr(function, _ATTRIBUTE, Criterion(float(points), tuple(hints), exercise, image, title))
        return function

    return mark


def find_criterion(function: object) -> Criterion | None:
    """The mark on ``function``, if it has one."""
    found = getattr(function, _ATTRIBUTE, None)
    return found if isinstance(found, Criterion) else None


class Partial(AssertionError):
    """Met in part: ``earned`` of the criterion's points, with advice for the rest."""

    def __init__(self, earned: float, advice: str) -> None:
        super().__init__(advice)
        self.earned, self.advice = earned, advice


def tiers(value: float, steps: Sequence[tuple[float, float]], advice: str) -> None:
    """Gives the points of the best step that ``value`` stays within.

    ``steps`` are (limit, points), best first; the first one is full marks.

    Raises:
        Partial: within a later step.
        AssertionError: within none.
    """
    for number, (limit, points) in enumerate(steps):
        if value <= limit:
            if number:
                raise Partial(points, advice)
            return
    raise AssertionError(advice)
