"""Asking a registry itself, without an engine: what does a name lead to there?

Source: OCI distribution-spec, "Pulling manifests"; CNCF Distribution, "Token Authentication Specification".
"""

import ipaddress
import platform
import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

import docker.auth
import httpx

from kit.errors import Denied, Invalid, NotFound, Unavailable
from kit.lab.logins import find_known
from kit.oci.descriptor import INDEXES, MANIFESTS, Descriptor
from kit.oci.manifest import Index, Manifest, parse_manifest
from kit.oci.reference import DEFAULT_REGISTRY, Reference

_ACCEPT = ", ".join([*MANIFESTS, *INDEXES])
_LARGEST = 4 << 20
"""Bytes of a manifest: the limit that registries have."""
_PATIENCE = 20.0
HUB = "registry-1.docker.io"
_PART = re.compile(r'(\w+)="([^"]*)"')
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


class NotInRegistry(NotFound):
    """The registry has nothing under this name."""

    def __init__(self, reference: Reference) -> None:
        super().__init__(f"the registry {reference.registry} has no {reference.familiar}: push it first")
        self.reference = reference


def is_loopback(registry: str) -> bool:
    """Whether it is on this machine, where engines speak plain HTTP."""
    host = registry.rpartition(":")[0] or registry
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def read_manifest(reference: Reference, login: Mapping[str, Any] | None = None) -> Manifest:
    """The manifest under this name; of several, the one for this machine.

    ``login`` is an entry of Docker's configuration; without it the one there is used.

    Raises:
        NotInRegistry: nothing has this name. Denied: log in first. Unavailable: the registry does not answer.
        Invalid: what came is no manifest.
    """
    found = _get(reference, reference.digest or reference.with_default_tag().tag, login)
    if isinstance(found, Index):
        found = _get(reference, _for_this_machine(found).digest, login)
    if isinstance(found, Index):
        raise Invalid(f"{reference.familiar} leads from one index to another, and to no image")
    return found


def _get(reference: Reference, tag: str, login: Mapping[str, Any] | None) -> Manifest | Index:
    host = HUB if reference.registry == DEFAULT_REGISTRY else reference.registry
    url = f"{'http' if is_loopback(host) else 'https'}://{host}/v2/{reference.repository}/manifests/{tag}"
    login = login or find_known(docker.auth.load_config(), reference.registry) or {}
    try:
        # A proxy leads to other machines.
        with httpx.Client(timeout=_PATIENCE, trust_env=not is_loopback(host), follow_redirects=True) as client:
            answer = client.get(url, headers={"Accept": _ACCEPT})
            if answer.status_code == 401:
                proof = _proof(client, answer.headers.get("WWW-Authenticate", ""), login)
                answer = client.get(url, headers={"Accept": _ACCEPT, "Authorization": proof})
    except httpx.HTTPError as error:
        raise Unavailable(f"the registry {reference.registry} does not answer: {error}") from error
    if answer.status_code == 404:
        raise NotInRegistry(reference)
    if answer.status_code in (401, 403):
        raise Denied(f"the registry {reference.registry} does not show {reference.familiar}: kit.login(…) first")
    if answer.status_code != 200 or len(answer.content) > _LARGEST:
        raise Unavailable(f"the registry {reference.registry} answers {answer.status_code} for {reference.familiar}")
    return parse_manifest(answer.content, answer.headers.get("Content-Type", ""))


def _proof(client: httpx.Client, challenge: str, login: Mapping[str, Any]) -> str:
    """The Authorization header that answers a registry's challenge; "" when we have none."""
    known = (str(login.get("username") or ""), str(login.get("password") or ""))
    scheme, _, rest = challenge.partition(" ")
    if scheme.lower() == "basic":
        return "Basic " + b64encode(":".join(known).encode()).decode()
    parts = dict(_PART.findall(rest))
    if scheme.lower() != "bearer" or "realm" not in parts:
        return ""
    asked = {key: parts[key] for key in ("service", "scope") if key in parts}
    answer = client.get(parts["realm"], params=asked, auth=known if known[0] else None)
    token = answer.json() if answer.status_code == 200 else {}
    return f"Bearer {token.get('token') or token.get('access_token') or ''}"


def _for_this_machine(index: Index) -> Descriptor:
    machine = platform.machine()
    wanted = _ARCHITECTURES.get(machine, machine)
    found = [one for one in index.manifests if one.platform and one.platform.architecture == wanted]
    if not found:
        raise Invalid(f"none of the {len(index.manifests)} images under this name is for {wanted}")
    return found[0]
