"""``docker save``: images as one tar that every tool reads.

It is an OCI image layout (``index.json``, ``blobs/``) and, beside it, Docker's older list (``manifest.json``,
``repositories``) of the same blobs. Layers lie in it uncompressed, each under its diff_id.

Source: moby image/tarexport/save.go (both lists, from 25 on); OCI image-spec, image-layout.md.
"""

import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, BinaryIO, cast

from kit.engine.store.images import REF_NAME, ImageNotFound
from kit.engine.store.store import Store
from kit.errors import NotFound
from kit.layer.tarball import Member, archive
from kit.layer.tree import Entry, Kind
from kit.oci.config import ImageConfig
from kit.oci.descriptor import OCI_CONFIG, OCI_LAYER, Descriptor
from kit.oci.digest import DiffID, ImageID, hex_of
from kit.oci.manifest import Index, Manifest
from kit.oci.reference import Reference, parse_reference

FULL_NAME = "io.containerd.image.name"
"""The annotation by which containerd, and so Docker, finds the whole name."""


def chosen(store: Store, names: Iterable[str]) -> dict[ImageID, list[Reference]]:
    """The images that are named, with the tags to save: a name without a tag means all its tags, an ID none.

    Raises:
        NotFound: in dockerd's words.
    """
    found: dict[ImageID, list[Reference]] = {}
    for name in names:
        image = store.images.find(name)
        reference = None if image and _is_id(image, name) else parse_reference(name)
        if reference is not None and not reference.tag and not reference.digest:
            siblings = _siblings(store, reference)
            if not siblings and image is None:
                raise ImageNotFound(name)
            for owner, tag in siblings:
                found.setdefault(owner, []).append(tag)
            continue
        if image is None:
            raise NotFound("reference does not exist")
        found.setdefault(image, []).extend([reference] if reference and reference.tag else [])
    return found


def _is_id(image: ImageID, text: str) -> bool:
    return image.startswith(text) or hex_of(image).startswith(text)


def _siblings(store: Store, name: Reference) -> list[tuple[ImageID, Reference]]:
    return [
        (image, tag)
        for image in store.images.all()
        for tag in store.images.references(image)
        if tag.name == name.name
    ]


def save(store: Store, images: dict[ImageID, list[Reference]]) -> Iterator[bytes]:
    """The archive, piece by piece."""
    return archive(_members(store, images))


def _members(store: Store, images: dict[ImageID, list[Reference]]) -> Iterator[Member]:
    """Documents first: who knows the layers already need not read on."""
    for folder in ("blobs", "blobs/sha256"):
        yield Member(folder, Entry(Kind.DIRECTORY, 0o755), io.BytesIO())
    listed: list[dict[str, Any]] = []
    index: list[Descriptor] = []
    repositories: dict[str, dict[str, str]] = {}
    wanted: dict[DiffID, None] = {}
    for image, tags in images.items():
        config = store.images.get(image)
        manifest = _manifest(store, config)
        wanted |= dict.fromkeys(config.diff_ids)
        yield _file(_blob(image), config.raw)
        yield _file(_blob(manifest.digest), manifest.raw)
        layers = [_blob(diff_id) for diff_id in config.diff_ids]
        listed.append({"Config": _blob(image), "RepoTags": [tag.familiar for tag in tags] or None, "Layers": layers})
        plain = manifest.descriptor()
        notes = [{FULL_NAME: str(tag), REF_NAME: tag.tag} for tag in tags]
        index += [replace(plain, annotations=note) for note in notes] or [plain]
        for tag in tags:
            top = hex_of(config.diff_ids[-1] if config.diff_ids else image)
            repositories.setdefault(tag.familiar_name, {})[tag.tag] = top
    yield _file("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
    yield _file("index.json", Index.of(index).raw)
    yield _file("manifest.json", json.dumps(listed, separators=(",", ":")).encode())
    if repositories:
        yield _file("repositories", json.dumps(repositories, separators=(",", ":")).encode())
    for diff_id in wanted:
        with store.layers.open(diff_id) as tar:
            size = store.layers.get(diff_id).tar_size
            yield Member(_blob(diff_id), Entry(Kind.FILE, 0o644, size=size), tar)


def _manifest(store: Store, config: ImageConfig) -> Manifest:
    layers = [Descriptor(OCI_LAYER, diff_id, store.layers.get(diff_id).tar_size) for diff_id in config.diff_ids]
    return Manifest.of(Descriptor(OCI_CONFIG, config.id, len(config.raw)), layers)


def _blob(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


def _file(path: str, data: bytes) -> Member:
    return Member(path, Entry(Kind.FILE, 0o644, size=len(data)), cast(BinaryIO, io.BytesIO(data)))
