"""The rubric of notebook 04, on services that are good and on services that are bad in one way each."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import nbformat
import pytest

import graders
import kit
from graders.projects import DOCKERFILE
from graders.report import Report, Row

NOTEBOOK = Path(__file__).parents[2] / "notebooks/assignments/a04/quotes.ipynb"
GOOD_FILE = """\
FROM busybox:1
ARG VERSION=dev
LABEL org.opencontainers.image.version=$VERSION
WORKDIR /app
COPY quotes.sh .
COPY public/ public/
COPY download.tar public/
ADD theme.tar public/theme/
EXPOSE 8080
USER 1000
ENTRYPOINT ["./quotes.sh"]
CMD ["serve"]
"""
IGNORE = ".git\nsecret.env\n**/*.log\n"
ALL_OF_IT = GOOD_FILE.replace("COPY quotes.sh .\nCOPY public/ public/\n", "COPY . .\n")
GOOD: Mapping[str, float] = {
    "builds": 2,
    "answers_with_your_word": 3,
    "lives_in_app": 2,
    "can_be_asked_for_help": 3,
    "stops_when_asked": 2,
    "is_not_root_and_cant_change_itself": 2,
    "says_its_port": 1,
    "keeps_secrets_out_of_every_layer": 2,
    "version_reaches_the_label": 2,
    "one_tar_unpacked_and_one_whole": 1,
}
Grade = Callable[..., Report]


@pytest.fixture
def grade(teacher: None, dockerd: Any, tmp_path: Path) -> Iterator[Grade]:
    """The report on a service made of this Dockerfile and this ``.dockerignore``."""
    name = "llrubric04/quotes:1"

    def make(dockerfile: str = GOOD_FILE, ignore: str = IGNORE) -> Report:
        project = tmp_path / "project"
        shutil.copytree(graders.project("04"), project)
        (project / "Dockerfile").write_text(dockerfile)
        (project / ".dockerignore").write_text(ignore)
        try:
            kit.build(project, tag=name)
        except kit.StepFailed:
            return graders.check("04", "llrubric04/none:1", context=project)
        return graders.check("04", name, context=project)

    yield make
    if kit.tags(name):
        dockerd.images.remove(name, force=True)


@pytest.fixture
def build(teacher: None, dockerd: Any) -> Iterator[Callable[..., str]]:
    """Builds an image of this test; all are removed at the end."""
    names: list[str] = []

    def make(dockerfile: str, **files: str) -> str:
        names.append(f"llrubric04/lesson:{len(names)}")
        kit.build(dockerfile=dockerfile, files=files, tag=names[-1])
        return names[-1]

    yield make
    for name in reversed(names):
        dockerd.images.remove(name, force=True)


def rows(report: Report) -> dict[str, Row]:
    return {row.id.removeprefix("test_"): row for row in report.rows}


def points(report: Report) -> dict[str, float]:
    return {name: row.points for name, row in rows(report).items()}


HELP = 'ENTRYPOINT ["./quotes.sh"]\nCMD ["serve"]'


@pytest.mark.parametrize(
    ("dockerfile", "ignore", "less", "advice"),
    [
        (GOOD_FILE, IGNORE, {}, []),
        (
            "ARG VERSION=dev\n"
            + ALL_OF_IT.replace("ARG VERSION=dev\n", "").replace(
                "USER", "RUN rm -r secret.env .git logs *.log && chmod -R 777 /app\nUSER"
            ),
            "",
            {
                "keeps_secrets_out_of_every_layer": 0,
                "version_reaches_the_label": 0,
                "is_not_root_and_cant_change_itself": 1,
            },
            ["That hides it", "the label says ''", "The user may change /app/"],
        ),
        (
            ALL_OF_IT.replace("COPY download.tar", "ADD download.tar")
            .replace("ADD theme.tar", "COPY theme.tar")
            .replace(HELP, 'ENTRYPOINT ["./quotes.sh", "serve"]'),
            "*.log\n.git\nsecret.env\n",
            {
                "keeps_secrets_out_of_every_layer": 0,
                "one_tar_unpacked_and_one_whole": 0,
                "can_be_asked_for_help": 0,
            },
            ["/app/logs/old.log", "who unpacks theme.tar?", "CMD is None"],
        ),
        (
            GOOD_FILE.replace(HELP, "ENTRYPOINT ./quotes.sh serve; true"),
            IGNORE,
            {"can_be_asked_for_help": 0, "stops_when_asked": 0},
            ["ENTRYPOINT is ['/bin/sh', '-c'", "it was killed"],
        ),
        (
            GOOD_FILE.replace("WORKDIR /app", "WORKDIR /srv").replace("EXPOSE 8080", "EXPOSE 80"),
            IGNORE,
            {
                "lives_in_app": 0,
                "is_not_root_and_cant_change_itself": 1,
                "says_its_port": 0,
                "one_tar_unpacked_and_one_whole": 0,
            },
            ["Outside /app there is /srv/public/download.tar", "it listens on 8080"],
        ),
        (
            GOOD_FILE.replace("USER 1000", "USER quotes"),
            IGNORE,
            {
                "answers_with_your_word": 0,
                "can_be_asked_for_help": 2,
                "stops_when_asked": 0,
                "is_not_root_and_cant_change_itself": 0,
            },
            ["unable to find user quotes", "give a number"],
        ),
    ],
    ids=[
        "good", "removed by RUN, ARG above FROM, writable", "a log, tars swapped, no default", "shell form",
        "elsewhere", "a user without an account",
    ],
)  # fmt: skip
def test_a_service_gets_what_it_earns(
    grade: Grade, dockerfile: str, ignore: str, less: Mapping[str, float], advice: list[str]
) -> None:
    report = grade(dockerfile, ignore)
    assert points(report) == {**GOOD, **less}
    assert report.max == 20
    told = "\n".join(row.advice for name, row in rows(report).items() if name in less)
    assert [text for text in advice if text not in told] == []


def test_the_dockerfile_as_found_does_not_build(grade: Grade) -> None:
    report = grade(DOCKERFILE, "")
    assert report.points == 0
    assert "step 4 (RUN cd /app)" in rows(report)["builds"].advice


def test_the_model_solution_gets_full_marks(teacher: None) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    *cells, last = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    names: dict[str, Any] = {}
    try:
        exec("\n".join(cells), names)
        assert eval(last, names) == 20
        assert DOCKERFILE in "\n".join(cells), "what is handed out is what the tests know"
    finally:
        kit.reset("a04")


# ---- exercises


@pytest.mark.parametrize(
    ("answers", "earned"),
    [
        ({"settings": 0, "two_runs": 2, "one_run": 1, "copy": 1, "remove": 1, "copy_remove": 2}, 6),
        ({"settings": 3, "two_runs": 2, "one_run": 1, "copy": 3, "remove": 0, "copy_remove": 0}, 2),
        ({"one_run": True, "copy": "1"}, 0),
        ({}, 0),
    ],
)
def test_a_prediction_gets_a_point_for_each_that_is_right(
    teacher: None, answers: Mapping[str, Any], earned: float
) -> None:
    assert graders.check("04.1", answers=answers).points == earned


@pytest.mark.parametrize(
    ("exercise", "dockerfile", "earned", "advice"),
    [
        ("04.2", "FROM busybox:1\nWORKDIR /app\nRUN pwd > /where\n", 2, ""),
        ("04.2", "FROM busybox:1\nRUN mkdir /app && cd /app && pwd > /where\n", 1, "Which instruction sets"),
        ("04.2", "FROM busybox:1\nRUN mkdir /app\nRUN cd /app\nRUN pwd > /where\n", 0, "/where says '/'"),
        ("04.3", 'FROM busybox:1\nENTRYPOINT ["echo", "E"]\nCMD ["C"]\n', 2, ""),
        ("04.3", 'FROM busybox:1\nCMD ["echo", "E", "C"]\n', 1, "with X it says ''"),
        ("04.3", "FROM busybox:1\nENTRYPOINT echo E C\n", 1, "arguments do not reach it"),
        ("04.5", "FROM web:1\nCOPY start.sh /\nRUN chmod 755 /start.sh\nCMD /start.sh; true\n", 0, "was killed"),
        (
            "04.6",
            "FROM web:1\nRUN echo > /www/prices.csv && mkdir /www/logs && echo > /www/logs/old.log\n",
            0,
            "depth",
        ),
        ("04.6", "FROM web:1\nCOPY start.sh /www/\n", 0, "prices.csv is missing"),
    ],
)
def test_an_exercise_gets_what_it_earns(
    build: Callable[..., str], web: None, exercise: str, dockerfile: str, earned: float, advice: str
) -> None:
    files = {"start.sh": "#!/bin/sh\nhttpd -f -p 80 -h /www\n"} if "start.sh" in dockerfile else {}
    report = graders.check(exercise, build(dockerfile, **files))
    assert report.points == earned
    assert advice in str(report)


@pytest.fixture(scope="module")
def web(teacher: None) -> None:
    kit.parents("web:1")


def test_a_childs_default_is_its_own(build: Callable[..., str], web: None, dockerd: Any) -> None:
    dockerd.images.get(build('FROM busybox:1\nCMD ["C"]\n')).tag("ex04/default", "1")
    start = 'FROM ex04/default:1\nENTRYPOINT ["echo", "E"]\n'
    try:
        assert graders.check("04.4", build(start + 'CMD ["C"]\n')).points == 2
        assert "resets the CMD" in str(graders.check("04.4", build(start)))
        assert graders.check("04.4", build('FROM ex04/default:1\nENTRYPOINT ["echo", "E", "C"]\n')).points == 1
        assert "does not stand on ex04/default:1" in str(graders.check("04.4", build("FROM web:1\nUSER 1\n")))
    finally:
        dockerd.images.remove("ex04/default:1", force=True)
