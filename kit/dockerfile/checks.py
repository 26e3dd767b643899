"""BuildKit's build checks: what a Dockerfile may say but had better not.

Here is what a finding is, and which findings the author has asked not to see: ``# check=skip=…`` at the top of the
file or right above an instruction. The rules themselves are in ``lint`` and, where they need to know variables, in
``plan``.

Source: docs.docker.com/reference/build-checks; BuildKit's linter.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from kit.dockerfile.errors import Wrong
from kit.dockerfile.go import SPACE, parse_bool, quote

EXPERIMENTAL = frozenset({"InvalidDefinitionDescription"})  # only on request


@dataclass(frozen=True)
class CheckWarning:
    """One finding. ``rule`` is the check's name (``StageNameCasing``), ``line`` counts from 1."""

    rule: str
    text: str
    line: int

    @property
    def url(self) -> str:
        words = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", self.rule).lower()
        return f"https://docs.docker.com/go/dockerfile/rule/{words}/"

    def __str__(self) -> str:
        return f"{self.rule}: {self.text} (line {self.line})"


@dataclass(frozen=True)
class CheckOptions:
    """``skip=…;experimental=…;error=…``; the name ``all`` stands for every rule."""

    skip: frozenset[str] = frozenset()
    experimental: frozenset[str] = frozenset()
    error: bool = False

    def wants(self, rule: str) -> bool:
        if rule in EXPERIMENTAL:
            return bool(self.experimental & {rule, "all"})
        return not self.skip & {rule, "all"}


def parse_check_options(text: str) -> CheckOptions:
    """The options after ``# check=``.

    Raises:
        Wrong: an option that there isn't.
    """
    options = CheckOptions()
    for part in text.strip(SPACE).split(";", 2) if text.strip(SPACE) else ():
        key, equals, value = part.partition("=")
        if not equals:
            raise Wrong(f"invalid check option {quote(part)}", text)
        names = frozenset(name.strip(SPACE) for name in value.split(","))
        match key.strip(SPACE):
            case "skip":
                options = replace(options, skip=names)
            case "experimental":
                options = replace(options, experimental=names)
            case "error":
                truth = parse_bool(value.strip(SPACE))
                if truth is None:
                    raise Wrong(f"failed to parse check option {quote(part)}: invalid syntax", text)
                options = replace(options, error=truth)
            case _:
                raise Wrong(f"invalid check option {quote(key.strip(SPACE))}", text)
    return options


@dataclass
class Findings:
    """Collects findings, each once, but for those that were not asked for."""

    options: CheckOptions
    found: list[CheckWarning] = field(default_factory=list)
    _seen: set[CheckWarning] = field(default_factory=set)

    def add(self, rule: str, text: str, line: int, comments: Iterable[str] = ()) -> None:
        """``comments`` stand right above the instruction, and may ask for silence."""
        warning = CheckWarning(rule, text, line)
        if warning not in self._seen and _merged(self.options, comments).wants(rule):
            self._seen.add(warning)
            self.found.append(warning)

    def refusal(self) -> Wrong | None:
        """What to raise if there are findings and ``error=true`` asks for it."""
        if not (self.options.error and self.found):
            return None
        rules = dict.fromkeys(warning.rule for warning in self.found)
        return Wrong(f"lint violation found for rules: {', '.join(rules)}")


def _merged(options: CheckOptions, comments: Iterable[str]) -> CheckOptions:
    for comment in comments:
        key, equals, value = comment.partition("=")
        if not equals or key.strip(SPACE).lower() != "check":
            continue
        try:
            more = parse_check_options(value.strip(SPACE).partition(" ")[0])
        except Wrong:
            return options
        skip, experimental = options.skip | more.skip, options.experimental | more.experimental
        return replace(options, skip=skip, experimental=experimental)
    return options
