"""The rubric of notebook 01, on images that are good and on images that are bad in one way each."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import docker
import nbformat
import pytest

import graders
import kit
from graders.report import Report, Row
from kit.lab.parents import make_parents

NOTEBOOK = Path(__file__).parents[2] / "notebooks/assignments/a01/page.ipynb"
Make = Callable[..., str]
Container = Any
PAGE = "<h1>Mine</h1>\n"
SIGNED = {"author": "Ada <ada@example.org>", "message": "A page"}
NAMES = ("a01-page", "ex01-quiet", "ex01-site")


@pytest.fixture(scope="module")
def teacher(teacher: pytest.MonkeyPatch, dockerd: docker.DockerClient, cache: Path) -> None:
    """With the parent of this notebook."""
    make_parents(dockerd, ["web:1"], cache)


@pytest.fixture
def commit(teacher: None, dockerd: docker.DockerClient) -> Iterator[Make]:
    """Commits a container of ``parent`` in which ``edit`` was done, and tells the image's name."""
    names, numbers = list[str](), itertools.count()

    def make(
        edit: Callable[[Container], Any] = lambda container: None,
        *,
        parent: str = "web:1",
        command: Any = None,
        volumes: Any = (),
        **options: Any,
    ) -> str:
        container = dockerd.containers.run(parent, command, detach=True, tty=True, volumes=list(volumes))
        try:
            edit(container)
            names.append(f"llrubric01/page:{next(numbers)}")
            container.commit(*names[-1].split(":"), **options)
        finally:
            container.remove(force=True, v=True)
        return names[-1]

    yield make
    for name in [*reversed(names), "a01/page:stable"]:
        _remove(dockerd, name)


@pytest.fixture
def named(dockerd: docker.DockerClient) -> Iterator[Callable[..., Container]]:
    """Makes a container under one of the names that the rubric looks for."""

    def make(name: str, image: str = "web:1", start: bool = False) -> Container:
        container = dockerd.containers.create(image, name=name)
        if start:
            container.start()
        return container

    yield make
    for name in NAMES:
        for container in dockerd.containers.list(all=True, filters={"name": f"^/?{name}$"}):
            container.remove(force=True)


def _remove(dockerd: docker.DockerClient, name: str) -> None:
    with suppress(docker.errors.ImageNotFound):
        dockerd.images.remove(name, force=True)


def word() -> str:
    return graders.nonce("01")


def edited(*more: str, index: str = "", about: bool = True, old: bool = True) -> Callable[[Container], None]:
    """The edits that A01 asks for, and ``more`` shell lines."""

    def edit(container: Container) -> None:
        lines = [f"echo '{index or word()}' > /www/index.html"]
        lines += ["echo about > /www/about.html"] * about + ["rm /www/old.html"] * old
        code, said = container.exec_run(["sh", "-ec", "\n".join([*lines, *more])])
        assert code == 0, said

    return edit


def rows(report: Report) -> dict[str, Row]:
    return {row.id.removeprefix("test_"): row for row in report.rows}


def points(report: Report) -> dict[str, float]:
    return {name: row.points for name, row in rows(report).items()}


GOOD: Mapping[str, float] = {
    "serves_your_word": 4,
    "page_is_one_layer": 4,
    "page_changes_nothing_else": 4,
    "page_starts_the_server": 3,
    "page_is_signed": 2,
    "both_names_lead_to_one_image": 2,
    "the_original_is_gone": 1,
}


@pytest.mark.parametrize(
    ("edit", "options", "less", "advice"),
    [
        (edited(), {}, {}, ""),
        (edited(index="someone else"), {}, {"serves_your_word": 0}, "Which image did you tag"),
        (edited("touch /tmp/a"), {}, {"page_changes_nothing_else": 3}, "/tmp/a"),
        (edited("touch /tmp/a /root/.ash_history"), {}, {"page_changes_nothing_else": 2}, "/root/.ash_history"),
        (edited("touch /a /b /c /d /e"), {}, {"page_changes_nothing_else": 0}, "meant to be shipped"),
        (edited(old=False), {}, {"page_changes_nothing_else": 3}, "/www/old.html is still there"),
        (edited(about=False), {}, {"page_changes_nothing_else": 3}, "/www/about.html is missing"),
        (edited(), {"author": ""}, {"page_is_signed": 1}, "no author"),
        (edited(), {"author": "", "message": ""}, {"page_is_signed": 0}, "no author and no message"),
        (edited(), {"command": ["sh"]}, {"page_starts_the_server": 0}, "what starts?"),
        (
            edited(),
            {"changes": ["CMD httpd -f -p 80 -h /www"]},
            {"page_starts_the_server": 1},
            "web:1 starts ['httpd'",
        ),
    ],
    ids=[
        "good", "another word", "one stray file", "two stray files", "many stray files", "old page left",
        "no about page", "no author", "unsigned", "from a shell", "shell form",
    ],
)  # fmt: skip
def test_a_page_gets_what_it_earns(
    commit: Make, edit: Any, options: dict[str, Any], less: Mapping[str, float], advice: str
) -> None:
    name = commit(edit, **{**SIGNED, **options})
    kit.tag(name, "a01/page:stable")
    report = graders.check("01", name)
    assert report.max == 20
    assert points(report) == {**GOOD, **less}
    for criterion in less:
        assert advice in rows(report)[criterion].advice


def test_what_is_written_into_a_volume_is_not_delivered(commit: Make) -> None:
    def write(container: Container) -> None:
        container.exec_run(["sh", "-c", f"echo {word()} > /www/index.html"])

    name = commit(write, volumes=["/www"], **SIGNED)
    found = rows(graders.check("01", name))["serves_your_word"]
    assert found.points == 0
    assert any("mount" in hint for hint in found.hints)


def test_a_commit_of_a_commit_is_two_layers(commit: Make) -> None:
    first = commit(edited(), **SIGNED)
    second = commit(edited(old=False), parent=first, **SIGNED)
    assert points(graders.check("01", second))["page_is_one_layer"] == 2


def test_an_imported_image_shares_nothing_with_its_parent(commit: Make, dockerd: docker.DockerClient) -> None:
    container = dockerd.containers.run(commit(edited(), **SIGNED), detach=True)
    name = "llrubric01/imported:1"
    try:
        tar = b"".join(container.export())
        dockerd.api.import_image_from_data(tar, repository="llrubric01/imported", tag="1")
        found = rows(graders.check("01", name))
    finally:
        container.remove(force=True, v=True)
        _remove(dockerd, name)
    assert found["serves_your_word"].points == 4
    assert found["page_is_one_layer"].points == found["page_changes_nothing_else"].points == 0
    assert "Whose layers are these?" in found["page_is_one_layer"].advice


def test_a_tag_before_the_edit_names_another_image(commit: Make) -> None:
    kit.tag("web:1", "a01/page:stable")
    found = rows(graders.check("01", commit(edited(), **SIGNED)))["both_names_lead_to_one_image"]
    assert (found.points, "which one did you tag?" in found.advice) == (0, True)


def test_the_container_must_go(commit: Make, named: Callable[..., Container]) -> None:
    named("a01-page")
    assert points(graders.check("01", commit(edited(), **SIGNED)))["the_original_is_gone"] == 0


def test_no_image_no_points(teacher: None) -> None:
    assert graders.check("01", "llrubric01/nothing:1").points == 0


def test_the_model_solution_gets_full_marks(teacher: None) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    *cells, last = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    names: dict[str, Any] = {}
    try:
        exec("\n".join(cells), names)
        assert eval(last, names) == 20
    finally:
        kit.reset("a01")


# ---- exercises


@pytest.mark.parametrize(
    ("kept", "earned"),
    [
        (("file", "deleted"), 5),
        (("file", "deleted", "variable", "volume", "process"), 2),
        (("file", "deleted", "volume"), 4),
        (("file",), 4),
    ],
)
def test_a_prediction_gets_a_point_for_each_that_is_right(teacher: None, kept: Any, earned: float) -> None:
    answers = {name: name in kept for name in ("file", "deleted", "variable", "volume", "process")}
    assert graders.check("01.1", answers=answers).points == earned


def test_your_own_page(commit: Make) -> None:
    def check(image: str, page: str = PAGE) -> dict[str, float]:
        return points(graders.check("01.2", image, answers={"page": page}))

    def put(container: Container) -> None:
        container.put_archive("/www", kit.tar({"index.html": PAGE}))

    assert check(commit(put)) == {"holds_your_page": 1, "one_layer_above_its_parent": 1}
    assert check(commit())["holds_your_page"] == 0
    assert check(commit(put), "")["holds_your_page"] == 0
    assert check(commit(put, parent=commit(edited())))["one_layer_above_its_parent"] == 0


def test_a_container_that_never_ran(commit: Make, named: Callable[..., Container]) -> None:
    image = commit(edited())
    assert graders.check("01.3", image).points == 1  # there is no such container
    quiet = named("ex01-quiet")
    assert graders.check("01.3", image).points == 2
    assert "put_archive does" in str(graders.check("01.3", commit()))
    quiet.start()
    report = graders.check("01.3", image)
    assert report.points == 1
    assert "it was started" in str(report)


def test_what_a_commit_starts(commit: Make) -> None:
    httpd = 'CMD ["httpd", "-f", "-p", "80", "-h", "/www"]'
    assert graders.check("01.4", commit(command=["sh"], changes=[httpd])).points == 2
    broken = graders.check("01.4", commit(command=["sh"]))
    assert broken.points == 0
    assert "Which command had the container?" in str(broken)


def test_letting_go(commit: Make, named: Callable[..., Container]) -> None:
    image = commit(edited())
    assert graders.check("01.5", image).points == 1
    named("ex01-site", start=True)
    report = graders.check("01.5", image)
    assert report.points == 0
    assert "still there: running" in str(report)
