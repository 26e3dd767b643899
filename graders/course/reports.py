"""What people read about a class: a card in the notebook, a page per learner, a page and a table for the class.

Everything is plain tables, without styles that a sanitiser would take away and without scripts. What learners wrote
comes in as text, and only as text.
"""

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from graders.course.sandbox import Kind
from graders.render import clean, number, summary
from graders.report import Report, Verdict

FORGEABLE = "These scores can be forged: learners' code ran without a sandbox, as the user who graded."
_LEADING = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet would take for the begin of a formula."""
_HEAD = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="color-scheme" content="light dark">'
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
    "<style>body{{font-family:sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}}"
    "td,th{{text-align:left;vertical-align:top;padding:.2rem .8rem .2rem 0}}</style>"
    "<title>{title}</title></head><body><h1>{title}</h1>"
)


@dataclass(frozen=True)
class Entry:
    """One learner's notebook: its report and points, or why it is not graded. ``trouble``: what ended it early."""

    student: str
    notebook: str
    points: float = 0.0
    max: float = 0.0
    reports: tuple[Report, ...] = ()
    why_not: str = ""
    trouble: str = ""
    layers: tuple[str, ...] = ()
    kind: Kind = Kind.NONE

    def to_json(self) -> dict[str, Any]:
        """Without points, if it is not graded."""
        facts: dict[str, Any] = {"student": self.student, "notebook": self.notebook, "sandbox": self.kind}
        if self.why_not:
            return facts | {"not_graded_because": self.why_not}
        return facts | {"points": self.points, "max": self.max, "trouble": self.trouble}


def card(report: Report) -> str:
    """A report as a learner sees it in the notebook and in nbgrader's feedback."""
    rows = [row.for_learner() for row in report.rows]
    body = "".join(
        f"<tr><td>{row.verdict}</td><td>{number(row.points)} of {number(row.max)}</td>"
        f"<td><b>{_text(row.title)}</b>{_lines(row.advice)}</td></tr>"
        for row in rows
    )
    return f"<p><b>{_text(summary(report))}</b></p><table>{body}</table>"


def learner_page(entry: Entry) -> str:
    """All that a learner may know of the grading."""
    parts = [_HEAD.format(title=f"{_text(entry.notebook)} · {_text(entry.student)}"), *_notes(entry)]
    if not entry.why_not:
        parts.append(f"<p>{number(entry.points)} of {number(entry.max)} points</p>")
        parts += map(card, entry.reports)
    return "".join([*parts, "</body></html>"])


def class_page(assignment: str, entries: Sequence[Entry]) -> str:
    """For the instructor: who has what, which criteria fail and how, and who has made the same layers."""
    graded = [entry for entry in entries if not entry.why_not]
    parts = [_HEAD.format(title=f"{_text(assignment)} · {len(entries)} submissions")]
    if any(entry.kind is Kind.NONE and not entry.why_not for entry in entries):
        parts.append(f"<p><b>{FORGEABLE}</b></p>")
    parts += ["<h2>Points</h2>", _table(("Points", "Learners"), _distribution(graded))]
    parts += ["<h2>Criteria</h2>", _table(("Not met by", "Criterion", "Most frequent advice"), _criteria(graded))]
    alike = list(_alike(graded))
    if alike:
        parts += ["<h2>The same layers</h2><p>Files made alone are hardly ever equal byte for byte.</p>"]
        parts.append(_table(("Learners", "Layers in common"), alike))
    rows = [
        (entry.student, entry.notebook, *((entry.why_not, "") if entry.why_not else _points(entry)))
        for entry in entries
    ]
    parts += ["<h2>Learners</h2>", _table(("Learner", "Notebook", "Points", "Notes"), rows)]
    return "".join([*parts, "</body></html>"])


def table(entries: Iterable[Entry]) -> str:
    """CSV. Who is not graded has no points, not zero."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(("student_id", "notebook", "score", "max_score", "not_graded_because"))
    for entry in entries:
        points = ("", "") if entry.why_not else (number(entry.points), number(entry.max))
        writer.writerow((_cell(entry.student), _cell(entry.notebook), *points, _cell(entry.why_not)))
    return out.getvalue()


def _points(entry: Entry) -> tuple[str, str]:
    return f"{number(entry.points)} of {number(entry.max)}", entry.trouble


def _notes(entry: Entry) -> Iterator[str]:
    if entry.why_not:
        yield f"<p><b>{_text(entry.why_not)}</b></p>"
    elif entry.kind is Kind.NONE:
        yield f"<p><b>{FORGEABLE}</b></p>"
    if entry.trouble:
        yield f"<p>The notebook did not run to its end: {_text(entry.trouble)}.</p>"


def _distribution(graded: Sequence[Entry]) -> list[tuple[str, str]]:
    """Tenths of the points, and how many learners lie in each."""
    tenths = Counter(min(int(10 * entry.points / entry.max), 9) for entry in graded if entry.max)
    most = max((entry.max for entry in graded), default=0.0)
    return [
        (f"{number(round(most * tenth / 10, 2))} and more", f"{tenths[tenth]} {'█' * tenths[tenth]}")
        for tenth in reversed(range(10))
    ]


def _criteria(graded: Sequence[Entry]) -> list[tuple[str, str, str]]:
    missed: dict[str, list[str]] = defaultdict(list)
    for entry in graded:
        for report in entry.reports:
            for row in report.rows:
                missed[row.title] += [row.advice] if row.verdict is not Verdict.PASSED else []
    return [
        (f"{len(advice)} of {len(graded)}", title, _most_frequent(advice))
        for title, advice in sorted(missed.items(), key=lambda row: -len(row[1]))
    ]


def _most_frequent(advice: Sequence[str]) -> str:
    return f"{Counter(advice).most_common(1)[0][0]}" if advice else ""


def _alike(graded: Sequence[Entry]) -> Iterator[tuple[str, str]]:
    """Learners with a layer in common that fewer than half of the class have."""
    owners: dict[str, list[str]] = defaultdict(list)
    for entry in graded:
        for layer in entry.layers:
            owners[layer].append(entry.student)
    groups = Counter(tuple(names) for names in owners.values() if 1 < len(names) <= max(2, len(graded) // 2))
    for names, count in groups.most_common():
        yield ", ".join(names), str(count)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{head}</th>' for head in heads)
    body = "".join("<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def _text(text: str) -> str:
    return escape(clean(text))


def _lines(text: str) -> str:
    return "".join(f"<br>{_text(line)}" for line in text.splitlines())


def _cell(text: str) -> str:
    text = clean(text)
    return f"'{text}" if text.startswith(_LEADING) else text
