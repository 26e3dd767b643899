"""Values of the learner's kernel: JSON that may be of any kind, whatever the question asked for.

``probe("squares", list)`` is the short way for a rubric: a value of the kind asked for, or advice. The plain mapping
``answers`` remembers what was read of it, so that a criterion which chokes on an odd answer is known to have
choked on that.
"""

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

Kind = TypeVar("Kind", str, int, float, bool, list[Any], dict[str, Any])
_WORDS: Mapping[type, str] = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "True or False",
    list: "a list",
    dict: "a dict",
    type(None): "None",
}
_SHOWN = 80
"""Characters of a value that are shown back."""


class RecordedAnswers(Mapping[str, Any]):
    """A mapping that remembers which names were looked up since ``forget``."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values, self.read = values, dict[str, Any]()

    def forget(self) -> None:
        self.read = {}

    def told(self) -> str:
        """What to say when a criterion chokes on what it read."""
        return "This is not the kind of answer that the question asks for: " + ", ".join(
            f"{name} is {kind_of(value)}, {shown(value)}" if name in self._values else f"{name} is missing"
            for name, value in self.read.items()
        )

    def __getitem__(self, name: str) -> Any:
        self.read[name] = self._values.get(name)
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def probe(answers: Mapping[str, Any], name: str, kind: type[Kind]) -> Kind:
    """The answer called ``name``, of the kind asked for. A whole number is a number, too; True is no number.

    Raises:
        AssertionError: there is none, or it is of another kind; the advice says which.
    """
    value = answers.get(name)
    assert value is not None, f"There is no answer `{name}` yet. It should be {_WORDS[kind]}."
    fits = isinstance(value, int | float if kind is float else kind) and (kind is bool) == isinstance(value, bool)
    assert fits, f"`{name}` should be {_WORDS[kind]}; it is {kind_of(value)}, {shown(value)}."
    return kind(value)


def kind_of(value: Any) -> str:
    return _WORDS.get(type(value), "something else")


def shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
