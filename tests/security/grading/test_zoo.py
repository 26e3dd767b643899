"""Whatever learners hand in, they get what their work is worth; and nothing of the grader leaves its place."""

import json

import nbformat
import pytest

from tests.security.grading.conftest import Class
from tests.security.grading.zoo import EVERY_TIME, SECRET, ZOO, Attack

pytestmark = pytest.mark.timeout(1500)
"""Seconds: the first of the tests grades the whole class, which takes two minutes on two idle processors."""


CASES = [
    pytest.param(attack, id=attack.name, marks=() if attack.name in EVERY_TIME else pytest.mark.slow)
    for attack in ZOO
]


@pytest.mark.parametrize("attack", CASES)
def test_an_attack_gets_what_the_work_is_worth(graded: Class, attack: Attack) -> None:
    entry = graded.entries[attack.name]
    if attack.fair is None:
        assert entry.why_not.startswith("not graded: the submitted notebook can't be read"), entry
        return
    assert not entry.why_not, entry.why_not
    fair = attack.fair if isinstance(attack.fair, tuple) else (attack.fair,)
    assert entry.points in fair, outputs(graded, attack.name)
    assert entry.max == 20
    shown = outputs(graded, attack.name)
    assert attack.says in shown, shown
    assert not attack.never or attack.never not in shown, shown
    assert SECRET not in shown


def outputs(graded: Class, student: str) -> str:
    """What the learner's cells showed, as the instructor sees it."""
    notebook = nbformat.read(graded.root / f"autograded/{student}/a03/greet.ipynb", as_version=4)
    return json.dumps([cell.get("outputs", []) for cell in notebook.cells], ensure_ascii=False)
