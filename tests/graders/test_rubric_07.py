"""The rubric of notebook 07, on images that are good and on images that are wasteful or talkative in one way each."""

import hashlib
import itertools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import docker
import nbformat
import pytest

import graders
import kit
from graders.report import Report, Row
from kit.lab.parents import make_parents

pytestmark = pytest.mark.timeout(600)
NOTEBOOK = Path(__file__).parents[2] / "notebooks/assignments/a07/diet.ipynb"
Build = Callable[..., str]


@pytest.fixture(scope="module")
def teacher(teacher: pytest.MonkeyPatch, dockerd: docker.DockerClient, cache: Path) -> Iterator[None]:
    """With the parents of this notebook."""
    make_parents(dockerd, ["busybox:1", "debian:13"], cache)
    teacher.setenv("LAYERLAB_NOTEBOOK", "a07")
    yield
    kit.reset("a07")


@pytest.fixture(scope="module")
def with_figlet(teacher: None, dockerd: docker.DockerClient) -> Iterator[str]:
    """debian:13 with figlet and the checksum: what most images here begin with."""
    name = "llrubric07/figlet:1"
    kit.build(dockerfile=FIGLET, tag=name)
    yield name
    dockerd.images.remove(name, force=True)


@pytest.fixture
def build(teacher: None, dockerd: docker.DockerClient) -> Iterator[Build]:
    names, numbers = list[str](), itertools.count()

    def make(dockerfile: str, files: Mapping[str, Any] = {}, **options: Any) -> str:
        names.append(f"llrubric07/image:{next(numbers)}")
        kit.build(dockerfile=dockerfile, files=files, tag=names[-1], **options)
        return names[-1]

    yield make
    for name in names:
        dockerd.images.remove(name, force=True)


def cells() -> list[str]:
    return [cell.source for cell in nbformat.read(NOTEBOOK, as_version=4).cells if cell.cell_type == "code"]


@pytest.fixture(scope="module")
def given(teacher: None) -> dict[str, Any]:
    """What the assignment gives to the learner: ``page``, ``files``, ``wasteful``."""
    names: dict[str, Any] = {}
    exec("\n".join(cells()[:2]), names)
    return names


def rows(report: Report) -> dict[str, Row]:
    return {row.id.removeprefix("test_"): row for row in report.rows}


def points(report: Report) -> dict[str, float]:
    return {name: row.points for name, row in rows(report).items()}


GOOD: Mapping[str, float] = {
    "does_the_same": 6,
    "is_small": 5,
    "has_little_dead_weight": 3,
    "tells_no_secret": 4,
    "holds_no_lists_of_apt": 1,
    "stands_on_debian": 1,
}
FIGLET = """
FROM debian:13
RUN apt-get update \\
 && apt-get install -y --no-install-recommends figlet \\
 && rm -rf /var/lib/apt/lists/*
RUN seq 6000000 | sha256sum > /srv/sum
"""
REST = 'COPY page /usr/local/bin/page\nENTRYPOINT ["page"]\nCMD ["Layers"]\n'
BASE = "FROM llrubric07/figlet:1\n"
LICENSE = "COPY key /root/key\nRUN sha256sum < /root/key > /srv/license\n"
OFFICE = f"FROM debian:13 AS office\n{LICENSE}{BASE}COPY --from=office /srv/license /srv/license\n"
EXTRA = "RUN head -c 5000000 /dev/zero > /srv/extra\nRUN rm /srv/extra\n"


@pytest.mark.parametrize(
    ("dockerfile", "mode", "less", "advice"),
    [
        (BASE + LICENSE + REST + "RUN rm /root/key\n", 0o755, {"tells_no_secret": 0}, "/root/key in layer 3"),
        (
            BASE + 'ARG KEY\nRUN echo "$KEY" | sha256sum > /srv/license\n' + REST,
            0o755,
            {"tells_no_secret": 2},
            "in the history",
        ),
        (OFFICE + EXTRA + REST, 0o755, {"is_small": 4, "has_little_dead_weight": 1}, "bytes"),
        (OFFICE + REST, 0o644, {"does_the_same": 0}, "no longer does the same: without arguments"),
    ],
    ids=["key removed later", "key as an argument", "five megabytes for nobody", "page not executable"],
)
def test_a_page_gets_what_it_earns(
    build: Build,
    given: Mapping[str, Any],
    with_figlet: str,
    dockerfile: str,
    mode: int,
    less: Mapping[str, float],
    advice: str,
) -> None:
    files = {**given["files"], "page": (given["page"], mode)}
    report = graders.check("07", build(dockerfile, files, args={"KEY": f"key {given['nonce']}"}))
    assert report.max == 20
    assert points(report) == {**GOOD, **less}
    for criterion in less:
        assert advice in rows(report)[criterion].advice


def test_the_page_as_given_only_works(build: Build, given: Mapping[str, Any]) -> None:
    report = graders.check("07", build(given["wasteful"], given["files"]))
    assert points(report) == {**dict.fromkeys(GOOD, 0), "does_the_same": 6, "stands_on_debian": 1}
    assert "/var/lib/apt/lists/" in rows(report)["holds_no_lists_of_apt"].advice


def test_the_model_solution_gets_full_marks_and_its_import_loses_the_parent(
    teacher: None, dockerd: docker.DockerClient
) -> None:
    *answers, last = cells()
    names: dict[str, Any] = {}
    exec("\n".join(answers), names)
    assert eval(last, names) == 20
    container = dockerd.containers.create("a07/page:1")
    try:
        tar = b"".join(container.export())
    finally:
        container.remove()
    start = ['ENTRYPOINT ["page"]', 'CMD ["Layers"]']
    dockerd.api.import_image_from_data(tar, repository="a07/imported", tag="1", changes=start)
    report = graders.check("07", "a07/imported:1")
    assert points(report) == {**GOOD, "is_small": 0, "holds_no_lists_of_apt": 0, "stands_on_debian": 0}
    assert "export and import flattens" in rows(report)["stands_on_debian"].advice


# ---- exercises


@pytest.mark.parametrize(
    ("answers", "earned"),
    [
        ({"rm": 10, "rm -rf": 10, "chmod": 20, "mv": 20, "one RUN": 0}, 5),
        ({"rm": 10.2, "rm -rf": 9.9, "chmod": 20.4, "mv": 19.2, "one RUN": 0.01}, 5),
        ({"rm": 0, "rm -rf": 0, "chmod": 10, "mv": 10, "one RUN": 10}, 0),
        ({"rm": "10", "rm -rf": None, "chmod": True, "mv": [20]}, 0),
    ],
    ids=["right", "nearly", "what most think", "no numbers"],
)
def test_a_prediction_gets_a_point_for_each_that_is_close(
    teacher: None, answers: Mapping[str, Any], earned: float
) -> None:
    assert graders.check("07.1", answers=answers).points == earned


def test_the_right_mode_from_the_start(build: Build) -> None:
    tool, text = "#!/bin/sh\necho ready\n", 'FROM busybox:1\nCOPY tool /bin/tool\n{}CMD ["/bin/tool"]\n'
    assert graders.check("07.2", build(text.format(""), {"tool": tool})).points == 2
    later = graders.check("07.2", build(text.format("RUN chmod 755 /bin/tool\n"), {"tool": (tool, 0o644)}))
    assert points(later) == {"the_tool_runs": 1, "the_tool_is_stored_once": 0}
    never = graders.check("07.2", build(text.format(""), {"tool": (tool, 0o644)}))
    assert points(never) == {"the_tool_runs": 0, "the_tool_is_stored_once": 1}


def test_finding_the_key(build: Build) -> None:
    image = build("FROM busybox:1\nCOPY k /srv/site/.deploy\nRUN rm -r /srv/site\n", {"k": "-----BEGIN\nx\n"})

    def check(layer: Any, key: Any) -> float:
        return graders.check("07.4", image, answers={"layer": layer, "key": key}).points

    assert check(1, "-----BEGIN\nx\n") == 2
    assert check(2, "-----BEGIN\nx") == 1
    assert check(1, "") == 1
    assert check("1", None) == 0
    assert graders.check("07.4", build("FROM busybox:1\nLABEL a=b\n"), answers={"layer": 1, "key": ""}).points == 0


def test_leaving_no_trace(build: Build) -> None:
    token = "abcdef0123456789"
    files, answers = {"token": f"{token}\n"}, {"token": token}
    work = "FROM busybox:1{}\nCOPY token /token\nRUN sha256sum < /token > /license && rm -f /token\n"
    stages = build(work.format(" AS office") + "FROM busybox:1\nCOPY --from=office /license /\n", files)
    assert graders.check("07.5", stages, answers=answers).points == 3
    report = graders.check("07.5", build(work.format(""), files), answers=answers)
    assert points(report) == {"the_license_is_there": 1, "the_token_is_nowhere": 0}
    assert "/token in layer 1" in str(report)
    assert graders.check("07.5", stages, answers={"token": hashlib.sha256().hexdigest()}).points == 2
    assert graders.check("07.5", stages, answers={}).points == 0
