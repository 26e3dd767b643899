"""A family of images: who stands on whom, what each one adds, and what is stored once for all.

Ancestry is told by content: a parent's layers are the bottom layers of its child. So it shows where an engine has
forgotten who was built from whom, and it shows that strangers with equal layers share them, too.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from kit.errors import NotFound
from kit.oci.digest import DiffID, ImageID
from kit.views.blocks import Block, Details, Line, Table, View
from kit.views.words import bar, counted, printable, short, size_words

_COLUMNS = 8
"""Images in the table of shared layers: as many as fit beside each other."""
_NAME = 60
_GAP = "\u00a0" * 3
"""Spaces that HTML keeps."""


@dataclass(frozen=True)
class Member:
    """One image under all its names. ``layers`` are diff_ids with the bytes of their files, bottom layer first.

    ``history`` are the lines of its history. They tell apart images that have the same layers.
    """

    names: tuple[str, ...]
    id: ImageID
    layers: tuple[tuple[DiffID, int], ...]
    history: tuple[str, ...] = ()

    @property
    def diff_ids(self) -> tuple[DiffID, ...]:
        return tuple(diff_id for diff_id, _ in self.layers)

    @property
    def stored(self) -> int:
        """Bytes of all its layers, as an engine lists them."""
        return sum(size for _, size in self.layers)

    def stands_on(self, other: "Member") -> bool:
        """Whether the other's layers are the bottom layers here, and where they are all of them, its history, too."""
        if not other.layers or self.diff_ids[: len(other.layers)] != other.diff_ids:
            return False
        return len(self.layers) > len(other.layers) or (self.continues(other) and self.history != other.history)

    def continues(self, other: "Member") -> bool:
        """Whether the other's history is the beginning of this one's."""
        return self.history[: len(other.history)] == other.history


@dataclass(frozen=True, repr=False)
class Family(View):
    """Images and their ancestry among each other."""

    members: tuple[Member, ...]

    def __getitem__(self, name: str) -> Member:
        """The image with this name.

        Raises:
            NotFound: it is not of the family.
        """
        for member in self.members:
            if name in member.names:
                return member
        raise NotFound(f"{name!r} is none of {', '.join(names[0] for names in self._names)}")

    def parent_of(self, name: str) -> str:
        """The name of the nearest image that it stands on; "" for one without a parent here."""
        parent = self._parent(self[name])
        return parent.names[0] if parent else ""

    def added_by(self, name: str) -> int:
        """Bytes that it stores above its parent."""
        return self._added(self[name])

    def freed_by(self, name: str) -> int:
        """Bytes that would be free if it were deleted: those of layers that no other image here has."""
        member = self[name]
        others = {diff_id for other in self.members if other is not member for diff_id in other.diff_ids}
        return sum({diff_id: size for diff_id, size in member.layers if diff_id not in others}.values())

    @property
    def listed(self) -> int:
        """What the sizes of all images add up to."""
        return sum(member.stored for member in self.members)

    @property
    def stored(self) -> int:
        """What is really stored: each layer once."""
        return sum({diff_id: size for member in self.members for diff_id, size in member.layers}.values())

    @property
    def saved(self) -> int:
        """What sharing saves."""
        return self.listed - self.stored

    @cached_property
    def _names(self) -> list[tuple[str, ...]]:
        return [member.names for member in self.members]

    def _parent(self, member: Member) -> Member | None:
        return self._parents[member.names]

    @cached_property
    def _parents(self) -> dict[tuple[str, ...], Member | None]:
        """The parent of each, by its names."""
        return {member.names: self._nearest(member) for member in self.members}

    def _nearest(self, member: Member) -> Member | None:
        """The highest of the images that it stands on; of several with the same layers, the one that it continues."""

        def nearness(other: Member) -> tuple[int, bool, int]:
            return len(other.layers), member.continues(other), len(other.history)

        return max(filter(member.stands_on, self.members), key=nearness, default=None)

    def _added(self, member: Member) -> int:
        parent = self._parent(member)
        return sum(size for _, size in member.layers[len(parent.layers) if parent else 0 :])

    def blocks(self) -> Iterator[Block]:
        yield Line(
            f"Listed sizes add up to {size_words(self.listed)}; stored are {size_words(self.stored)}: "
            f"sharing saves {size_words(self.saved)}.",
            strong=True,
        )
        most = max(map(self._added, self.members), default=0)
        rows = [
            (
                branch + ", ".join(printable(name, _NAME) for name in member.names),
                size_words(self._added(member)),
                bar(self._added(member), most),
                f"stands on {printable(parent.names[0], _NAME)}"
                if (parent := self._parent(member))
                else "no parent here",
            )
            for branch, member in self._tree(None, "")
        ]
        yield Table(
            "Each below the image that it stands on", ("Image", "Adds", "", "Parent"), rows, right=frozenset({1})
        )
        yield Details(f"Who has which of the {counted(len(self._layers), 'layer')}", [self._sharing()])

    def _tree(self, above: Member | None, indent: str) -> Iterator[tuple[str, Member]]:
        """The members below one, each with the branch that leads to it."""
        children = sorted((one for one in self.members if self._parent(one) is above), key=lambda one: one.names)
        for child in children:
            last = child is children[-1]
            branch = "" if above is None else indent + ("└─ " if last else "├─ ")
            yield branch, child
            yield from self._tree(child, "" if above is None else indent + (_GAP if last else "│" + _GAP[1:]))

    @cached_property
    def _layers(self) -> dict[DiffID, int]:
        ordered = sorted(self.members, key=lambda member: (len(member.layers), member.names))
        return {diff_id: size for member in ordered for diff_id, size in member.layers}

    def _sharing(self) -> Table:
        shown: Sequence[Member] = self.members[:_COLUMNS]
        rows = [
            (
                short(diff_id),
                size_words(size),
                *("yes" if diff_id in member.diff_ids else "" for member in shown),
            )
            for diff_id, size in self._layers.items()
        ]
        columns = ("Layer", "Size", *(printable(member.names[0], 30) for member in shown))
        rest = len(self.members) - len(shown)
        caption = f"Layers by images; {counted(rest, 'more image')} not shown" if rest else "Layers by images"
        return Table(caption, columns, rows, right=frozenset({1}), code=frozenset({0}))
