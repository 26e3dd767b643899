"""BuildKit's build checks: what a Dockerfile may say but had better not.

Source: docs.docker.com/reference/build-checks.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class CheckWarning:
    """One finding. ``rule`` is the check's name (``StageNameCasing``), ``line`` counts from 1."""

    rule: str
    text: str
    line: int

    @property
    def url(self) -> str:
        words = "".join("-" + letter.lower() if letter.isupper() else letter for letter in self.rule)
        return f"https://docs.docker.com/go/dockerfile/rule/{words.lstrip('-')}/"
