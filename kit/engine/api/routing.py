"""Which function answers which path.

A pattern is a path in which ``{name}`` stands for one part, and ``{name*}`` for one or more, because the names of
images have slashes.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import unquote

from kit.engine.api.backend import Backend
from kit.engine.api.wire import Answer, Request
from kit.errors import KitError

Handler = Callable[[Backend, Request], Answer]


@dataclass(frozen=True)
class Route:
    """``statuses``: where this route's answer to a family of errors is not the usual one."""

    method: str
    pattern: str
    handler: Handler
    statuses: Mapping[type[KitError], int] = field(default_factory=dict)

    @cached_property
    def _shape(self) -> re.Pattern[str]:
        many = re.sub(r"\{(\w+)\*\}", r"(?P<\1>.+)", self.pattern)
        return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", many))

    def match(self, method: str, path: str) -> dict[str, str] | None:
        """The parts that the pattern leaves open, if this is the route."""
        found = self._shape.fullmatch(path) if method == self.method else None
        return {key: unquote(value) for key, value in found.groupdict().items()} if found else None


def find(routes: Iterable[Route], method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    """The first route that fits, and the open parts of the path."""
    for route in routes:
        names = route.match(method, path)
        if names is not None:
            return route, names
    return None
