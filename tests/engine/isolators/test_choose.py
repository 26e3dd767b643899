"""Choosing an isolator: by trying, or by name."""

import pytest

from kit.engine.isolators import choose
from kit.engine.isolators.contract import Probe
from kit.errors import Invalid, Unavailable


class Chosen:
    """An isolator that is only made."""

    real_owners = False

    def __init__(self, name: str) -> None:
        self.name = name


def row(name: str, *, why: str = "") -> choose.Row:
    return choose.Row(name, lambda: Probe(name, not why, why), lambda: Chosen(name))  # type: ignore[arg-type, return-value]


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "ROWS", (row("best", why="unshare: not permitted"), row("good"), row("slow")))


@pytest.mark.usefixtures("rows")
def test_the_first_that_works_is_chosen_and_those_tried_say_why() -> None:
    isolator, tried = choose.choose()
    assert isolator.name == "good"
    assert [(found.name, found.why) for found in tried] == [("best", "unshare: not permitted"), ("good", "")]


@pytest.mark.usefixtures("rows")
def test_one_that_is_named_is_taken_even_if_another_is_better() -> None:
    assert choose.choose("slow")[0].name == "slow"


@pytest.mark.usefixtures("rows")
def test_one_that_does_not_work_or_exist_is_refused() -> None:
    with pytest.raises(Unavailable, match="best: unshare: not permitted"):
        choose.choose("best")
    with pytest.raises(Invalid, match="no isolator is called 'none': there are best, good, slow"):
        choose.choose("none")


@pytest.mark.usefixtures("rows")
def test_every_isolator_is_asked() -> None:
    assert [found.name for found in choose.probe()] == ["best", "good", "slow"]
