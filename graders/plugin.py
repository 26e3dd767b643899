"""The pytest plugin: runs criteria, turns outcomes into rows.

An assert that fails is the learner's matter and becomes advice. Any other exception is ours: it ends the
run without a report, because a broken rubric must never cost or give points.
"""

import pytest

from graders.criteria import Criterion, Partial, find_criterion
from graders.fixtures import REQUEST
from graders.report import Row, Verdict
from graders.request import Request

pytest_plugins = ["graders.fixtures"]


class Collector:
    """Rows in the order of the rubric; ``broken`` tells of the first thing that was not the learner's."""

    def __init__(self, request: Request) -> None:
        self.request, self.rows, self.broken = request, list[Row](), ""

    def pytest_configure(self, config: pytest.Config) -> None:
        config.stash[REQUEST] = self.request

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if self._asked_for(_criterion(item))]

    def _asked_for(self, mark: Criterion | None) -> bool:
        return mark is not None and self.request.exercise in ("", mark.exercise)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.broken = self.broken or f"{report.nodeid} can't be read: {report.longreprtext[-2000:]}"

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]):  # type: ignore[no-untyped-def]
        report = yield
        mark = _criterion(item)
        assert mark is not None
        error = call.excinfo.value if call.excinfo else None
        if call.when == "call" or (call.when == "setup" and error):
            if error is None or isinstance(error, AssertionError):
                self.rows.append(_row(item, mark, error))
            else:
                self.broken = self.broken or f"{item.name} broke: {type(error).__name__}: {error}"
        return report


def _criterion(item: pytest.Item) -> Criterion | None:
    return find_criterion(getattr(item, "obj", None))


def _row(item: pytest.Item, mark: Criterion, error: AssertionError | None) -> Row:
    earned, verdict, advice = mark.points, Verdict.PASSED, ""
    if isinstance(error, Partial) and error.earned > 0:
        earned, verdict, advice = min(error.earned, mark.points), Verdict.PARTLY, error.advice
    elif error is not None:
        earned, verdict, advice = 0.0, Verdict.FAILED, _advice(error)
    return Row(item.name, mark.title, earned, mark.points, verdict, advice, mark.hints, mark.exercise)


def _advice(error: AssertionError) -> str:
    """The author's words. Assert rewriting adds lines about the values, which a learner need not read."""
    text = str(error.args[0]) if error.args else "not met"
    return text.partition("\nassert ")[0]
