"""The four forms of a report."""

import json
from html.parser import HTMLParser
from xml.etree import ElementTree

from graders.render import as_html, as_json, as_junit, as_text
from graders.report import Report, Row, Verdict

REPORT = Report(
    "A03",
    (
        Row("a", "It runs", 4, 4, Verdict.PASSED),
        Row("b", "It is small", 2.5, 4, Verdict.PARTLY, "2,000 bytes", ("smaller",)),
        Row("c", "Named <b>\x1b[31mred", 0, 1, Verdict.FAILED, "<script>alert(1)</script>\x07", ("<i>",)),
    ),
    "a03/greet:1",
)


class Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.text, self.tags = "", set[str]()

    def handle_data(self, data: str) -> None:
        self.text += data + " "

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)


def test_text_begins_with_the_total_and_shows_no_control_characters() -> None:
    text = as_text(REPORT)
    assert text.startswith("A03 · 6.5 of 9 points · passed 1, partly 1, failed 1\n")
    assert "\x1b" not in text
    assert "\\x1b[31mred" in text


def test_html_says_the_same_in_words_and_runs_nothing_of_the_learners() -> None:
    reader = Text()
    reader.feed(as_html(REPORT))
    assert not {"script", "i", "style"} & reader.tags
    for word in ("6.5 of 9 points", "2.5 of 4", "partly", "failed", "2,000 bytes", "Hint 1 of 1", "<script>"):
        assert word in reader.text


def test_junit_counts_and_carries_points() -> None:
    suite = ElementTree.fromstring(as_junit(REPORT))
    assert (suite.get("tests"), suite.get("failures")) == ("3", "2")
    assert {item.get("name"): item.get("value") for item in suite.iter("property")} == {"points": "6.5", "max": "9"}


def test_json_reads_back_as_the_same_report() -> None:
    assert Report.of_json(as_json(REPORT)) == REPORT
    assert json.loads(as_json(REPORT))["points"] == 6.5
