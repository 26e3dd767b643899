"""Manifests and indexes: which blobs make an image, and which images share a name.

Source: OCI image-spec, manifest.md, image-index.md; Docker "Image Manifest V2, Schema 2".
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from kit.errors import Invalid
from kit.oci.descriptor import INDEXES, MANIFESTS, OCI_INDEX, OCI_MANIFEST, Descriptor
from kit.oci.digest import Digest, digest_of


@dataclass(frozen=True)
class Manifest:
    """One image for one platform. ``raw`` is what ``digest`` is over: keep it, never write it anew."""

    raw: bytes
    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]

    @property
    def digest(self) -> Digest:
        return digest_of(self.raw)

    def descriptor(self) -> Descriptor:
        return Descriptor(self.media_type, self.digest, len(self.raw))

    @classmethod
    def of(cls, config: Descriptor, layers: Iterable[Descriptor], media_type: str = OCI_MANIFEST) -> "Manifest":
        """A new manifest, written as compact JSON. ``layers`` bottom first."""
        layers = tuple(layers)
        document = {
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": config.to_json(),
            "layers": [layer.to_json() for layer in layers],
        }
        return cls(json.dumps(document, separators=(",", ":")).encode(), media_type, config, layers)


@dataclass(frozen=True)
class Index:
    """Several manifests under one name, one for each platform."""

    raw: bytes
    media_type: str
    manifests: tuple[Descriptor, ...]

    @property
    def digest(self) -> Digest:
        return digest_of(self.raw)

    @classmethod
    def of(cls, manifests: Iterable[Descriptor], media_type: str = OCI_INDEX) -> "Index":
        manifests = tuple(manifests)
        document = {
            "schemaVersion": 2,
            "mediaType": media_type,
            "manifests": [manifest.to_json() for manifest in manifests],
        }
        return cls(json.dumps(document, separators=(",", ":")).encode(), media_type, manifests)


def parse_manifest(raw: bytes, media_type: str = "") -> Manifest | Index:
    """The manifest or index in ``raw``.

    The document's own ``mediaType`` decides; ``media_type`` (a registry's Content-Type) fills in
    where it has none; a document without both is told apart by its keys.

    Raises:
        Invalid: not JSON, or neither a manifest nor an index.
    """
    try:
        data = json.loads(raw)
    except ValueError as error:
        raise Invalid(f"a manifest must be JSON: {error}") from error
    if not isinstance(data, dict) or data.get("schemaVersion") != 2:
        raise Invalid("a manifest must be a JSON object with schemaVersion 2")
    kind = data.get("mediaType") or media_type.partition(";")[0].strip()
    if kind in INDEXES or (kind not in MANIFESTS and "manifests" in data):
        return Index(raw, kind or OCI_INDEX, tuple(map(Descriptor.of_json, _list(data, "manifests"))))
    if kind in MANIFESTS or "config" in data:
        layers = tuple(map(Descriptor.of_json, _list(data, "layers")))
        return Manifest(raw, kind or OCI_MANIFEST, Descriptor.of_json(data.get("config")), layers)
    raise Invalid(f"{kind or 'a document without mediaType'} is neither an image manifest nor an index")


def _list(data: dict[str, object], key: str) -> list[object]:
    value = data.get(key)
    if not isinstance(value, list):
        raise Invalid(f"a manifest needs {key!r} as a list")
    return value
