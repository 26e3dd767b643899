"""Views: the same facts in text and HTML, harmless whatever the names are, readable without style."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from kit.layer.changeset import Changeset
from kit.layer.tree import Entry, Kind
from kit.oci.config import History, ImageConfig, RunConfig
from kit.oci.descriptor import Descriptor
from kit.oci.digest import DiffID, digest_of
from kit.oci.manifest import Manifest
from kit.views.blocks import Details, Line, Listing, Table, View
from kit.views.models.build import BuildCard, Failure, Step
from kit.views.models.context import ContextCard, ContextRow
from kit.views.models.doctor import LIMITED, MISSING, WORKS, Checkup, Finding
from kit.views.models.engine import EngineCard
from kit.views.models.family import Family, Member
from kit.views.models.github import RepositoryCard
from kit.views.models.hub import HubCard
from kit.views.models.lesson import Guess, Hints, Removed, Solution
from kit.views.models.names import Name, Tagged, TagMap
from kit.views.models.parents import ParentsCard
from kit.views.models.places import Place, Places
from kit.views.models.registry import RegistryCard
from kit.views.models.result import Failures, Result
from kit.views.models.stack import Stack
from kit.views.models.wire import BlobState, ManifestCard, PullCard, PushCard

EVIL = '<script>alert(1)</script>\x1b[31m\u202ered & "quoted"\''
ID = digest_of(b"an image")


def file(size: int) -> Entry:
    return Entry(Kind.FILE, 0o644, 0, 0, size, digest_of(b""))


def stack(paths: list[str]) -> Stack:
    changeset = Changeset({path: file(len(paths) - place) for place, path in enumerate(paths)})
    config = ImageConfig.of(
        run=RunConfig(cmd=(EVIL,)), diff_ids=[DiffID(ID)], history=[History(created_by=f"COPY {EVIL} /")]
    )
    return Stack.of(EVIL, config, [changeset])


def manifest() -> Manifest:
    return Manifest.of(Descriptor("application/x", ID, 10), [Descriptor(EVIL, ID, 2000)])


class Row:
    """One request on the wire."""

    method, path, status, up, down, kind, meaning = "PUT", f"/v2/{EVIL}", 201, 5, 0, "finish", f"It is {EVIL}."


VIEWS: dict[str, View] = {
    "build": BuildCard(EVIL, (Step(1, 2, f"RUN {EVIL}", "ran", 1.5, EVIL),), 2.0, ID),
    "building": BuildCard(EVIL, (Step(1, 0, f"RUN {EVIL}", "running"),), 2.0),
    "build that failed": BuildCard(EVIL, (), 1.0, "", Failure(EVIL, 1, EVIL, EVIL, EVIL, (EVIL,))),
    "context": ContextCard(EVIL, (ContextRow(EVIL, 5, True), ContextRow(EVIL, 5, False))),
    "family": Family(
        (Member((EVIL,), ID, ((DiffID(ID), 5),)), Member((EVIL + "2",), ID, ((DiffID(ID), 5),), (EVIL,)))
    ),
    "engine": EngineCard("Docker", EVIL, EVIL, EVIL, EVIL, EVIL, (EVIL,)),
    "doctor": Checkup(
        (Finding("a", WORKS, EVIL), Finding("b", LIMITED, EVIL, EVIL), Finding("c", MISSING, EVIL, EVIL))
    ),
    "places": Places(EVIL, EVIL, [Place("file", EVIL, 1), Place("history", EVIL), Place(EVIL, EVIL)]),
    "no place": Places(EVIL, EVIL, []),
    "guess": Guess("q", EVIL, 5),
    "hints": Hints("03.1", (EVIL,), 1),
    "no hints": Hints("03.1", ()),
    "solution": Solution("03.1", EVIL, EVIL),
    "solution held back": Solution("03.1"),
    "removed": Removed("03", (EVIL,), ((EVIL, EVIL),)),
    "names": TagMap([Name(EVIL, ID, "same"), Name("b", ID)], EVIL),
    "tagged": Tagged(EVIL, ID, EVIL, digest_of(b"another")),
    "parents": ParentsCard((("busybox:1", ID, "made"),), EVIL),
    "registry": RegistryCard(EVIL, EVIL),
    "repository": RepositoryCard(Path(EVIL.replace("/", "")), EVIL, {EVIL: EVIL}),
    "hub": HubCard(EVIL, EVIL),
    "no hub": HubCard(trouble=EVIL),
    "result": Result(EVIL, 1, EVIL, EVIL, (EVIL,), meaning=EVIL, hints=(EVIL,)),
    "not started": Result(EVIL, 127, "", EVIL, started=False),
    "failures": Failures([Result(EVIL, 0, EVIL, ""), Result("b", 1, "", EVIL, meaning=EVIL)]),
    "stack": stack([EVIL, "b"]),
    "push": PushCard(EVIL, (BlobState(EVIL, EVIL, 1, 2),), ID, (Row(),)),
    "pull": PullCard(EVIL, (BlobState(EVIL, EVIL, 1, 2),), ID, (Row(),)),
    "pulling": PullCard(EVIL, (BlobState(EVIL, EVIL, 1, 2),)),
    "pushing": PushCard(EVIL, (BlobState(EVIL, EVIL, 1, 2),)),
    "manifest": ManifestCard(EVIL, manifest()),
    "blocks": type("All", (View,), {"title": EVIL, "blocks": lambda self: iter(BLOCKS)})(),
}
BLOCKS = [
    Line(EVIL, strong=True),
    Listing(f"{EVIL}\n{EVIL}"),
    Table(EVIL, (EVIL, "b"), [(EVIL, EVIL)], code=frozenset({1})),
    Table(EVIL, ("a",), []),
    Details(EVIL, [Line(EVIL)], open=True),
]
ALLOWED = set(
    [
        "section",
        "h4",
        "p",
        "b",
        "br",
        "pre",
        "div",
        "table",
        "caption",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "code",
        "details",
        "summary",
    ]
)
VOID = {"br"}


class Page(HTMLParser):
    """A page read as a browser does: its elements, attributes and words; and whether it is well formed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self.words: list[str] = []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attributes}
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.words)


@pytest.mark.parametrize("name", VIEWS)
def test_the_html_is_plain_elements_and_names_stay_names(name):
    page = Page(VIEWS[name].html())
    assert page.elements <= ALLOWED and page.attributes <= {"style", "scope", "open"}
    assert "\x1b" not in page.text and "\u202e" not in page.text


@pytest.mark.parametrize("name", VIEWS)
def test_no_colour_is_set_so_every_theme_works(name):
    assert not re.search(
        r"(?i)colou?r|background|#[0-9a-f]{3,6}\b", "".join(re.findall('style="[^"]*"', VIEWS[name].html()))
    )


@pytest.mark.parametrize("name", VIEWS)
def test_the_text_holds_no_terminal_commands(name):
    text = VIEWS[name].text()
    assert text and not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)
    assert repr(VIEWS[name]) == text


@pytest.mark.parametrize("name", VIEWS)
def test_every_number_of_the_text_is_in_the_html(name):
    """With all styles removed: bars and columns are no substitute for the numbers."""
    numbers = re.findall(r"\d[\d,.]*", VIEWS[name].text())
    assert set(numbers) <= set(re.findall(r"\d[\d,.]*", Page(VIEWS[name].html()).text))


@pytest.mark.parametrize("name", VIEWS)
def test_every_table_has_a_caption_and_named_rows_and_columns(name):
    html = VIEWS[name].html()
    assert html.count("<table") == html.count("<caption") and html.count("<tr>") == html.count(
        'scope="row"'
    ) + html.count("<thead>")


def test_a_huge_image_gives_a_small_page():
    html = stack([f"usr/share/a-rather-long-directory-name/{number:06}.txt" for number in range(50_000)]).html()
    assert len(html) < 30_000 and "49,992 more" in html


def test_a_long_log_and_a_long_line_are_cut():
    result = Result("a", 0, "x" * 1_000_000 + "\n" + "line\n" * 100_000, "")
    assert len(result.html()) < 10_000 and "more lines" in result.text()


def test_many_names_are_counted():
    names = TagMap([Name(f"app:{number}", ID) for number in range(5000)])
    assert len(names.html()) < 30_000 and "4,940 more" in names.html() and "and 4,996 more" in names.html()


def test_without_a_kernel_the_output_is_its_own():
    """Nothing but the HTML and the text goes into the notebook: no widget that needs a kernel to come back."""
    bundle = VIEWS["stack"]
    assert bundle._repr_html_() == bundle.html() and not hasattr(bundle, "_repr_mimebundle_")


def test_verdicts_are_words_not_marks_alone():
    text = VIEWS["doctor"].text()
    assert all(word in text for word in ("works", "limited", "missing"))


def test_a_missing_part_is_named_first_and_told_what_to_do():
    checkup = Checkup((Finding("engine", MISSING, "none answers", "start it."),))
    assert not checkup.ok and checkup.text().splitlines()[0] == "1 part is missing: engine"
    assert checkup.text().splitlines()[-1] == "engine: start it."
    assert Checkup((Finding("registry", LIMITED, "none", "install it."),)).ok
