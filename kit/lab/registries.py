"""The registry of the lessons, and what it holds: ``kit.registry``, ``kit.manifest``."""

from kit.lab.connect import Lab, connect
from kit.lab.images import Image
from kit.lab.names import name_of
from kit.lab.push import find_login
from kit.lab.registry import start_registry
from kit.lab.remote import read_manifest
from kit.oci.reference import parse_reference
from kit.views.models.registry import RegistryCard
from kit.views.models.wire import ManifestCard


def registry(*, lab: Lab | None = None) -> RegistryCard:
    """The local registry, started if need be.

    Raises:
        RegistryUnavailable: with what to install.
    """
    lab = lab or connect()
    return RegistryCard(start_registry(lab.home.root, engine=lab.client).removeprefix("http://"))


def manifest(reference: "str | Image", *, lab: Lab | None = None) -> ManifestCard:
    """What a registry holds under a name, read from the registry itself.

    Raises:
        NotInRegistry: nothing has this name there. Denied: log in first. Unavailable: it does not answer.
    """
    lab = lab or connect()
    name = parse_reference(name_of(reference)).with_default_tag()
    return ManifestCard(name.familiar, read_manifest(name, find_login(lab, name.registry)))
