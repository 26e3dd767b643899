"""Building an image from a Dockerfile: ``kit.build``.

The engine's own builder does the work: BuildKit through the ``docker`` command where the engine and the command
have it, else the classic builder through the Docker SDK.
"""

import re
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import docker
import requests

from kit.errors import Invalid, StepFailed, Unavailable
from kit.lab import buildkit
from kit.lab.blame import line_of
from kit.lab.connect import Lab, connect
from kit.lab.context import File, pack_context
from kit.lab.display import Live, display, shell
from kit.lab.hints import find_hint
from kit.lab.images import Image, image
from kit.lab.ledger import note
from kit.lab.steps import Event, Failed, Output, Progress, Started, classic_events
from kit.oci.reference import parse_reference
from kit.views.blocks import View
from kit.views.models.build import BuildCard, Failure, Step, listing

_NAME = "Dockerfile"
_RACE = "unable to find image"
"""Docker's classic builder looks for cached steps among all images, and fails when one is removed just then."""
_EXIT_CODE = re.compile(r"(?:non-zero code|exit code): (\d+)")
_LINE = re.compile(r"\bline (\d+)|Dockerfile:(\d+)")


class BuildFailed(StepFailed):
    """There is no image. ``failure`` tells why, with the line of the Dockerfile, the step's output and hints."""

    def __init__(self, name: str, failure: Failure, step: Step | None, log: str) -> None:
        place = f"step {step.number} ({step.instruction}): " if step else ""
        super().__init__(f"{name or 'the image'} was not built. {place}{failure.message}")
        self.name, self.failure, self.step, self.log = name, failure, step, log
        code = _EXIT_CODE.search(failure.message)
        self.code = int(code[1]) if code else None

    def __str__(self) -> str:
        failure = self.failure
        parts = [super().__str__()]
        if failure.dockerfile:
            parts.append(listing(failure.dockerfile, failure.line))
        if failure.meaning:
            parts.append(f"What it means: {failure.meaning}. {failure.hints[0] if failure.hints else ''}".rstrip())
        return "\n".join(parts)

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows: the failure is in the Dockerfile, so no Python is shown."""
        return [f"BuildFailed: {self}"]


@dataclass(frozen=True, repr=False)
class Build(View):
    """A build that gave an image. ``seconds`` on the clock; ``log`` what the steps printed."""

    name: str
    image_id: str
    steps: tuple[Step, ...]
    events: tuple[Event, ...]
    seconds: float
    log: str
    lab: Lab
    shown_by: int | None = None

    @property
    def image(self) -> Image:
        """The image, opened."""
        return image(self.image_id, lab=self.lab)

    def blocks(self) -> Iterator[Any]:
        return BuildCard(self.name, self.steps, self.seconds, self.image_id).blocks()

    def _ipython_display_(self) -> None:
        """Nothing, in the cell that watched the build: it has been shown there."""
        ipython = shell()
        if ipython is None or ipython.execution_count != self.shown_by:
            display({"text/plain": self.text(), "text/html": self.html()}, raw=True)


def build(
    path: str | Path | None = None,
    *,
    dockerfile: str | None = None,
    files: Mapping[str, File] = {},
    tag: str = "",
    args: Mapping[str, object] = {},
    nocache: bool = False,
    target: str = "",
    pull: bool = False,
    lab: Lab | None = None,
) -> Build:
    """Build an image and give it the name ``tag``.

    The build context is the directory ``path``, less what its ``.dockerignore`` names, and ``files`` (path to
    content, or to content and mode; 755 unless given) on top. ``dockerfile`` is the text of the Dockerfile;
    without it the context's own is used. ``args`` are values for ARG.

    Raises:
        BuildFailed: with the line to blame, the step's output and hints. Invalid: a name that no image can have.
    """
    if path is None and dockerfile is None and _NAME not in files:
        raise Invalid("nothing to build: pass a directory, or the text of a Dockerfile as dockerfile=…")
    if tag:
        tag = parse_reference(tag).with_default_tag().familiar
    lab = lab or connect()
    text = None if dockerfile is None else textwrap.dedent(dockerfile).removeprefix("\n")
    directory = None if path is None else Path(path).expanduser()
    options: dict[str, Any] = {"tag": tag, "nocache": nocache, "target": target, "pull": pull}
    options["buildargs"] = {key: str(value) for key, value in args.items()}
    with closing(pack_context(directory, files, dockerfile=text, name=_NAME)) as context:
        shown = _text_of(text, directory, files)
        try:
            return _watch(tag, _events(lab, context, options), shown, lab)
        except BuildFailed as error:
            if _RACE not in error.failure.message:
                raise
            context.seek(0)
            return _watch(tag, _events(lab, context, options), shown, lab)


def _text_of(text: str | None, directory: Path | None, files: Mapping[str, File]) -> str:
    """The Dockerfile that is built, for showing the line that failed."""
    if text is not None:
        return text
    given = files.get(_NAME)
    content = given[0] if isinstance(given, tuple) else given
    if content is None and directory is not None:
        content = directory / _NAME
    data = content.read_bytes() if isinstance(content, Path) else content or b""
    return data if isinstance(data, str) else data.decode(errors="replace")


def _events(lab: Lab, context: IO[bytes], options: Mapping[str, Any]) -> Iterator[Event]:
    if buildkit.is_available(lab):
        return buildkit.build(lab, context, options)
    return classic_events(_classic_messages(lab, context, options))


def _classic_messages(lab: Lab, context: IO[bytes], options: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    wanted = {key: value for key, value in options.items() if value}
    try:
        yield from lab.client.api.build(
            fileobj=context, custom_context=True, dockerfile=_NAME, decode=True, rm=True, forcerm=True, **wanted
        )
    except docker.errors.APIError as error:
        yield {"error": error.explanation or str(error)}
    except (requests.RequestException, docker.errors.StreamParseError, OSError) as error:
        raise Unavailable(f"the engine at {lab.docker_host} went away during the build: {error}") from error


def _watch(name: str, events: Iterator[Event], dockerfile: str, lab: Lab) -> Build:
    progress, seen = Progress(), list[Event]()
    with Live() as live:
        for event in events:
            progress.take(event)
            seen.append(event)
            live.show(BuildCard(name, progress.steps, progress.seconds))
            if isinstance(event, Started):
                live.line(f"Step {len(progress.steps)}: {event.instruction}")
            elif isinstance(event, Output):
                live.line(f"  {event.text.rstrip()}")
        failure = _failure(progress, dockerfile)
        live.finish(BuildCard(name, progress.steps, progress.seconds, progress.image_id, failure))
    if failure:
        raise BuildFailed(name, failure, _blamed(progress), progress.log)
    note(lab.home, name, progress.image_id)
    count = getattr(shell(), "execution_count", None) if live.shown else None
    return Build(
        name, progress.image_id, progress.steps, tuple(seen), progress.seconds, progress.log, lab, shown_by=count
    )


def _blamed(progress: Progress) -> Step | None:
    return next((step for step in progress.steps if step.state == "failed"), None)


def _failure(progress: Progress, dockerfile: str) -> Failure | None:
    failed = progress.failure
    if failed is None and not progress.image_id:
        failed = Failed(0, "the engine ended the build without an image and without a reason")
    if failed is None:
        return None
    step = _blamed(progress)
    output = step.log if step else ""
    hint = find_hint(failed.message, output)
    line = _line(failed.message, step, dockerfile)
    return Failure(failed.message, line, dockerfile, output, hint.meaning, hint.steps)


def _line(message: str, step: Step | None, dockerfile: str) -> int:
    """The line to blame: the one that the builder names, else the one of the step that failed."""
    named = _LINE.search(message)
    if named:
        return int(named[1] or named[2])
    return line_of(step.instruction, step.number, dockerfile) if step else 0
