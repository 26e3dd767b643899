"""A strip of bytes: the parts of a file in their order, to scale as far as text can be."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from kit.views.blocks import Block, Line, Table, View
from kit.views.words import bar, counted

_SHOWN = 16
"""Bytes of a part that are shown: one line of a hex dump."""


@dataclass(frozen=True)
class Part:
    """``size`` bytes from ``offset``: what they are called, what they say, and the bytes."""

    name: str
    offset: int
    size: int
    purpose: str
    data: bytes = b""


@dataclass(frozen=True, repr=False)
class Strip(View):
    """A whole file, part by part, with facts about it."""

    parts: tuple[Part, ...]
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return sum(part.size for part in self.parts)

    def blocks(self) -> Iterator[Block]:
        yield Line("; ".join(f"{name} {value}" for name, value in self.facts.items()))
        yield Table(
            f"{counted(self.size, 'byte')} in {counted(len(self.parts), 'part')}, in the order of the file",
            ("Part", "From byte", "Bytes", "", "What it says", "Begins with"),
            [
                (
                    part.name,
                    f"{part.offset:,}",
                    f"{part.size:,}",
                    bar(part.size, self.size),
                    part.purpose,
                    sample(part),
                )
                for part in self.parts
            ],
            right=frozenset({1, 2}),
            code=frozenset({5}),
        )


def sample(part: Part) -> str:
    """The first bytes: as text where they are text, else in hex."""
    data = part.data[: 4 * _SHOWN]
    if data and all(32 <= byte < 127 or byte == 10 for byte in data):
        return repr(data.decode())
    return part.data[:_SHOWN].hex(" ") + (" …" if len(part.data) > _SHOWN else "")
