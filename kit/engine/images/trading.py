"""Images to and from registries: what a pull puts into the store, and what a push takes out of it.

Source: dockerd's "pull.go" and "push.go" for names, tags and words.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from typing import Any, BinaryIO

from kit.engine.images.arrivals import forget
from kit.engine.registry.endpoints import mirror_endpoint
from kit.engine.registry.errors import NoBasicCredentials
from kit.engine.registry.lookup import find as find_document
from kit.engine.registry.transfer import (
    Credentials,
    Event,
    Pulled,
    PushSource,
    Registry,
    Settings,
    Whereabouts,
    parse_platform,
    pull,
    push,
)
from kit.engine.store.blobs import BlobWriter
from kit.engine.store.store import Store
from kit.errors import Denied, Invalid, KitError, NotFound
from kit.oci.descriptor import Descriptor, Platform
from kit.oci.digest import DiffID, Digest, ImageID
from kit.oci.manifest import Index, Manifest, parse_manifest
from kit.oci.reference import DEFAULT_REGISTRY, Reference, parse_reference

Json = dict[str, Any]


class Sink:
    """Where a pulled image goes. Implements ``registry.transfer.PullSink``."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.image: ImageID | None = None

    def has_layer(self, diff_id: DiffID, /) -> bool:
        return self._store.layers.find(diff_id) is not None

    def writer(self, digest: Digest, /) -> AbstractContextManager[BlobWriter]:
        return self._store.blobs.resumed(digest)

    def adopt(self, blob: Descriptor, /) -> DiffID:
        return self._store.layers.adopt(blob).diff_id

    def finish(self, pulled: Pulled, /) -> bool:
        """Keeps the image under its name, and what the registry calls it."""
        images, reference = self._store.images, pulled.reference
        digested = Reference(reference.repository, reference.registry, digest=pulled.digest)
        name = reference if not reference.digest else digested
        image = images.put(pulled.config)
        known = images.find(str(name)) == image
        images.remember_manifest(image, pulled.manifest)
        images.remember_digest(digested, image)
        if not reference.digest and not known:
            images.tag(reference, image)
        self.image = image
        return known

    def abandon(self, blobs: Iterable[Descriptor], /, *, keep: bool) -> None:
        """Drops what came, unless an image uses it, or it is kept for the next pull."""
        for blob in blobs:
            if keep:
                self._store.blobs.set_aside(blob.digest)
            else:
                self._store.blobs.drop_part(blob.digest)
            layer = self._store.layers.find_blob(blob.digest)
            if layer is not None:
                forget(self._store, [layer.diff_id])
            else:
                self._store.blobs.delete(blob.digest)


class Source:
    """An image that can be sent. Implements ``registry.transfer.PushSource``."""

    def __init__(self, store: Store, image: ImageID) -> None:
        self._store, self._image = store, image
        self._manifest = store.images.manifest(image)

    @property
    def manifest(self) -> Manifest:
        return self._manifest

    @property
    def diff_ids(self) -> tuple[DiffID, ...]:
        return self._store.images.get(self._image).diff_ids

    def open(self, digest: Digest, /) -> BinaryIO:
        return self._store.blobs.open(digest)


class Trade:
    """Pulls and pushes of one store."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store, self._settings = store, settings
        self._whereabouts = Whereabouts(store.documents)

    def pull(self, name: str, tag: str, platform: str, login: Mapping[str, Any]) -> Iterator[Event | ImageID]:
        """Progress, and each image when it is whole. Without a tag anywhere every tag of the repository is pulled.

        Raises:
            InvalidReference, NotFound, Denied, Unavailable, Invalid
        """
        reference = named(name, tag)
        credentials = Credentials.of_json(login)
        wanted = parse_platform(platform) if platform else None
        for one in self._all_tags(reference, credentials):
            sink = Sink(self._store)
            yield from pull(
                one,
                sink,
                credentials=credentials,
                settings=self._settings,
                platform=wanted,
                whereabouts=self._whereabouts,
            )
            if sink.image is not None:
                yield sink.image

    def _all_tags(self, reference: Reference, credentials: Credentials | None) -> list[Reference]:
        if reference.tag or reference.digest:
            return [reference]
        return [reference.with_tag(tag) for tag in self._tags(reference, credentials)]

    def _tags(self, reference: Reference, credentials: Credentials | None) -> list[str]:
        """A repository's tags, from the mirror if it has any."""
        mirror = mirror_endpoint(reference.registry, self._settings)
        if mirror is not None:
            with (
                suppress(KitError),
                Registry(reference.registry, settings=self._settings, endpoint=mirror) as registry,
            ):
                return registry.tags(reference.repository)
        with Registry(reference.registry, credentials, settings=self._settings) as registry:
            return registry.tags(reference.repository)

    def push(self, name: str, tag: str, login: Mapping[str, Any]) -> Iterator[Event]:
        """Progress. Without a tag every tag of the repository is pushed.

        Raises:
            InvalidReference, NotFound, Denied, Unavailable, Invalid
        """
        reference = named(name, tag)
        if reference.digest:
            raise Invalid("cannot push a digest reference")
        known = self._tagged(reference)
        missing = self._missing(reference, known)
        if missing is not None:
            yield Event(f"The push refers to repository [{reference.name}]")
            raise missing
        tags = {reference.tag: known[reference.tag]} if reference.tag else known
        sources: dict[str, PushSource] = {tag: Source(self._store, image) for tag, image in tags.items()}
        bare = Reference(reference.repository, reference.registry)
        try:
            yield from push(
                bare,
                sources,
                credentials=Credentials.of_json(login),
                settings=self._settings,
                whereabouts=self._whereabouts,
            )
        except NoBasicCredentials as error:  # dockerd names the address at a pull, but not here
            raise Denied("no basic auth credentials") from error
        for tag, image in tags.items():
            digest = sources[tag].manifest.digest
            self._store.images.remember_digest(Reference(bare.repository, bare.registry, digest=digest), image)

    def _tagged(self, reference: Reference) -> dict[str, ImageID]:
        """The tags that are here of the reference's repository, by name."""
        images = self._store.images
        pairs = ((other, image) for image in images.all() for other in images.references(image))
        return dict(sorted((other.tag, image) for other, image in pairs if other.name == reference.name))

    @staticmethod
    def _missing(reference: Reference, known: Mapping[str, ImageID]) -> NotFound | None:
        if not known:
            return NotFound(f"An image does not exist locally with the tag: {reference.familiar_name}")
        if reference.tag and reference.tag not in known:
            return NotFound(f"tag does not exist: {reference.familiar}")
        return None

    def distribution(self, name: str, login: Mapping[str, Any]) -> Json:
        """What a registry has under a name: its descriptor and the platforms.

        Raises:
            InvalidReference, NotFound, Denied, Unavailable, Invalid
        """
        reference = parse_reference(name).with_default_tag()
        registry, document = find_document(reference, Credentials.of_json(login), self._settings)
        with registry:
            found = parse_manifest(document.raw, document.media_type)
            if isinstance(found, Index):
                platforms = [entry.platform for entry in found.manifests if entry.platform]
            else:
                with registry.blob(reference.repository, found.config) as pieces:
                    platforms = _platform_of(b"".join(pieces))
        descriptor = Descriptor(found.media_type, document.digest, len(document.raw))
        return {"Descriptor": descriptor.to_json(), "Platforms": [platform.to_json() for platform in platforms]}

    def login(self, body: Mapping[str, Any]) -> str:
        """Tries a user's password; an identity token, if the registry gives one instead of it.

        Raises:
            LoginFailed, Unavailable
        """
        address = str(body.get("serveraddress") or "")
        host = address.partition("://")[2] or address
        host = host.partition("/")[0]
        name = DEFAULT_REGISTRY if host in ("", "index.docker.io", "docker.io", "registry-1.docker.io") else host
        with Registry(name, Credentials.of_json(body), settings=self._settings) as registry:
            return registry.login()


def named(name: str, tag: str) -> Reference:
    """A repository with a tag or digest that the client gives apart.

    Raises:
        InvalidReference
    """
    reference = parse_reference(name)
    if tag.startswith("sha256:"):
        return parse_reference(f"{reference.name}@{tag}")
    return reference.with_tag(tag) if tag else reference


def _platform_of(raw: bytes) -> list[Platform]:
    with suppress(ValueError, AttributeError):
        return [Platform.of_json(json.loads(raw))]
    return []
