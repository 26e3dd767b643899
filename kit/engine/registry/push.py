"""A push: an image in, a name in a registry out, progress on the way.

Blobs first, manifest last: a registry takes a manifest only when all its blobs are there. For each blob we ask
whether this repository has it ("Layer already exists"), then whether a neighbour's may be mounted ("Mounted from"),
and only then send it, three at once; after a broken connection from where it broke, if the registry can. Nothing
is ever compressed here: the blobs are as the store keeps them.

Source: OCI distribution-spec, "Push"; dockerd 20.10 for the order and the words.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import BinaryIO, Protocol

from kit.engine.registry.auth import Credentials
from kit.engine.registry.client import Registry
from kit.engine.registry.crew import Crew
from kit.engine.registry.endpoints import Settings
from kit.engine.registry.events import Event
from kit.engine.registry.foreign import check_is_image
from kit.engine.registry.meter import Meter
from kit.engine.registry.retry import patiently
from kit.engine.registry.transport import CHUNK
from kit.engine.registry.whereabouts import Whereabouts
from kit.oci.descriptor import Descriptor
from kit.oci.digest import DiffID, Digest, hex_of
from kit.oci.manifest import Manifest
from kit.oci.reference import Reference


class PushSource(Protocol):
    """An image that can be sent. Called from several threads."""

    @property
    def manifest(self) -> Manifest: ...

    @property
    def diff_ids(self) -> Sequence[DiffID]:
        """The layers' names in the progress, in the manifest's order."""
        ...

    def open(self, digest: Digest, /) -> BinaryIO:
        """The bytes of the config or of a layer, from the start; closed by us."""
        ...


def push(
    repository: Reference,
    images: Mapping[str, PushSource],
    *,
    credentials: Credentials | None = None,
    settings: Settings | None = None,
    whereabouts: Whereabouts | None = None,
) -> Iterator[Event]:
    """Send each image and give it its tag (the keys of ``images``) in ``repository``.

    Raises:
        Denied, Unavailable, Invalid: in Docker's words. What was sent before stays in the registry, without a name.
    """
    settings = settings or Settings()
    yield Event(f"The push refers to repository [{repository.name}]")
    with Registry(repository.registry, credentials, settings=settings) as registry:
        transfer = _Transfer(registry, repository, settings, whereabouts)
        for tag, image in images.items():
            manifest = image.manifest
            check_is_image(manifest, repository.with_tag(tag).familiar)
            yield from transfer.layers(image)
            transfer.config(image)
            registry.put_manifest(repository.with_tag(tag), manifest)
            yield Event(f"{tag}: digest: {manifest.digest} size: {len(manifest.raw)}")
            yield Event(aux={"Tag": tag, "Digest": manifest.digest, "Size": len(manifest.raw)})


class _Transfer:
    """The blobs of one push, on their way into the registry."""

    def __init__(
        self, registry: Registry, repository: Reference, settings: Settings, whereabouts: Whereabouts | None
    ) -> None:
        self._registry, self._reference = registry, repository
        self._repository = repository.repository
        self._delays, self._whereabouts = settings.patience.delays, whereabouts

    def layers(self, image: PushSource) -> Iterator[Event]:
        """Send those layers that are missing, the top one first, as Docker lists them."""
        pairs = zip(image.manifest.layers, image.diff_ids, strict=True)
        once = {blob.digest: (blob, hex_of(diff_id)[:12]) for blob, diff_id in reversed(list(pairs))}
        with Crew() as crew:
            for _, short in once.values():
                yield Event("Preparing", short)
            for blob, short in once.values():
                crew.start(partial(self._send, crew, image, blob, short))
            yield from crew.events()

    def config(self, image: PushSource) -> None:
        """Send the config. It belongs to one image, so no neighbour is asked."""
        blob = image.manifest.config
        if not self._registry.has_blob(self._repository, blob.digest):
            self._sent(image, blob, None, time.sleep)

    def _send(self, crew: Crew, image: PushSource, blob: Descriptor, short: str) -> None:
        """One layer, in a thread of the crew."""
        if self._registry.has_blob(self._repository, blob.digest):
            crew.tell(Event("Layer already exists", short))
        elif source := self._mounted(blob):
            crew.tell(Event(f"Mounted from {source}", short))
        else:
            self._upload(crew, image, blob, short)
            crew.tell(Event("Pushed", short))
        if self._whereabouts:
            self._whereabouts.add(self._reference.registry, blob.digest, self._repository)

    def _mounted(self, blob: Descriptor) -> str:
        """The neighbour that the blob was taken over from, or ""."""
        known = self._whereabouts.of(self._reference.registry, blob.digest) if self._whereabouts else []
        for source in known:
            if source != self._repository and self._registry.mount(self._repository, blob.digest, source):
                return source
        return ""

    def _upload(self, crew: Crew, image: PushSource, blob: Descriptor, short: str) -> None:
        meter = Meter("Pushing", short, blob.size, crew.tell)

        def pause(seconds: float) -> None:
            crew.tell(Event(f"Retrying in {seconds:g} second{'' if seconds == 1 else 's'}", short))
            crew.wait(seconds)

        self._sent(image, blob, meter, pause)

    def _sent(
        self, image: PushSource, blob: Descriptor, meter: Meter | None, pause: Callable[[float], object]
    ) -> None:
        upload = self._registry.upload(self._repository, blob)
        patiently(lambda: upload.send(partial(_chunks, image, blob, meter)), self._delays, pause)


def _chunks(image: PushSource, blob: Descriptor, meter: Meter | None, start: int) -> Iterator[bytes]:
    """The bytes of a blob from ``start`` on."""
    done = 0
    with image.open(blob.digest) as stream:
        while chunk := stream.read(CHUNK):
            fresh = chunk[max(start - done, 0) :]
            done += len(chunk)
            if meter:
                meter.at(done)
            if fresh:
                yield fresh
