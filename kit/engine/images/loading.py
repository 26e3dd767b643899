"""``docker load``: images out of an archive, Docker's or OCI's.

The lists of what is in an archive may stand behind everything else, so its files are first put aside, under numbers
of our own: no name in the archive ever becomes a path. Then each image is put together; a layer that is not
what its config says is refused, and what came with it goes again.

Source: moby image/tarexport/load.go; OCI image-spec, image-layout.md.
"""

import json
import posixpath
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from shutil import copyfileobj, rmtree
from typing import Any, BinaryIO, cast

from kit.engine.images.arrivals import forget
from kit.engine.images.progress import Message, Said, Status
from kit.engine.images.saving import FULL_NAME
from kit.engine.store.compression import unpacked
from kit.engine.store.files import temporary_name
from kit.engine.store.images import REF_NAME
from kit.engine.store.store import Store
from kit.errors import Invalid
from kit.layer.headers import Readable
from kit.layer.tarball import members
from kit.layer.tree import Kind
from kit.oci.config import ImageConfig
from kit.oci.digest import CHUNK, DiffID, ImageID, hex_of, parse_digest
from kit.oci.manifest import Index, Manifest, parse_manifest
from kit.oci.reference import Reference, parse_reference

LARGEST_DOCUMENT = 4 << 20
"""Bytes of a list, a manifest or a config: what registries take."""


@dataclass(frozen=True)
class Listed:
    """One image of an archive: paths in it. ``layers`` bottom first."""

    config: str
    layers: tuple[str, ...]
    names: tuple[Reference, ...]
    parent: str = ""


@dataclass
class Archive:
    """The files of an archive by the paths that it gives them; ``links`` lead to other paths."""

    files: dict[str, Path] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)

    def open(self, path: str) -> BinaryIO:
        """
        Raises:
            Invalid: the archive names it, but does not hold it.
        """
        seen: set[str] = set()
        while path in self.links and path not in seen:
            seen.add(path)
            path = self.links[path]
        if path not in self.files:
            raise Invalid(f"open {path}: no such file or directory in the archive")
        return self.files[path].open("rb")

    def document(self, path: str) -> bytes:
        with self.open(path) as file:
            data = file.read(LARGEST_DOCUMENT + 1)
        if len(data) > LARGEST_DOCUMENT:
            raise Invalid(f"{path} in the archive is longer than {LARGEST_DOCUMENT} bytes")
        return data

    def json(self, path: str) -> Any:
        try:
            return json.loads(self.document(path))
        except ValueError as error:
            raise Invalid(f"{path} in the archive is not JSON: {error}") from error


def load(store: Store, source: Readable, *, quiet: bool) -> Iterator[tuple[Message, ImageID | None]]:
    """Messages, and with the last one of an image its ID.

    Raises:
        Invalid: the archive is damaged, or holds no image; images before the bad one are there.
    """
    with _put_aside(store.root, source) as archive:
        for listed in _listed(archive):
            yield from _image(store, archive, listed, quiet=quiet)


@contextmanager
def _put_aside(root: Path, source: Readable) -> Iterator[Archive]:
    """A directory that the store's next start sweeps away, should this one be killed."""
    folder = temporary_name(root)
    folder.mkdir(0o700)
    try:
        found = Archive()
        plain, _ = unpacked(source)
        for number, (path, entry, contents) in enumerate(members(plain)):
            if entry.hardlink:
                found.links[path] = entry.hardlink
            elif entry.kind is Kind.SYMLINK:
                found.links[path] = posixpath.normpath(posixpath.join(posixpath.dirname(path), entry.target))
            elif entry.kind is Kind.FILE:
                found.files[path] = folder / str(number)
                with found.files[path].open("xb") as file:
                    copyfileobj(contents, file, CHUNK)
        while plain.read(CHUNK):
            pass
        yield found
    finally:
        rmtree(folder, ignore_errors=True)


def _listed(archive: Archive) -> Iterator[Listed]:
    if "manifest.json" in archive.files:
        return _of_docker(archive.json("manifest.json"))
    if "index.json" in archive.files:
        return _of_oci(archive, parse_manifest(archive.document("index.json")), {})
    raise Invalid("the archive has neither manifest.json nor index.json: it holds no image")


def _of_docker(rows: Any) -> Iterator[Listed]:
    try:
        for row in rows:
            yield Listed(
                _clean(row["Config"]),
                tuple(_clean(path) for path in row.get("Layers") or ()),
                tuple(parse_reference(name).with_default_tag() for name in row.get("RepoTags") or ()),
                str(row.get("Parent") or ""),
            )
    except (KeyError, TypeError, AttributeError) as error:
        raise Invalid(f"manifest.json in the archive is not a list of images: {error!r}") from error


def _of_oci(archive: Archive, found: Manifest | Index, notes: Mapping[str, str]) -> Iterator[Listed]:
    if isinstance(found, Manifest):
        name = notes.get(FULL_NAME) or notes.get(REF_NAME, "")
        whole = ":" in name or "/" in name
        names = (parse_reference(name).with_default_tag(),) if whole else ()
        yield Listed(_blob(found.config.digest), tuple(_blob(layer.digest) for layer in found.layers), names)
        return
    for descriptor in found.manifests:
        document = parse_manifest(archive.document(_blob(descriptor.digest)), descriptor.media_type)
        yield from _of_oci(archive, document, descriptor.annotations or notes)


def _blob(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


def _clean(path: object) -> str:
    return posixpath.normpath(str(path))


def _image(
    store: Store, archive: Archive, listed: Listed, *, quiet: bool
) -> Iterator[tuple[Message, ImageID | None]]:
    config = ImageConfig.parse(archive.document(listed.config))
    if len(config.diff_ids) != len(listed.layers):
        raise Invalid(
            f"invalid manifest, layers length mismatch: expected {len(config.diff_ids)}, got {len(listed.layers)}"
        )
    came: list[DiffID] = []
    try:
        for number, (diff_id, path) in enumerate(zip(config.diff_ids, listed.layers, strict=True)):
            if store.layers.find(diff_id):
                continue
            if not quiet:
                yield Status("Loading layer", hex_of(diff_id)[:12]), None
            with archive.open(path) as file:
                got = store.layers.add(cast(Readable, file)).diff_id
            came.append(got)
            if got != diff_id:
                raise Invalid(f'invalid diffID for layer {number}: expected "{diff_id}", got "{got}"')
        image = store.images.put(config, parent=_parent(store, listed.parent))
    except BaseException:
        forget(store, came)
        raise
    yield from _named(store, image, listed.names)


def _parent(store: Store, text: str) -> ImageID | None:
    if not text:
        return None
    parent = ImageID(parse_digest(text))
    return parent if store.images.has(parent) else None


def _named(store: Store, image: ImageID, names: tuple[Reference, ...]) -> Iterator[tuple[Message, ImageID | None]]:
    for name in names:
        old = store.images.find(str(name))
        if old not in (None, image):
            words = f"The image {name.familiar} already exists, renaming the old one with ID {old} to empty string"
            yield Said(words), None
        store.images.tag(name, image)
        yield Said(f"Loaded image: {name.familiar}"), image
    if not names:
        yield Said(f"Loaded image ID: {image}"), image
