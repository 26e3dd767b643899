"""The pages and the table of a class."""

import csv

from graders.course.reports import FORGEABLE, Entry, class_page, learner_page, table
from graders.course.sandbox import Kind
from graders.report import Report, Row, Verdict

EVIL = "<script>alert(1)</script>\x1b[2J=cmd()"
ROW = Row("t", f"It is small {EVIL}", 1, 4, Verdict.PARTLY, f"Look at {EVIL}")
HIDDEN = Row("h", "The hidden one", 0, 1, Verdict.FAILED, "never shown", hidden=True)


def entry(student: str, points: float = 1, layers: tuple[str, ...] = (), kind: Kind = Kind.BUBBLEWRAP) -> Entry:
    return Entry(student, "greet", points, 5, (Report("A03", (ROW, HIDDEN)),), layers=layers, kind=kind)


LOST = Entry("=lost", "greet", why_not=f"not graded: {EVIL}")


def test_what_learners_wrote_is_text_and_nothing_else() -> None:
    for page in (class_page("a03", [entry("ada"), LOST]), learner_page(entry(EVIL)), learner_page(LOST)):
        assert "<script" not in page
        assert "\x1b" not in page
        assert "&lt;script&gt;" in page


def test_a_learner_sees_advice_and_of_a_hidden_criterion_only_the_points() -> None:
    page = learner_page(entry("ada"))
    assert "It is small" in page
    assert "1 of 5 points" in page
    assert "The hidden one" not in page
    assert "never shown" not in page


def test_who_is_not_graded_has_no_points_and_a_reason() -> None:
    rows = list(csv.DictReader(table([entry("ada"), LOST]).splitlines()))
    assert [(row["student_id"], row["score"]) for row in rows] == [("ada", "1"), ("'=lost", "")]
    assert rows[1]["not_graded_because"].startswith("not graded: ")
    assert "not graded" in class_page("a03", [LOST])
    assert "points" not in LOST.to_json()


def test_equal_layers_are_shown_unless_half_of_the_class_has_them() -> None:
    both = ("sha256:given",)
    people = [
        entry("ada", layers=(*both, "sha256:1")),
        entry("bob", layers=(*both, "sha256:1")),
        entry("cy", layers=both),
    ]
    page = class_page("a03", [*people, entry("dan", layers=both)])
    assert "<td>ada, bob</td><td>1</td>" in page
    assert "cy" not in page.partition("Learners</h2>")[0].partition("The same layers")[2]


def test_scores_without_a_sandbox_say_so() -> None:
    assert FORGEABLE in class_page("a03", [entry("ada", kind=Kind.NONE)])
    assert FORGEABLE in learner_page(entry("ada", kind=Kind.NONE))
    assert FORGEABLE not in class_page("a03", [entry("ada")])
