"""The registry of the lessons, and what it holds: ``kit.registry``, ``kit.manifest``."""

import os

from kit.lab.connect import Lab, connect
from kit.lab.door import Door
from kit.lab.images import Image
from kit.lab.names import name_of
from kit.lab.push import find_login
from kit.lab.registry import requests_of, start_registry
from kit.lab.registry_log import Asked
from kit.lab.remote import read_manifest
from kit.lab.wire import wire_to
from kit.oci.reference import parse_reference
from kit.views.models.registry import RegistryCard
from kit.views.models.wire import ManifestCard


def registry(*, login: tuple[str, str] | None = None, lab: Lab | None = None) -> RegistryCard:
    """The local registry, started if need be; the class's, where LAYERLAB_REGISTRY tells its address.

    With ``login`` (user, password) it is an entrance to it where only that user comes in, and writes only to
    repositories whose names begin with the user's. It is there for as long as this notebook lives.

    Raises:
        RegistryUnavailable: with what to install.
    """
    lab = lab or connect()
    given = os.environ.get("LAYERLAB_REGISTRY", "")
    name = (given or start_registry(lab.home.root, engine=lab.client)).removeprefix("http://")
    if login is None:
        return RegistryCard(name)
    return RegistryCard(wire_to(name, Door(*login)).name, login[0])


def requests(*, lab: Lab | None = None) -> list[Asked]:
    """What the local registry was asked, by its own log; in the order of its answers."""
    lab = lab or connect()
    return requests_of(lab.home.root, engine=lab.client)


def manifest(reference: "str | Image", *, lab: Lab | None = None) -> ManifestCard:
    """What a registry holds under a name, read from the registry itself.

    Raises:
        NotInRegistry: nothing has this name there. Denied: log in first. Unavailable: it does not answer.
    """
    lab = lab or connect()
    name = parse_reference(name_of(reference)).with_default_tag()
    return ManifestCard(name.familiar, read_manifest(name, find_login(lab, name.registry)))
