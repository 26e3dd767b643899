"""``layerlab grade ASSIGNMENT``: a whole class, in parallel, and whatever happens meanwhile nothing is lost.

First every submission is examined; each result is a file, so that a run that was killed goes on where it ended. Then
nbgrader grades what has changed, one after the other, since its database has one writer; it finds the results there.
Last, pages and a table are written. Who can't be graded is named, with the reason, and has no points, not zero.
"""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from nbgrader.apps import NbGraderAPI

from graders.course.course import Course, Submission, Template, examined, sweep
from graders.course.preprocessors import points_of
from graders.course.reports import Entry, class_page, learner_page, table
from graders.course.sandbox import Kind
from graders.course.task import Result, Task, reason
from graders.report import NotGraded
from kit.errors import KitError

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Graded:
    """A class, graded. ``pages`` is the directory of the reports."""

    entries: tuple[Entry, ...]
    pages: Path

    @property
    def whole(self) -> bool:
        """Whether everybody is graded."""
        return not any(entry.why_not for entry in self.entries)


def grade(course: Course, assignment: str, tell: Tell = print, *, jobs: int = 0) -> Graded:
    """Grades every submission of ``assignment``. May be repeated; what is known is not found out again.

    Raises:
        NotFound: no such assignment. Denied: no sandbox works here. Invalid, Unavailable: the parents can't be made.
    """
    sweep()
    submissions, kind, template = course.submissions(assignment), course.kind, course.template()
    jobs = jobs or course.settings.jobs or os.cpu_count() or 1
    entries = dict(_examine_all(course, submissions, kind, template, jobs, tell))
    _write_to_gradebook(course, assignment, submissions, entries, tell)
    found = tuple(entries[submission] for submission in submissions)
    return Graded(found, _write_pages(course, assignment, found))


def _examine_all(
    course: Course, submissions: Sequence[Submission], kind: Kind, template: Template, jobs: int, tell: Tell
) -> Iterator[tuple[Submission, Entry]]:
    begin = time.monotonic()
    with ThreadPoolExecutor(jobs) as pool:
        waiting = {pool.submit(_entry, course, one, kind, template): one for one in submissions}
        for done, future in enumerate(as_completed(waiting), 1):
            submission, entry = waiting[future], future.result()
            left = (time.monotonic() - begin) / done * (len(waiting) - done)
            shown = entry.why_not or f"{entry.points:g} of {entry.max:g}"
            tell(f"[{done}/{len(waiting)}] {submission.student} {submission.notebook}: {shown} · {left:.0f} s left")
            yield submission, entry


def _entry(course: Course, submission: Submission, kind: Kind, template: Template) -> Entry:
    try:
        task = course.task(submission, kind, template)
        return _entry_of(submission, task, examined(task))
    except (KitError, OSError) as error:
        return Entry(submission.student, submission.notebook, why_not=reason(str(error)))


def _entry_of(submission: Submission, task: Task, result: Result) -> Entry:
    if result.why_not:
        raise NotGraded(result.why_not)
    reports = {number: score.read() for number, score in result.scores.items()}
    return Entry(
        submission.student,
        submission.notebook,
        points=sum(points_of(cell, reports[number]) for number, cell in task.cells.items()),
        max=sum(cell.points for cell in task.cells.values()),
        reports=tuple(reports.values()),
        trouble=result.trouble,
        layers=tuple(result.layers),
        kind=result.kind,
    )


def _write_to_gradebook(
    course: Course, assignment: str, submissions: Sequence[Submission], entries: dict[Submission, Entry], tell: Tell
) -> None:
    """Lets nbgrader grade everybody whose result is not in its gradebook yet."""
    noted = _Noted(course.place / "gradebook.json")
    kind, template = course.kind, course.template()
    before = Path.cwd()
    os.chdir(course.root)
    try:
        api = NbGraderAPI(config=course.directory.config)
        for student in dict.fromkeys(submission.student for submission in submissions):
            own = [submission for submission in submissions if submission.student == student]
            if any(entries[submission].why_not for submission in own):
                continue
            results = [Path(course.task(submission, kind, template).result).stem for submission in own]
            if noted.has(assignment, student, results):
                continue
            done = api.autograde(assignment, student, force=True, create=True)
            if done["success"]:
                noted.add(assignment, student, results)
            else:
                why = reason(done.get("error", "") or done.get("log", ""))
                tell(f"{student}: nbgrader did not take the scores: {why[-300:]}")
                for submission in own:
                    entries[submission] = Entry(student, submission.notebook, why_not=f"not graded: {why[-300:]}")
    finally:
        os.chdir(before)


class _Noted:
    """Which results are in nbgrader's gradebook. Written after the fact: what is missing is written once more."""

    def __init__(self, file: Path) -> None:
        self._file, self._lock = file, threading.Lock()
        self._known: dict[str, list[str]] = {}
        with suppress(OSError, ValueError):
            self._known = json.loads(file.read_text())

    def has(self, assignment: str, student: str, results: list[str]) -> bool:
        return self._known.get(f"{assignment}/{student}") == results

    def add(self, assignment: str, student: str, results: list[str]) -> None:
        with self._lock:
            self._known[f"{assignment}/{student}"] = results
            half = self._file.with_suffix(".half")
            half.write_text(json.dumps(self._known))
            half.replace(self._file)


def _write_pages(course: Course, assignment: str, entries: Sequence[Entry]) -> Path:
    pages = course.root / "reports" / assignment
    pages.mkdir(parents=True, exist_ok=True)
    for entry in entries:
        (pages / f"{entry.student}-{entry.notebook}.html").write_text(learner_page(entry), encoding="utf-8")
    (pages / "index.html").write_text(class_page(assignment, entries), encoding="utf-8")
    (pages / "scores.csv").write_text(table(entries), encoding="utf-8")
    return pages
