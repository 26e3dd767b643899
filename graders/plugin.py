"""The pytest plugin: runs criteria, turns outcomes into rows.

An assert that fails is the learner's matter and becomes advice. So is an answer of an unexpected kind: an ordinary
error of Python's in a criterion that has read one of the learner's answers. Any other exception is ours: it ends the
run without a report, because a broken rubric must never cost or give points (docs/decisions).
"""

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from graders.criteria import LEARNERS_ERRORS, Criterion, Partial, find_criterion, recognise
from graders.fixtures import ANSWERS, REQUEST
from graders.probes import RecordedAnswers
from graders.report import Row, Verdict
from graders.request import Request


class Collector:
    """Rows in the order of the rubric; ``broken`` tells of the first thing that was not the learner's.

    The criteria of ``hidden`` files are those that live with the instructor only.
    """

    def __init__(self, request: Request, hidden: Collection[Path] = ()) -> None:
        self.request, self.rows, self.broken = request, list[Row](), ""
        self._answers, self._hidden = RecordedAnswers(request.answers), hidden

    def pytest_configure(self, config: pytest.Config) -> None:
        config.stash[REQUEST] = self.request
        config.stash[ANSWERS] = self._answers

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if self._asked_for(_criterion(item))]

    def _asked_for(self, mark: Criterion | None) -> bool:
        return mark is not None and self.request.exercise in ("", mark.exercise)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.broken = self.broken or f"{report.nodeid} can't be read: {report.longreprtext[-2000:]}"

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Fails what comes after a criterion that failed, before any fact is looked for."""
        mark = _criterion(item)
        self._answers.forget()
        for name in mark.after if mark else ():
            before = next((row for row in self.rows if row.id == name), None)
            if before and before.verdict is Verdict.FAILED:
                raise AssertionError(f"First comes this one: {before.title}")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]):  # type: ignore[no-untyped-def]
        report = yield
        mark = _criterion(item)
        assert mark is not None
        error = call.excinfo.value if call.excinfo else None
        if call.when == "call" or (call.when == "setup" and error):
            self._take(item, mark, error, called=call.when == "call")
        return report

    def _take(self, item: pytest.Item, mark: Criterion, error: BaseException | None, *, called: bool) -> None:
        if error is None or isinstance(error, AssertionError):
            row = _row(item, mark, error)
        elif called and self._answers.read and isinstance(error, LEARNERS_ERRORS) and not isinstance(error, OSError):
            trouble = f"{type(error).__name__}: {error}"
            row = replace(_row(item, mark, AssertionError(self._answers.told())), trouble=trouble)
        else:
            self.broken = self.broken or f"{item.name} broke: {type(error).__name__}: {error}"
            return
        self.rows.append(replace(row, hidden=item.path in self._hidden))


def _criterion(item: pytest.Item) -> Criterion | None:
    return find_criterion(getattr(item, "obj", None))


def _row(item: pytest.Item, mark: Criterion, error: AssertionError | None) -> Row:
    earned, verdict, advice = mark.points, Verdict.PASSED, ""
    if isinstance(error, Partial) and error.earned > 0:
        earned, verdict, advice = min(error.earned, mark.points), Verdict.PARTLY, error.advice
    elif error is not None:
        earned, verdict, advice = 0.0, Verdict.FAILED, _advice(error)
    if error is not None:
        facts: dict[str, Any] = getattr(item, "funcargs", {})
        advice = "\n".join(filter(None, (advice, recognise(mark.near, facts))))
    return Row(item.name, mark.title, earned, mark.points, verdict, advice, mark.hints, mark.exercise)


def _advice(error: AssertionError) -> str:
    """The author's words. Assert rewriting adds lines about the values, which a learner need not read."""
    text = str(error.args[0]) if error.args else "not met"
    return text.partition("\nassert ")[0]
