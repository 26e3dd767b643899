"""The first half of a pull: from a reference to the manifest and the config, all of it verified.

The reference names a manifest, or an index that has one manifest for each kind of machine. The manifest names the
config, and the config says which layers the blobs must unpack to.
"""

import time

from kit.engine.registry.auth import Credentials
from kit.engine.registry.client import Registry
from kit.engine.registry.distribution import LARGEST_DOCUMENT, Document
from kit.engine.registry.endpoints import Patience, Settings, mirror_endpoint
from kit.engine.registry.errors import (
    AccessDenied,
    BadAnswer,
    ManifestNotFound,
    RepositoryDenied,
    Unknown,
    Unreachable,
)
from kit.engine.registry.platforms import choose
from kit.engine.registry.retry import patiently
from kit.errors import Invalid, KitError, NotFound
from kit.oci.config import ImageConfig
from kit.oci.descriptor import Platform
from kit.oci.digest import digest_of
from kit.oci.manifest import Index, Manifest, parse_manifest
from kit.oci.reference import Reference

DEEPEST_INDEX = 3
"""Indexes may hold indexes; nobody honest nests them deeper."""


def find(reference: Reference, credentials: Credentials | None, settings: Settings) -> tuple[Registry, Document]:
    """The registry that has it, asked for it: the mirror first, where there is one."""
    mirror, missed = mirror_endpoint(reference.registry, settings), None
    if mirror:
        try:
            registry = Registry(reference.registry, settings=settings, endpoint=mirror)
            return registry, _asked(registry, reference)
        except KitError as error:
            missed = error
    try:
        registry = Registry(reference.registry, credentials, settings=settings)
        return registry, _asked(registry, reference)
    except Unreachable as error:
        if isinstance(missed, NotFound):
            raise missed from error  # without a way to Docker Hub, the mirror's word is the one that helps
        raise


def _asked(registry: Registry, reference: Reference) -> Document:
    try:
        return registry.manifest(reference)
    except Unknown as error:
        registry.close()
        raise ManifestNotFound(reference.familiar, error) from error
    except AccessDenied as error:
        registry.close()
        raise (RepositoryDenied(reference.familiar_name, error) if error.code == "DENIED" else error) from error
    except BaseException:
        registry.close()
        raise


def manifest_for(registry: Registry, reference: Reference, document: Document, wanted: Platform) -> Manifest:
    """The manifest itself, or the one that an index has for this machine."""
    for _ in range(DEEPEST_INDEX):
        found = _parsed(reference, document)
        if isinstance(found, Manifest):
            return found
        entry = choose(found, wanted)
        document = registry.manifest(Reference(reference.repository, reference.registry, digest=entry.digest))
    raise BadAnswer(f"{reference.familiar} is an index of indexes of indexes; no engine reads that")


def _parsed(reference: Reference, document: Document) -> Manifest | Index:
    try:
        return parse_manifest(document.raw, document.media_type)
    except Invalid as error:
        raise BadAnswer(f"the manifest of {reference.familiar} can't be used: {error}") from error


def config_of(registry: Registry, reference: Reference, manifest: Manifest, patience: Patience) -> ImageConfig:
    """The config that a manifest names.

    Raises:
        BadAnswer: other bytes than it names, no config at all, or one for other layers.
    """
    blob = manifest.config
    if blob.size > LARGEST_DOCUMENT:
        raise BadAnswer(f"the config of {reference.familiar} is {blob.size} bytes, which no config needs")

    def attempt() -> bytes:
        with registry.blob(reference.repository, blob) as chunks:
            return b"".join(chunks)

    raw = patiently(attempt, patience.delays, time.sleep)
    if digest_of(raw) != blob.digest:
        raise BadAnswer(f"image config verification failed for digest {blob.digest}: it hashes to {digest_of(raw)}")
    try:
        config = ImageConfig.parse(raw)
    except Invalid as error:
        raise BadAnswer(f"the config of {reference.familiar} can't be used: {error}") from error
    if len(config.diff_ids) != len(manifest.layers):
        raise BadAnswer(
            f"layers from manifest don't match image configuration: {len(manifest.layers)} in the manifest of "
            f"{reference.familiar}, {len(config.diff_ids)} in its config"
        )
    return config
