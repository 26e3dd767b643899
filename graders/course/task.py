"""What crosses between who grades a class and the process that examines one submission: plain JSON, both ways."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from graders.course.sandbox import Kind
from graders.report import NotGraded, Report


@dataclass(frozen=True)
class GradeCell:
    """A grade cell, as the source version has it.

    ``answers`` and ``context`` are expressions that the kernel is asked for, or "".
    """

    grade_id: str
    points: float
    notebook: str
    exercise: str
    answers: str = ""
    context: str = ""

    @property
    def expression(self) -> str:
        """What the kernel is asked for: a dict of both."""
        return f"{{'answers': {self.answers or '{}'}, 'context': str({self.context or repr('')})}}"


@dataclass(frozen=True)
class Task:
    """One submission. ``notebook`` is repaired; ``files`` is the directory that it was handed in with; ``template``
    an engine's home with the parents, which have ``known_layers``; ``words``: notebook number to the learner's word.
    ``rubrics``: folders of the instructor's own rubrics, as PATH names folders.
    """

    notebook: dict[str, Any]
    cells: dict[int, GradeCell]
    files: str
    template: str
    result: str
    kind: Kind
    words: dict[str, str]
    secret: str
    patients: tuple[str, ...] = ()
    known_layers: tuple[str, ...] = ()
    registry: bool = False
    rubrics: str = ""
    isolator: str = ""
    disk: int = 1 << 30
    cell_seconds: float = 60.0
    seconds: float = 300.0

    @classmethod
    def of_json(cls, document: Mapping[str, Any]) -> "Task":
        cells = {int(number): GradeCell(**cell) for number, cell in document["cells"].items()}
        kind = Kind(document["kind"])
        lists = {name: tuple(document[name]) for name in ("patients", "known_layers")}
        return cls(**{**document, **lists, "cells": cells, "kind": kind})

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Graded:
    """One grade cell: a report, or why there is none."""

    report: dict[str, Any] | None = None
    broken: str = ""

    def read(self) -> Report:
        """The report, checked.

        Raises:
            NotGraded
        """
        if self.broken or self.report is None:
            raise NotGraded(self.broken or "not graded: nobody has looked at it")
        import json

        return Report.of_json(json.dumps(self.report))


@dataclass(frozen=True)
class Result:
    """``outputs`` and ``scores`` by the cell's number; ``trouble`` is what ended the run early; ``layers`` were made
    by the submission; ``broken``: why nothing was graded at all.
    """

    outputs: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    scores: dict[int, Graded] = field(default_factory=dict)
    kind: Kind = Kind.NONE
    trouble: str = ""
    layers: list[str] = field(default_factory=list)
    broken: str = ""

    @classmethod
    def failed(cls, why: str, kind: Kind) -> "Result":
        return cls(kind=kind, broken=why)

    @property
    def why_not(self) -> str:
        """Why it is not graded; "" if it is."""
        return self.broken or next((score.broken for score in self.scores.values() if score.broken), "")

    @classmethod
    def of_json(cls, document: Mapping[str, Any]) -> "Result":
        """
        Raises:
            NotGraded: that is no result.
        """
        try:
            return cls(
                {int(number): list(rows) for number, rows in document["outputs"].items()},
                {int(number): Graded(**score) for number, score in document["scores"].items()},
                Kind(document["kind"]),
                str(document["trouble"]),
                [str(layer) for layer in document["layers"]],
                str(document["broken"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise NotGraded(f"not graded: the result is damaged ({error!r})") from error

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def reason(text: str) -> str:
    """A reason for people: one line, without control characters."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f]+", " ", text).strip()[:500]
