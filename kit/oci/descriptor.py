"""Descriptors: a typed, sized pointer to a blob.

Source: OCI image-spec, descriptor.md; media-types.md. Docker's own media types mean the same
things and are read as such; what we write is OCI unless told otherwise.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kit.errors import Invalid
from kit.oci.digest import Digest, parse_digest

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
OCI_LAYER_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
OCI_LAYER_ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"

INDEXES = (OCI_INDEX, DOCKER_LIST)
MANIFESTS = (OCI_MANIFEST, DOCKER_MANIFEST)
CONFIGS = (OCI_CONFIG, DOCKER_CONFIG)
LAYERS = (OCI_LAYER_GZIP, OCI_LAYER, OCI_LAYER_ZSTD, DOCKER_LAYER)


@dataclass(frozen=True)
class Platform:
    """The machine that an image is for: Go's names for both words (``linux``, ``amd64``)."""

    os: str = "linux"
    architecture: str = "amd64"
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)

    @classmethod
    def of_json(cls, data: Mapping[str, Any]) -> "Platform":
        return cls(str(data.get("os", "")), str(data.get("architecture", "")), str(data.get("variant") or ""))

    def to_json(self) -> dict[str, str]:
        words = {"architecture": self.architecture, "os": self.os, "variant": self.variant}
        return {key: value for key, value in words.items() if value}


@dataclass(frozen=True)
class Descriptor:
    """Where a blob is named: media type, digest, size in bytes."""

    media_type: str
    digest: Digest
    size: int
    platform: Platform | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)
    urls: tuple[str, ...] = ()

    @classmethod
    def of_json(cls, data: object) -> "Descriptor":
        """A descriptor as it came from outside.

        Raises:
            Invalid: a part is missing or has the wrong shape.
        """
        if not isinstance(data, Mapping):
            raise Invalid(f"a descriptor must be a JSON object, not {data!r}")
        size = data.get("size")
        if not isinstance(size, int) or isinstance(size, bool) or size < 0:
            raise Invalid(f"a descriptor needs its size in bytes, not {size!r}")
        platform = data.get("platform")
        return cls(
            media_type=str(data.get("mediaType", "")),
            digest=parse_digest(data.get("digest")),
            size=size,
            platform=Platform.of_json(platform) if isinstance(platform, Mapping) else None,
            annotations=dict(data.get("annotations") or {}),
            urls=tuple(data.get("urls") or ()),
        )

    def to_json(self) -> dict[str, Any]:
        data: dict[str, Any] = {"mediaType": self.media_type, "digest": self.digest, "size": self.size}
        if self.urls:
            data["urls"] = list(self.urls)
        if self.annotations:
            data["annotations"] = dict(self.annotations)
        if self.platform:
            data["platform"] = self.platform.to_json()
        return data
