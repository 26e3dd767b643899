"""Filters of lists: ``{"status": ["exited"], "label": ["a=b"]}``. Values of one key are alternatives.

Source: Docker Engine API, "filters" of each list; dockerd's "filters.Args".
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from kit.errors import Invalid


class Filters:
    """What the client filters by."""

    def __init__(self, values: Mapping[str, Iterable[str]] | None = None) -> None:
        self._values = {key: list(texts) for key, texts in (values or {}).items()}

    @classmethod
    def parse(cls, text: str) -> "Filters":
        """The query parameter: JSON, each value a list or (older clients) an object with true values; "" is none.

        Raises:
            Invalid
        """
        try:
            data: Any = json.loads(text) if text else {}
        except ValueError as error:
            raise Invalid(f"invalid character '{text[:1]}' looking for beginning of value") from error
        if not isinstance(data, dict):
            raise Invalid("invalid filter: an object is needed")
        values: dict[str, list[str]] = {}
        for key, given in data.items():
            if isinstance(given, dict):
                values[key] = [name for name, on in given.items() if on]
            elif isinstance(given, list):
                values[key] = [str(name) for name in given]
            else:
                raise Invalid(f"invalid filter '{key}={given}'")
        return cls(values)

    def check(self, *known: str) -> None:
        """Refuses a key that the list doesn't know."""
        for key in self._values:
            if key not in known:
                raise Invalid(f"Invalid filter '{key}'")

    def __contains__(self, key: str) -> bool:
        return bool(self._values.get(key))

    def values(self, key: str) -> list[str]:
        """The alternatives; empty if not asked."""
        return self._values.get(key, [])

    def one_of(self, key: str, actual: Iterable[str]) -> bool:
        """Whether one of ``actual`` is asked for, or nothing is."""
        wanted = self.values(key)
        return not wanted or any(value in wanted for value in actual)

    def part(self, key: str, *actual: str) -> bool:
        """Whether one of ``actual`` matches a pattern that is asked for, anywhere in it."""
        wanted = self.values(key)
        return not wanted or any(_found(pattern, text) for pattern in wanted for text in actual)

    def prefix(self, key: str, actual: str) -> bool:
        """Whether ``actual`` starts with one of the values."""
        wanted = self.values(key)
        return not wanted or any(actual.startswith(value) for value in wanted)

    def labels(self, actual: Mapping[str, str]) -> bool:
        """``label``: every one asked for is there; ``label!``: none of them."""
        return all(_has(actual, text) for text in self.values("label")) and not any(
            _has(actual, text) for text in self.values("label!")
        )

    def flag(self, key: str, actual: Callable[[], bool]) -> bool:
        """Whether a true/false filter agrees; ``actual`` is asked only if there is one.

        Raises:
            Invalid: another word.
        """
        wanted = self.values(key)
        if not wanted:
            return True
        word = wanted[0].lower()
        if word not in ("true", "1", "false", "0"):
            raise Invalid(f"Invalid filter '{key}={wanted[0]}'")
        return (word in ("true", "1")) == actual()


def _found(pattern: str, text: str) -> bool:
    try:
        return re.search(pattern, text) is not None
    except re.error:
        return pattern in text


def _has(labels: Mapping[str, str], text: str) -> bool:
    key, equals, value = text.partition("=")
    return key in labels and (not equals or labels[key] == value)
