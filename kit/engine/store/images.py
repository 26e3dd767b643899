"""Images by ID and by name: configs, tags, repository digests, parents.

An image is its config blob; its ID is the config's digest. Names are rows that point at IDs. The image
layout's ``index.json`` follows the tags, so other tools find the same images under the same names.

Source: moby daemon/images ("GetImage") for how a text finds its image, and for the words when it does not.
"""

import re
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from threading import RLock

from kit.engine.store.blobs import BlobNotFound, Blobs
from kit.engine.store.database import Database
from kit.engine.store.layers import Layers
from kit.errors import Invalid, NotFound
from kit.oci.config import ImageConfig
from kit.oci.descriptor import OCI_CONFIG, Descriptor
from kit.oci.digest import DiffID, Digest, ImageID
from kit.oci.manifest import Manifest, parse_manifest
from kit.oci.reference import Reference, parse_reference

REF_NAME = "org.opencontainers.image.ref.name"
HEX = re.compile(r"(?:sha256:)?([0-9a-f]{1,64})")


class ImageNotFound(NotFound):
    """No image by this text. The words are dockerd's: the SDK and the command line read them."""

    def __init__(self, text: str) -> None:
        super().__init__(f"No such image: {text}")
        self.text = text


class Images:
    """The images of a store. Many threads may use it at once."""

    def __init__(
        self,
        blobs: Blobs,
        layers: Layers,
        database: Database,
        in_use: Callable[[], Iterable[DiffID]] = tuple,
        forget: Callable[[Iterable[DiffID]], object] = list,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``in_use`` names layers that something else than an image needs: these are never deleted.

        ``forget`` learns which were deleted.
        """
        self._blobs, self._layers, self._database = blobs, layers, database
        self._in_use, self._forget, self._clock = in_use, forget, clock
        self._lock = RLock()

    # Images

    def put(self, config: ImageConfig, parent: ImageID | None = None) -> ImageID:
        """Stores an image whose layers are all here. Again is no harm; a parent once told stays.

        Raises:
            LayerNotFound: one of its layers is not in the store.
        """
        with self._lock:
            for diff_id in config.diff_ids:
                self._layers.get(diff_id)
            self._blobs.put(config.raw)
            with self._database.transaction():
                self._database.rows(
                    "INSERT INTO images (id, parent) VALUES (?, ?) "
                    "ON CONFLICT (id) DO UPDATE SET parent = coalesce(images.parent, excluded.parent)",
                    config.id,
                    parent,
                )
                for diff_id in config.diff_ids:
                    self._database.rows("INSERT OR IGNORE INTO image_layers VALUES (?, ?)", config.id, diff_id)
            self._layers.claim(config.diff_ids)
            return config.id

    def has(self, id: ImageID) -> bool:
        return bool(self._database.rows("SELECT 1 FROM images WHERE id = ?", id))

    def get(self, id: ImageID) -> ImageConfig:
        """The image's config, verified.

        Raises:
            ImageNotFound: no image has this ID.
        """
        if not self.has(id):
            raise ImageNotFound(id)
        return ImageConfig.parse(self._blobs.read(id))

    def all(self) -> list[ImageID]:
        """Every image, dangling and intermediate ones too, newest in the store first."""
        return [id for (id,) in self._database.rows("SELECT id FROM images ORDER BY sequence DESC")]

    def parent(self, id: ImageID) -> ImageID | None:
        """The image that ``id`` was built or committed from, as told at ``put``, if it is still here."""
        rows = self._database.rows("SELECT parent FROM images WHERE id = ?", id)
        parent = rows[0][0] if rows else None
        return parent if parent and self.has(parent) else None

    def children(self, id: ImageID) -> list[ImageID]:
        """The images whose parent is ``id``, oldest first."""
        return [
            child for (child,) in self._database.rows("SELECT id FROM images WHERE parent = ? ORDER BY sequence", id)
        ]

    def created(self, id: ImageID) -> str:
        """When it was made, as its config says (RFC 3339), or ""."""
        return self.get(id).created

    def size(self, id: ImageID) -> int:
        """Bytes of files in all its layers."""
        return sum(self._layers.get(diff_id).size for diff_id in self.get(id).diff_ids)

    def tagged(self, id: ImageID) -> float:
        """When it last got a tag (seconds since 1970); 0 if never."""
        rows = self._database.rows("SELECT tagged FROM images WHERE id = ?", id)
        return float(rows[0][0]) if rows else 0.0

    def delete(self, id: ImageID) -> list[DiffID]:
        """Deletes the image, its names, and the layers that nothing needs any more, which it returns (top first).

        Whether it may go (containers, children, other tags) is for the caller to decide.

        Raises:
            ImageNotFound: no image has this ID.
        """
        with self._lock:
            diff_ids = self._layers_of(id)
            with self._database.transaction():
                manifests = self._database.rows("DELETE FROM manifests WHERE id = ? RETURNING digest", id)
                tags = self._database.rows("DELETE FROM tags WHERE id = ? RETURNING name", id)
                for table in ("images", "image_layers", "digests"):
                    self._database.rows(f"DELETE FROM {table} WHERE id = ?", id)
            if tags:
                self._write_index()
            for digest in (id, *(digest for (digest,) in manifests)):
                self._blobs.delete(digest)
            return self.release(diff_ids)

    def uses(self, diff_id: DiffID) -> bool:
        """Whether some image has this layer."""
        query = "SELECT 1 FROM image_layers JOIN images USING (id) WHERE diff_id = ? LIMIT 1"
        return bool(self._database.rows(query, diff_id))

    def hold(self, holder: str, diff_ids: Iterable[DiffID]) -> None:
        """Layers that something else than an image needs (the build cache, say) stay until ``let_go``."""
        for diff_id in (held := list(diff_ids)):
            self._database.rows("INSERT OR IGNORE INTO image_layers VALUES (?, ?)", holder, diff_id)
        self._layers.claim(held)

    def let_go(self, holder: str) -> list[DiffID]:
        """``holder`` needs no layers any more; those that nothing else needs are deleted and returned."""
        rows = self._database.rows("DELETE FROM image_layers WHERE id = ? RETURNING diff_id", holder)
        return self.release(diff_id for (diff_id,) in rows)

    def release(self, diff_ids: Iterable[DiffID]) -> list[DiffID]:
        """Deletes those layers that nothing needs any more, and says which. ``diff_ids`` are bottom first."""
        with self._lock:
            needed = {diff_id for (diff_id,) in self._database.rows("SELECT DISTINCT diff_id FROM image_layers")}
            needed |= set(self._in_use())
            gone = self._layers.delete(diff_id for diff_id in reversed([*diff_ids]) if diff_id not in needed)
            self._forget(gone)
            return gone

    def _layers_of(self, id: ImageID) -> tuple[DiffID, ...]:
        """Bottom first; also of an image whose config was damaged, else it could never be deleted."""
        try:
            return self.get(id).diff_ids
        except (BlobNotFound, Invalid):
            return tuple(
                diff_id for (diff_id,) in self._database.rows("SELECT diff_id FROM image_layers WHERE id = ?", id)
            )

    # Names

    def find(self, text: str) -> ImageID | None:
        """The image that ``text`` names: a tag, a name (its ``latest``), a repository digest, an ID, or its start.

        A name goes before an ID, and of several images whose ID starts alike none is meant.

        Raises:
            InvalidReference: ``text`` can name nothing.
        """
        whole = _image_id(text)
        if whole:
            return whole if self.has(whole) else None
        reference = parse_reference(text)
        if reference.digest:
            table, name = "digests", _digested(reference)
        else:
            table, name = "tags", str(reference.with_default_tag())
        rows = self._database.rows(f"SELECT id FROM {table} WHERE name = ?", name)
        start = HEX.fullmatch(text)
        if not rows and start:
            rows = self._database.rows("SELECT id FROM images WHERE id GLOB ? LIMIT 2", f"sha256:{start[1]}*")
        return rows[0][0] if len(rows) == 1 else None

    def resolve(self, text: str) -> ImageID:
        """As ``find``.

        Raises:
            ImageNotFound: with the name completed, as dockerd does it.
            InvalidReference: ``text`` can name nothing.
        """
        found = self.find(text)
        if found is None:
            raise ImageNotFound(_image_id(text) or parse_reference(text).with_default_tag().familiar)
        return found

    def tag(self, reference: Reference, id: ImageID) -> None:
        """Gives the image a name (``latest``, if the reference has no tag), taking it from whichever had it.

        Raises:
            ImageNotFound: no image has this ID.
            Invalid: the reference has a digest, which names an image by itself.
        """
        if reference.digest:
            raise Invalid("refusing to create a tag with a digest reference")
        with self._lock, self._database.transaction():
            if not self.has(id):
                raise ImageNotFound(id)
            name = str(reference.with_default_tag())
            self._database.rows("INSERT OR REPLACE INTO tags VALUES (?, ?)", name, id)
            self._database.rows("UPDATE images SET tagged = ? WHERE id = ?", self._clock(), id)
            self._write_index()

    def untag(self, reference: Reference) -> None:
        """Takes the name away: a tag, or a repository digest. The image stays."""
        with self._lock:
            if reference.digest:
                self._database.rows("DELETE FROM digests WHERE name = ?", _digested(reference))
            elif self._database.rows(
                "DELETE FROM tags WHERE name = ? RETURNING 1", str(reference.with_default_tag())
            ):
                self._write_index()

    def references(self, id: ImageID) -> list[Reference]:
        """The image's tags, by name."""
        return [
            parse_reference(name)
            for (name,) in self._database.rows("SELECT name FROM tags WHERE id = ? ORDER BY name", id)
        ]

    def remember_digest(self, reference: Reference, id: ImageID) -> None:
        """A registry knows the image as repository@digest.

        Raises:
            Invalid: the reference has no digest.
        """
        if not reference.digest:
            raise Invalid(f"{reference} has no digest")
        self._database.rows("INSERT OR REPLACE INTO digests VALUES (?, ?)", _digested(reference), id)

    def repo_digests(self, id: ImageID) -> list[Reference]:
        """The names with digests by which registries know the image."""
        return [
            parse_reference(name)
            for (name,) in self._database.rows("SELECT name FROM digests WHERE id = ? ORDER BY name", id)
        ]

    # Manifests

    def remember_manifest(self, id: ImageID, manifest: Manifest) -> None:
        """Keeps a manifest as a registry gave it, for as long as the store has the blobs that it names."""
        with self._lock:
            digest = self._blobs.put(manifest.raw)
            self._database.rows("INSERT OR REPLACE INTO manifests VALUES (?, ?, ?)", id, manifest.media_type, digest)
            if self.references(id):
                self._write_index()

    def manifest(self, id: ImageID) -> Manifest:
        """The image's manifest: as it was received, or made once and then remembered. Its blobs are all here."""
        with self._lock:
            return self._kept_manifest(id) or self._new_manifest(id)

    def _kept_manifest(self, id: ImageID) -> Manifest | None:
        rows = self._database.rows("SELECT media_type, digest FROM manifests WHERE id = ?", id)
        if not rows:
            return None
        try:
            manifest = parse_manifest(self._blobs.read(rows[0][1]), rows[0][0])
        except (BlobNotFound, Invalid):
            return None
        whole = isinstance(manifest, Manifest) and all(self._blobs.has(layer.digest) for layer in manifest.layers)
        return manifest if whole and isinstance(manifest, Manifest) else None

    def _new_manifest(self, id: ImageID) -> Manifest:
        config = self.get(id)
        layers = [self._layers.get(diff_id).blob for diff_id in config.diff_ids]
        manifest = Manifest.of(Descriptor(OCI_CONFIG, id, len(config.raw)), layers)
        digest = self._blobs.put(manifest.raw)
        self._database.rows("INSERT OR REPLACE INTO manifests VALUES (?, ?, ?)", id, manifest.media_type, digest)
        return manifest

    def refresh_index(self) -> None:
        """Writes ``index.json`` anew from the tags."""
        with self._lock:
            self._write_index()

    def _write_index(self) -> None:
        rows = self._database.rows("SELECT name, id FROM tags ORDER BY name")
        manifests = {id: self.manifest(id).descriptor() for id in {id for _, id in rows}}
        names = ((parse_reference(name).familiar, id) for name, id in rows)
        self._blobs.write_index(replace(manifests[id], annotations={REF_NAME: name}) for name, id in names)


def _image_id(text: str) -> ImageID | None:
    """A whole ID, with or without ``sha256:``."""
    whole = HEX.fullmatch(text)
    return ImageID(Digest(f"sha256:{whole[1]}")) if whole and len(whole[1]) == 64 else None


def _digested(reference: Reference) -> str:
    """Repository and digest: what a tag beside them says does not count."""
    return str(replace(reference, tag=""))
