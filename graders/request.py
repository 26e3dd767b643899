"""What a rubric is asked to look at: plain values that cross into its process as JSON."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Request:
    """``engine`` as DOCKER_HOST has it. ``image`` is a reference, for criteria about one image.

    ``context`` is the directory that the learner builds from, for criteria that build it again.
    ``answers`` are JSON values that the learner wrote down; ``exercise`` "" means: every criterion.
    ``secret`` decides what the learner is to find out; "" is the nonce.
    """

    engine: str
    image: str = ""
    context: str = ""
    answers: Mapping[str, Any] = field(default_factory=dict)
    nonce: str = ""
    exercise: str = ""
    secret: str = ""
