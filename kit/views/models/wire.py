"""A push or a pull as it went over the wire: each request with its answer, and what it means."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from kit.oci.descriptor import Descriptor
from kit.oci.manifest import Manifest
from kit.views.blocks import Block, Details, Line, Listing, Table, View
from kit.views.words import counted, printable, size_words

_SHOWN = 8000
"""Characters of a manifest that are shown; real ones have a tenth of it."""


class Exchange(Protocol):
    """One request and its answer; ``up`` and ``down`` are the bytes of the bodies."""

    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def status(self) -> int: ...
    @property
    def up(self) -> int: ...
    @property
    def down(self) -> int: ...
    @property
    def kind(self) -> str: ...
    @property
    def meaning(self) -> str: ...


@dataclass(frozen=True)
class BlobState:
    """How far one layer is: its short ID, and the engine's word for what happens to it."""

    key: str
    status: str
    done: int = 0
    total: int = 0


@dataclass(frozen=True, repr=False)
class PushCard(View):
    """A push: under way without ``digest``, else done. ``wire`` is empty where nobody watched."""

    reference: str
    blobs: tuple[BlobState, ...] = ()
    digest: str = ""
    wire: Sequence[Exchange] = ()

    @property
    def up(self) -> int:
        """Bytes that were sent."""
        return sum(row.up for row in self.wire)

    @property
    def mounted(self) -> int:
        """Blobs that the registry took from another repository, so that no byte was sent."""
        return sum(row.kind == "mount" for row in self.wire)

    @property
    def uploaded(self) -> int:
        """Blobs that were sent; the config is one of them."""
        return sum(row.kind == "finish" for row in self.wire)

    def blocks(self) -> Iterator[Block]:
        if not self.digest:
            yield Line(f"Pushing {self.reference}", strong=True)
            yield self._table
            return
        yield Line(f"✓ Pushed {self.reference}", strong=True)
        yield Line(f"The registry has it as {self.digest}.")
        yield Details(counted(len(self.blobs), "layer"), [self._table])
        if self.wire:
            yield Details(self._totals, [wire_table(self.wire)])

    @property
    def _table(self) -> Table:
        return _blob_table(self.blobs, "Sent")

    @property
    def _totals(self) -> str:
        return (
            f"On the wire: {counted(len(self.wire), 'request')} · up {self.up:,} B · "
            f"{counted(self.mounted, 'blob')} mounted, {self.uploaded} uploaded"
        )


@dataclass(frozen=True, repr=False)
class PullCard(View):
    """A pull: under way without ``image_id``, else done. ``wire`` is empty where nobody watched."""

    reference: str
    blobs: tuple[BlobState, ...] = ()
    image_id: str = ""
    wire: Sequence[Exchange] = ()

    @property
    def down(self) -> int:
        """Bytes that came."""
        return sum(row.down for row in self.wire)

    @property
    def downloaded(self) -> int:
        """Blobs that were fetched; the config is one of them."""
        return sum(row.kind == "download" for row in self.wire)

    def blocks(self) -> Iterator[Block]:
        yield Line(f"{'✓ Pulled' if self.image_id else 'Pulling'} {self.reference}", strong=True)
        if not self.image_id:
            yield _blob_table(self.blobs, "Fetched")
            return
        yield Line(f"It is here as {self.image_id}.")
        yield Details(counted(len(self.blobs), "layer"), [_blob_table(self.blobs, "Fetched")])
        if self.wire:
            totals = f"{counted(len(self.wire), 'request')} · down {self.down:,} B"
            yield Details(f"On the wire: {totals} · {self.downloaded} fetched", [wire_table(self.wire)])


def _blob_table(blobs: Sequence[BlobState], moved: str) -> Table:
    rows = [
        (blob.key, blob.status, f"{size_words(blob.done)} of {size_words(blob.total)}" if blob.total else "")
        for blob in blobs
    ]
    return Table("Layers, in the engine's words", ("Layer", "State", moved), rows, right=frozenset({2}))


def wire_table(rows: Sequence[Exchange]) -> Table:
    """The requests in the order they began."""
    return Table(
        "In the order they began; sizes are those of the bodies",
        ("Request", "Path", "Answer", "Up", "Down", "What it means"),
        [
            (
                row.method,
                printable(_shortened(row.path), 90),
                str(row.status),
                size_words(row.up) if row.up else "",
                size_words(row.down) if row.down else "",
                row.meaning,
            )
            for row in rows
        ],
        right=frozenset({3, 4}),
        code=frozenset({0, 1}),
    )


def _shortened(path: str) -> str:
    """Digests at the length at which people compare them."""
    head, mark, rest = path.partition("sha256:")
    if not mark:
        return path
    return f"{head}{mark}{rest[:12]}…{_shortened(rest[64:])}" if len(rest) >= 64 else path


@dataclass(frozen=True, repr=False)
class ManifestCard(View):
    """A manifest as a registry gave it: the digest of the config, and those of the layers."""

    reference: str
    manifest: Manifest

    @property
    def digest(self) -> str:
        """The name that never moves: whoever asks for it gets these very bytes."""
        return self.manifest.digest

    @property
    def media_type(self) -> str:
        return self.manifest.media_type

    @property
    def config(self) -> Descriptor:
        return self.manifest.config

    @property
    def layers(self) -> tuple[Descriptor, ...]:
        return self.manifest.layers

    @property
    def raw(self) -> bytes:
        """The bytes that ``digest`` is over."""
        return self.manifest.raw

    def blocks(self) -> Iterator[Block]:
        manifest = self.manifest
        yield Line(f"Manifest of {self.reference}: {counted(len(manifest.raw), 'byte')}", strong=True)
        yield Line(f"Its digest, the name that never moves: {manifest.digest}")
        rows = [("config", manifest.config.digest, f"{manifest.config.size:,}", manifest.config.media_type)]
        rows += [
            (f"layer {place}", layer.digest, f"{layer.size:,}", layer.media_type)
            for place, layer in enumerate(manifest.layers)
        ]
        yield Table(
            "What it names, bottom layer first",
            ("Part", "Digest of the stored bytes", "Bytes", "Media type"),
            rows,
            right=frozenset({2}),
            code=frozenset({1}),
        )
        yield Details("The bytes themselves", [Listing(manifest.raw.decode(errors="replace")[:_SHOWN])])
