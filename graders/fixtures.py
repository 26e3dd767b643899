"""The facts a criterion may ask for, as pytest fixtures.

Facts come from the image itself, from running it, from the registry, and from answers that are plain JSON.
A criterion never talks to an engine itself.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

import kit
from graders import lint, probes
from graders.criteria import Partial, find_criterion
from graders.facts import (
    Answers,
    Asked,
    Container,
    Containers,
    Grep,
    Hadolint,
    Image,
    Images,
    Manifest,
    Manifests,
    Peek,
    Place,
    Probe,
    Rebuild,
    Registry,
    Result,
    Run,
    Serve,
    Service,
    StructureTest,
)
from graders.rebuilding import Rebuilding
from graders.request import Request
from graders.structure_file import read_structure_file
from graders.structure_test import run_structure_tests

REQUEST: "pytest.StashKey[Request]" = pytest.StashKey()
ANSWERS: "pytest.StashKey[Answers]" = pytest.StashKey()


@pytest.fixture(scope="session")
def _asked(pytestconfig: pytest.Config) -> Request:
    return pytestconfig.stash[REQUEST]


@pytest.fixture(scope="session")
def images() -> Images:
    """Opens any image by its reference; an AssertionError with advice if there is none."""
    opened: dict[str, Image] = {}

    def open_image(reference: str) -> Image:
        if reference not in opened:
            try:
                opened[reference] = kit.image(reference)
            except kit.NotFound as error:
                raise AssertionError(
                    f"There is no image {reference} yet. Build it and give it exactly this name."
                ) from error
        return opened[reference]

    return open_image


@pytest.fixture
def reference(request: pytest.FixtureRequest, _asked: Request) -> str:
    """The name of the image that is looked at: the one asked for, else the criterion's own."""
    mark = find_criterion(request.function)
    name = _asked.image or (mark.image if mark else "")
    assert name, "Say which image to look at."
    return name


@pytest.fixture
def image(reference: str, images: Images) -> Image:
    """The image that is looked at."""
    return images(reference)


@pytest.fixture(scope="session")
def run(images: Images) -> Run:
    """Runs an image without network, read-only, bounded: ``run(reference, *args) -> Result(code, out, err)``."""

    def run_image(reference: str, *args: str) -> Result:
        images(reference)
        return kit.run(reference, *args)

    return run_image


@pytest.fixture
def container(reference: str, run: Run) -> Run:
    """Runs the image that is looked at, as ``run`` does: ``container(*args) -> Result``."""

    def run_it(*args: str) -> Result:
        return run(reference, *args)

    return run_it


@pytest.fixture(scope="session")
def serve(images: Images) -> Serve:
    """Starts an image as bounded as ``run`` does, asks its web server, stops it: ``serve(reference, port=…)``."""

    def serve_image(reference: str, *args: str, port: int = 80, path: str = "/") -> Service:
        images(reference)
        return kit.serve(reference, *args, port=port, path=path)

    return serve_image


@pytest.fixture(scope="session")
def grep(images: Images) -> Grep:
    """Where in an image's layers, history and configuration a text is: ``grep(text, reference)``."""

    def places(text: str, reference: str) -> Iterable[Place]:
        images(reference)
        return kit.grep(text, reference)

    return places


@pytest.fixture(scope="session")
def peek(images: Images) -> Peek:
    """A file as each layer has it that has it: ``peek(path, reference)``; an AssertionError if none has."""

    def contents(path: str, reference: str) -> Mapping[int, bytes]:
        images(reference)
        try:
            return kit.peek(path, reference)
        except kit.NotFound as error:
            raise AssertionError(f"{error}. Build it as the notebook does.") from error

    return contents


@pytest.fixture(scope="session")
def containers() -> Containers:
    """Finds a container by its name, as it is now."""

    def find_container(name: str) -> Container | None:
        try:
            return kit.container(name)
        except kit.NotFound:
            return None

    return find_container


@pytest.fixture(scope="session")
def answers(pytestconfig: pytest.Config) -> Answers:
    """What the learner wrote down, by name. JSON of any kind: a criterion that chokes on it fails with advice."""
    return pytestconfig.stash[ANSWERS]


@pytest.fixture(scope="session")
def probe(answers: Answers) -> Probe:
    """One value of the learner's kernel, of the kind asked for: ``probe("squares", list)``; else advice."""

    def value(name: str, kind: type[Any]) -> Any:
        return probes.probe(answers, name, kind)

    return value


@pytest.fixture(scope="session")
def nonce(_asked: Request) -> str:
    """A word that only this learner was given."""
    return _asked.nonce


@pytest.fixture(scope="session")
def dockerfile(_asked: Request, answers: Answers) -> str:
    """The learner's Dockerfile: of the directory that is built, else the answer ``dockerfile``."""
    if _asked.context:
        return lint.read_dockerfile(Path(_asked.context))
    return str(probes.probe(answers, "dockerfile", str))


@pytest.fixture
def hadolint(dockerfile: str) -> Hadolint:
    """Fails on what hadolint finds in the learner's Dockerfile; see ``graders.lint``."""

    def check(level: str = "warning", *, ignore: Sequence[str] = ()) -> None:
        found = lint.findings(dockerfile, level, ignore)
        assert not found, "hadolint says:\n" + "\n".join(found)

    return check


@pytest.fixture
def structure_test(request: pytest.FixtureRequest, reference: str, image: Image) -> StructureTest:
    """Runs a container-structure-test file on the image that is looked at."""

    def run_file(file: str) -> None:
        tests = read_structure_file(request.path.parent / file)
        outcomes = list(run_structure_tests(tests, image, reference))
        failed = [outcome for outcome in outcomes if outcome.errors]
        if failed:
            mark = find_criterion(request.function)
            passed = (len(outcomes) - len(failed)) / len(outcomes)
            raise Partial(round((mark.points if mark else 0) * passed, 2), "\n".join(map(str, failed)))

    return run_file


@pytest.fixture(scope="session")
def rebuild(_asked: Request) -> Iterator[Rebuild]:
    """Builds the learner's context again, with the grader's own changes; see ``graders.rebuilding``."""
    rebuilding = Rebuilding(Path(_asked.context) if _asked.context else None)
    yield rebuilding.build
    rebuilding.clear()


@pytest.fixture(scope="session")
def registry(manifest: Manifests) -> Registry:
    """What registries hold: ``manifest``, ``has``, ``pull``; what the local one was asked: ``requests``."""
    return _Registry(manifest)


class _Registry:
    def __init__(self, manifest: Manifests) -> None:
        self.manifest = manifest

    def __str__(self) -> str:
        return str(kit.registry())

    def has(self, reference: str) -> bool:
        try:
            return bool(kit.manifest(reference))
        except kit.NotFound:
            return False

    def pull(self, reference: str) -> str:
        self.manifest(reference)
        try:
            kit.pull(reference)
        except (kit.Unavailable, kit.Denied) as error:
            kit.connect()  # raises when it was the engine's fault
            raise AssertionError(str(error)) from error
        return reference

    def requests(self) -> Sequence[Asked]:
        return kit.requests()


@pytest.fixture(scope="session")
def secret(_asked: Request) -> str:
    """What decided which image has which illness. At home it is the word; a grader has one that no learner sees."""
    return _asked.secret or _asked.nonce


@pytest.fixture(scope="session")
def manifest() -> Manifests:
    """The manifest that a registry holds under a reference, read over HTTP; an AssertionError if there is none."""

    def read_manifest(reference: str) -> Manifest:
        try:
            return kit.manifest(reference)
        except kit.NotFound as error:
            raise AssertionError(f"The registry has no {reference} yet. Push it.") from error
        except kit.Invalid as error:
            raise AssertionError(f"What the registry has as {reference} is no manifest: {error}") from error

    return read_manifest
