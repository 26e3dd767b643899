"""The names of images: which name leads to which image, here and in a registry."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kit.views.blocks import Block, Line, Table, View
from kit.views.words import counted, short

_OTHERS = 3


@dataclass(frozen=True)
class Name:
    """A name and the image that it leads to. ``there`` tells of the registry in the name: "same", "differs",
    "missing", or "" when the name has none that was asked."""

    name: str
    image_id: str
    there: str = ""


@dataclass(frozen=True, repr=False)
class TagMap(View):
    """Names → images. Two names of one image stand for the same bytes: a tag copies nothing."""

    names: Sequence[Name]
    prefix: str = ""

    def __iter__(self) -> Iterator[str]:
        return (name.name for name in self.names)

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, name: object) -> bool:
        return any(name == known.name for known in self.names)

    def blocks(self) -> Iterator[Block]:
        beginning = f" that begins with {self.prefix}" if self.prefix else ""
        if not self.names:
            yield Line(f"No image here has a name{beginning}.")
            return
        images = len({name.image_id for name in self.names})
        asked = any(name.there for name in self.names)
        rows = [(name.name, short(name.image_id), self._others(name), *([name.there] * asked)) for name in self.names]
        columns = ("Name", "Image ID", "Also called", *(["In the registry"] * asked))
        yield Table(
            f"{counted(len(rows), 'name')} for {counted(images, 'image')}", columns, rows, code=frozenset({1})
        )

    def _others(self, name: Name) -> str:
        others = [one.name for one in self.names if one.image_id == name.image_id and one.name != name.name]
        more = f" and {len(others) - _OTHERS:,} more" if len(others) > _OTHERS else ""
        return ", ".join(others[:_OTHERS]) + more


@dataclass(frozen=True, repr=False)
class Tagged(View):
    """A name that was given; ``before`` is the image that it led to until then."""

    name: str
    image_id: str
    source: str
    before: str = ""

    def blocks(self) -> Iterator[Block]:
        yield Line(f"✓ {self.name} is now a name of {self.source}, the image {short(self.image_id)}.")
        if self.before and self.before != self.image_id:
            yield Line(f"It was moved: until now it led to {short(self.before)}.")
