"""Reports for people and machines: text, HTML, JUnit XML, JSON.

The HTML is plain tables and ``<details>``: it survives without styles, without scripts, in a sanitised
notebook and in exported feedback. Words tell the verdict; colour never does alone.
"""

import json
import re
from html import escape
from xml.etree import ElementTree

from graders.report import Report, Row, Verdict

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def clean(text: str) -> str:
    """``text`` with control characters made visible: a file name may hold terminal commands."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found.group()):02x}", text)


def number(points: float) -> str:
    return f"{points:g}"


def summary(report: Report) -> str:
    """The first line of every form: ``A03 greet · 15 of 20 points · passed 4, partly 1, failed 1``."""
    counts = ", ".join(f"{verdict} {report.count(verdict)}" for verdict in Verdict if report.count(verdict))
    return f"{report.rubric} · {number(report.points)} of {number(report.max)} points · {counts}"


def as_text(report: Report) -> str:
    """For a terminal. Failures say what to do; the total comes first."""
    lines = [summary(report)]
    if report.subject:
        lines.append(f"looked at: {clean(report.subject)}")
    for row in report.rows:
        lines.append(f"[{row.verdict:<6}] {number(row.points):>4} / {number(row.max):<4} {clean(row.title)}")
        lines += [f"{'':23}{line}" for line in clean(row.advice).splitlines()]
    return "\n".join(lines)


def as_html(report: Report) -> str:
    """For a notebook: the check panel."""
    rows = "".join(map(_html_row, report.rows))
    looked = f"<p>Looked at: <code>{escape(clean(report.subject))}</code></p>" if report.subject else ""
    return (
        f'<table style="text-align:left"><caption style="text-align:left"><b>{escape(summary(report))}</b></caption>'
        '<thead><tr><th scope="col">Verdict</th><th scope="col">Points</th>'
        '<th scope="col" style="text-align:left">Criterion</th></tr></thead>'
        f"<tbody>{rows}</tbody></table>{looked}"
    )


_GLYPH = {Verdict.PASSED: "✓", Verdict.PARTLY: "◐", Verdict.FAILED: "✗"}


def _html_row(row: Row) -> str:
    advice = f"<br>{escape(clean(row.advice))}".replace("\n", "<br>") if row.advice else ""
    hints = ""
    if row.verdict is not Verdict.PASSED:
        hints = "".join(
            f"<details><summary>Hint {place} of {len(row.hints)}</summary>{escape(clean(hint))}</details>"
            for place, hint in enumerate(row.hints, 1)
        )
    return (
        f'<tr><td><span aria-hidden="true">{_GLYPH[row.verdict]}</span> {row.verdict}</td>'
        f"<td>{number(row.points)} of {number(row.max)}</td>"
        f'<th scope="row" style="text-align:left;font-weight:normal"><b>{escape(clean(row.title))}</b>'
        f"{advice}{hints}</th></tr>"
    )


def as_json(report: Report) -> str:
    return json.dumps(report.to_json(), indent=2)


def as_junit(report: Report) -> str:
    """JUnit XML, as CI systems read it; points travel as properties."""
    failures = len(report.rows) - report.count(Verdict.PASSED)
    suite = ElementTree.Element(
        "testsuite", name=report.rubric, tests=str(len(report.rows)), failures=str(failures), errors="0"
    )
    properties = ElementTree.SubElement(suite, "properties")
    for key, value in (("points", report.points), ("max", report.max)):
        ElementTree.SubElement(properties, "property", name=key, value=number(value))
    for row in report.rows:
        case = ElementTree.SubElement(suite, "testcase", classname=report.rubric, name=clean(row.title))
        if row.verdict is not Verdict.PASSED:
            message = f"{number(row.points)} of {number(row.max)} points"
            ElementTree.SubElement(case, "failure", message=message).text = clean(row.advice)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True)
