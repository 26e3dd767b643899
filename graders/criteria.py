"""Criteria: plain pytest functions with points.

The docstring is the criterion as the learner reads it, the assert message is the advice. A criterion that
is met in part raises ``Partial``, most easily through ``tiers``.

    def is_root(image):
        \"\"\"USER 0 is root under another name.\"\"\"
        return image.user == "0"

    @criterion(points=2, near=[is_root])
    def test_plain_user(image):
        \"\"\"The container does not start as root.\"\"\"
        assert image.user not in ("", "0", "root"), "USER is not set, so the app starts as root."

Help comes in three forms. ``advice`` says what was seen. ``near`` are typical errors, recognised: a function that
asks for facts of the criterion and says whether it is that error; its docstring is what the learner reads then.
``hints`` are opened one by one, three at most.
"""

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from kit.errors import Invalid

_ATTRIBUTE = "__layerlab_criterion__"
MOST_HINTS = 3
"""A fourth hint is the solution, or nobody opens it."""
LEARNERS_ERRORS = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RecursionError, Invalid)
"""What a value of an unexpected kind makes Python and the kit raise. An engine that is gone is not among them."""
Function = TypeVar("Function", bound=Callable[..., Any])
Near = Callable[..., object]


@dataclass(frozen=True)
class Criterion:
    """What the mark says: the most points it can give, its hints in order, its exercise, the image it looks at.

    ``after`` names the criteria without which this one makes no sense; ``near`` recognises typical errors.
    """

    points: float
    hints: tuple[str, ...] = ()
    exercise: str = ""
    image: str = ""
    title: str = ""
    after: tuple[str, ...] = ()
    near: tuple[Near, ...] = ()


def criterion(
    *,
    points: float,
    hints: Sequence[str] = (),
    exercise: str = "",
    image: str = "",
    after: Sequence[Callable[..., Any]] = (),
    near: Sequence[Near] = (),
) -> Callable[[Function], Function]:
    """Marks a test function as a criterion.

    When one of ``after`` failed, this one fails with it, and says which one to look at first.

    Raises:
        ValueError: no points to give, no docstring to tell the learner what is asked, too many hints, or an
            ``after`` that is no criterion.
    """
    if not points > 0:
        raise ValueError(f"a criterion gives points, not {points!r}")
    if len(hints) > MOST_HINTS:
        raise ValueError(f"{MOST_HINTS} hints at most, not {len(hints)}: the rest is the solution's matter")

    def mark(function: Function) -> Function:
        if not all(map(find_criterion, after)):
            raise ValueError(f"{function.__name__} comes after something that is no criterion")
        names = tuple(before.__name__ for before in after)
        known = Criterion(
            float(points), tuple(hints), exercise, image, _first_line(function), after=names, near=tuple(near)
        )
        for told in near:
            _first_line(told)
        setattr(function, _ATTRIBUTE, known)
        return function

    return mark


def _first_line(function: Callable[..., Any]) -> str:
    line = (inspect.getdoc(function) or "").partition("\n")[0]
    if not line:
        raise ValueError(f"{function.__name__} needs a docstring: it is what the learner reads")
    return line


def find_criterion(function: object) -> Criterion | None:
    """The mark on ``function``, if it has one."""
    found = getattr(function, _ATTRIBUTE, None)
    return found if isinstance(found, Criterion) else None


def recognise(near: Sequence[Near], facts: dict[str, Any]) -> str:
    """What the first of ``near`` that applies tells the learner; "" when none does.

    One that asks for a fact which the criterion did not ask for, or that chokes on what it sees, does not apply.
    """
    for told in near:
        try:
            if told(**{name: facts[name] for name in inspect.signature(told).parameters}):
                return inspect.getdoc(told) or ""
        except (AssertionError, *LEARNERS_ERRORS):
            continue
    return ""


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


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Around the lines that read what the learner wrote (a file in the image, printed JSON), which may be anything.

    Raises:
        AssertionError: they choked on it; ``what`` is told, such as "/report.json, as JSON".
    """
    try:
        yield
    except LEARNERS_ERRORS as error:
        raise AssertionError(f"{what} can't be read: {error}") from error
