"""What a build tells while it runs, as events; and the steps that the events add up to.

Two builders speak to us: the classic one, whose log comes as JSON from the engine, and BuildKit, through the
``docker`` command. Each is read into the same few events.

Source: Docker Engine API, "Build an image"; buildkit, util/progress/progressui, "plain".
"""

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from kit.views.models.build import Step


@dataclass(frozen=True)
class Started:
    """A step begins. ``key`` is the builder's own name for it; ``total`` 0 when the builder does not tell."""

    key: int
    instruction: str
    total: int = 0


@dataclass(frozen=True)
class Reused:
    """The step's result was there: from the build cache, or as an image."""

    key: int


@dataclass(frozen=True)
class Reasons:
    """Why the step ran although a build cache is there, in sentences; only Layerlab's own engine tells them."""

    key: int
    why: tuple[str, ...]


@dataclass(frozen=True)
class Output:
    """Something that a step (or the builder, with key 0) printed."""

    key: int
    text: str


@dataclass(frozen=True)
class Ended:
    """The step is done; ``seconds`` None when the builder does not measure."""

    key: int
    seconds: float | None = None


@dataclass(frozen=True)
class Failed:
    """The build is over, without an image. ``key`` 0 when no step is to blame."""

    key: int
    message: str


@dataclass(frozen=True)
class Built:
    image_id: str


Event: TypeAlias = Started | Reused | Reasons | Output | Ended | Failed | Built

_CLASSIC_STEP = re.compile(r"Step (\d+)/(\d+) : (.*)", re.DOTALL)
_CLASSIC_NOISE = re.compile(
    r" ---> [0-9a-f]{12}\s*|Removing intermediate container .*|Successfully (built|tagged) .*"
)
_VERTEX = re.compile(r"#(\d+) (.*)")
_VERTEX_STEP = re.compile(r"\[(?:\S+ )?(\d+)/(\d+)\] (.*)")
_VERTEX_DONE = re.compile(r"DONE ([\d.]+)s")
_VERTEX_OUTPUT = re.compile(r"[\d.]+ (.*)")


def classic_events(messages: Iterable[Mapping[str, Any]]) -> Iterator[Event]:
    """The events in the classic builder's stream of JSON messages."""
    step = 0
    for message in messages:
        text = str(message.get("stream") or "")
        started = _CLASSIC_STEP.match(text)
        if message.get("layerlab") == "failure":  # this package shows a failure in its own way
            continue
        if message.get("error") or message.get("message"):
            detail = message.get("errorDetail") or {}
            yield Failed(step, str(detail.get("message") or message.get("error") or message.get("message")).strip())
            return
        if started:
            if step:
                yield Ended(step)
            step = int(started[1])
            yield Started(step, started[3].strip(), int(started[2]))
        elif " ---> Using cache" in text:
            yield Reused(step)
        elif message.get("id") == "layerlab.cache":
            yield Reasons(step, tuple(map(str, message["aux"].get("Why") or ())))
        elif "aux" in message and "ID" in message["aux"]:
            yield Built(str(message["aux"]["ID"]))
        elif text.strip() and not _CLASSIC_NOISE.fullmatch(text.rstrip("\n")) and text != " ---> ":
            yield Output(step, text)
        elif message.get("status"):
            yield from _pull_output(step, message)
    if step:
        yield Ended(step)


def _pull_output(step: int, message: Mapping[str, Any]) -> Iterator[Event]:
    if not message.get("progressDetail"):
        layer = f"{message['id']}: " if message.get("id") else ""
        yield Output(step, f"{layer}{message['status']}\n")


def buildkit_events(lines: Iterable[str]) -> Iterator[Event]:
    """The events in the lines of ``docker build --progress=plain``. The image ID is not among them."""
    steps: set[int] = set()
    for line in lines:
        vertex = _VERTEX.match(line)
        if not vertex:
            if line.strip():
                yield Output(0, line)
            continue
        key, text = int(vertex[1]), vertex[2]
        started = _VERTEX_STEP.match(text)
        if started and key not in steps:
            steps.add(key)
            yield Started(key, started[3], int(started[2]))
        elif key in steps:
            yield from _step_events(key, text)
        elif text.startswith("ERROR:"):
            yield Failed(0, text.removeprefix("ERROR:").strip())


def _step_events(key: int, text: str) -> Iterator[Event]:
    done, output = _VERTEX_DONE.fullmatch(text), _VERTEX_OUTPUT.match(text)
    if text == "CACHED":
        yield Reused(key)
        yield Ended(key, 0.0)
    elif done:
        yield Ended(key, float(done[1]))
    elif text.startswith("ERROR:"):
        yield Failed(key, text.removeprefix("ERROR:").strip())
    elif output:
        yield Output(key, output[1] + "\n")


class Progress:
    """The steps as they stand, from the events so far."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._began = clock, clock()
        self._steps: dict[int, Step] = {}
        self._since: dict[int, float] = {}
        self.image_id = ""
        self.failure: Failed | None = None
        self._log: list[str] = []

    @property
    def steps(self) -> tuple[Step, ...]:
        return tuple(self._steps.values())

    @property
    def seconds(self) -> float:
        return self._clock() - self._began

    @property
    def log(self) -> str:
        """Everything that was printed, in order."""
        return "".join(self._log)

    def take(self, event: Event) -> None:
        match event:
            case Started(key, instruction, total):
                number = len(self._steps) + 1
                self._steps[key] = Step(number, total, instruction, "running")
                self._since[key] = self._clock()
            case Reused(key) if key in self._steps:
                self._change(key, state="reused")
            case Reasons(key, why) if key in self._steps:
                self._change(key, why=why)
            case Output(key, text):
                self._log.append(text)
                if key in self._steps:
                    self._change(key, log=self._steps[key].log + text)
            case Ended(key, seconds) if key in self._steps:
                self._end(key, seconds)
            case Failed(key, _):
                self.failure = self.failure or event
                if key in self._steps:
                    self._end(key, None, "failed")
            case Built(image_id):
                self.image_id = image_id

    def _change(self, key: int, **facts: Any) -> None:
        self._steps[key] = replace(self._steps[key], **facts)

    def _end(self, key: int, seconds: float | None, state: str = "") -> None:
        step = self._steps[key]
        if step.state == "running":
            from_parent = step.instruction.upper().startswith("FROM") and not step.log and not state
            self._change(key, state=state or ("reused" if from_parent else "ran"))
        if not step.seconds:
            self._change(key, seconds=self._clock() - self._since[key] if seconds is None else seconds)
