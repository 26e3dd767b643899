"""A pull: a reference in, an image out, progress on the way.

The manifest says which blobs; config first, because it says which layers they unpack to. Layers that the sink has are
not fetched; the others come three at once, go on where a broken connection left them, and are checked byte by byte.
Only when all are in, the sink is given the image. When anything fails it is told to forget what came; but if it was
the way that failed, or the reader left, what came is kept aside, and the next pull goes on there.

Source: OCI distribution-spec, "Pull"; dockerd 20.10 for the order and the words.
"""

import platform as machine
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from kit.engine.registry.auth import Credentials
from kit.engine.registry.client import Registry
from kit.engine.registry.crew import Crew
from kit.engine.registry.endpoints import Settings
from kit.engine.registry.errors import BadAnswer
from kit.engine.registry.events import Event
from kit.engine.registry.foreign import check_is_image
from kit.engine.registry.lookup import config_of, find, manifest_for
from kit.engine.registry.meter import Meter
from kit.engine.registry.platforms import matches, platform_of
from kit.engine.registry.retry import patiently
from kit.engine.registry.whereabouts import Whereabouts
from kit.errors import NotFound, Unavailable
from kit.oci.config import ImageConfig
from kit.oci.descriptor import Descriptor, Platform
from kit.oci.digest import DiffID, Digest, DigestMismatch, hex_of
from kit.oci.manifest import Manifest
from kit.oci.reference import Reference


class BlobWriter(Protocol):
    """A blob that is being written. Until ``commit`` there is nothing."""

    @property
    def size(self) -> int:
        """Bytes that are here: at first those that an earlier pull has left."""
        ...

    def write(self, data: bytes, /) -> object: ...

    def commit(self, expected: Digest, /) -> object:
        """Keep it. Raises DigestMismatch, and forgets all bytes, when they hash to something else."""
        ...


@dataclass(frozen=True)
class Pulled:
    """What came. ``digest`` is of what the reference names: the index if there was one, else the manifest."""

    reference: Reference
    digest: Digest
    manifest: Manifest
    config: ImageConfig


class PullSink(Protocol):
    """Where a pulled image goes. Called from several threads."""

    def has_layer(self, diff_id: DiffID, /) -> bool:
        """Whether the layer need not be fetched."""
        ...

    def writer(self, digest: Digest, /) -> AbstractContextManager[BlobWriter]:
        """For this blob; left without ``commit`` it is no blob, but the next writer may find its bytes."""
        ...

    def adopt(self, blob: Descriptor, /) -> DiffID:
        """Make a layer of a blob that was written. Raises Invalid when it is none."""
        ...

    def finish(self, pulled: Pulled, /) -> bool:
        """Everything is there: keep the image under its reference. True when that was so before."""
        ...

    def abandon(self, blobs: Iterable[Descriptor], /, *, keep: bool) -> None:
        """The pull failed: drop those of these blobs, and their layers, that no image uses.

        ``keep``: it may be repeated, so what came is worth keeping aside.
        """
        ...


def pull(
    reference: Reference,
    sink: PullSink,
    *,
    credentials: Credentials | None = None,
    settings: Settings | None = None,
    platform: Platform | None = None,
    whereabouts: Whereabouts | None = None,
) -> Iterator[Event]:
    """Fetch the image into ``sink``. ``platform`` when another machine's image is wanted.

    Raises:
        NotFound, Denied, Unavailable, Invalid: in Docker's words; the sink has forgotten what came. Before the first
        event when the name itself is the trouble.
    """
    settings = settings or Settings()
    reference = reference.with_default_tag()
    registry, document = find(reference, credentials, settings)
    with registry:
        manifest = manifest_for(registry, reference, document, platform or platform_of(machine.machine()))
        check_is_image(manifest, reference.familiar)
        config = config_of(registry, reference, manifest, settings.patience)
        if platform and not matches(config.platform, platform):
            raise NotFound(
                f"image with reference {reference.familiar} was found but does not match the specified platform: "
                f"wanted {platform}, actual: {config.platform}"
            )
        yield Event(f"Pulling from {reference.repository}", id=reference.tag or reference.familiar)
        transfer = _Transfer(registry, reference, sink, settings)
        pulled = Pulled(reference, document.digest, manifest, config)
        try:
            yield from transfer.layers(manifest.layers, config.diff_ids)
            known = sink.finish(pulled)
        except BaseException as error:
            sink.abandon(transfer.fetched, keep=isinstance(error, Unavailable | GeneratorExit))
            raise
        if whereabouts:
            for layer in manifest.layers:
                whereabouts.add(reference.registry, layer.digest, reference.repository)
        yield Event(f"Digest: {document.digest}")
        news = "Image is up to date" if known else "Downloaded newer image"
        yield Event(f"Status: {news} for {reference.familiar}")


class _Transfer:
    """The layers of one pull, on their way into the sink."""

    def __init__(self, registry: Registry, reference: Reference, sink: PullSink, settings: Settings) -> None:
        self._registry, self._reference, self._sink = registry, reference, sink
        self._delays = settings.patience.delays
        self.fetched: list[Descriptor] = []

    def layers(self, blobs: Iterable[Descriptor], diff_ids: Iterable[DiffID]) -> Iterator[Event]:
        """Fetch those that are missing."""
        with Crew() as crew:
            once = {blob.digest: (blob, diff_id) for blob, diff_id in zip(blobs, diff_ids, strict=True)}
            for blob, diff_id in once.values():
                short = _short(blob)
                if self._sink.has_layer(diff_id):
                    yield Event("Already exists", short)
                    continue
                yield Event("Pulling fs layer", short)
                self.fetched.append(blob)
                crew.start(partial(self._fetch, crew, blob, diff_id))
            yield from crew.events()

    def _fetch(self, crew: Crew, blob: Descriptor, diff_id: DiffID) -> None:
        """One layer, in a thread of the crew."""
        short = _short(blob)
        if not self._receive(crew, blob):
            self._receive(crew, blob)
        crew.tell(Event("Download complete", short))
        crew.tell(Event("Extracting", short, blob.size, blob.size))
        got = self._sink.adopt(blob)
        if got != diff_id:
            raise BadAnswer(
                f"layers from manifest don't match image configuration: layer {blob.digest} unpacks to {got}, "
                f"where the config has {diff_id}"
            )
        crew.tell(Event("Pull complete", short))

    def _receive(self, crew: Crew, blob: Descriptor) -> bool:
        """The blob, verified. False when what an earlier pull had left was not of it; that is gone now."""
        with self._sink.writer(blob.digest) as writer:
            kept = writer.size
            self._download(crew, blob, writer)
            crew.tell(Event("Verifying Checksum", _short(blob)))
            try:
                writer.commit(blob.digest)
            except DigestMismatch as error:
                if kept:
                    return False
                words = f"filesystem layer verification failed for digest {blob.digest}"
                raise BadAnswer(f"{words}: the bytes sent hash to {error.got}") from error
        return True

    def _download(self, crew: Crew, blob: Descriptor, writer: BlobWriter) -> None:
        short, done = _short(blob), writer.size
        meter = Meter("Downloading", short, blob.size, crew.tell)

        def attempt() -> None:
            nonlocal done
            if done >= blob.size:
                return
            with self._registry.blob(self._reference.repository, blob, done) as chunks:
                for chunk in chunks:
                    writer.write(chunk)
                    done += len(chunk)
                    meter.at(done)

        def pause(seconds: float) -> None:
            crew.tell(Event(f"Retrying in {seconds:g} second{'' if seconds == 1 else 's'}", short))
            crew.wait(seconds)

        patiently(attempt, self._delays, pause)


def _short(blob: Descriptor) -> str:
    return hex_of(blob.digest)[:12]
