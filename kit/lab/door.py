"""Who may push where: accounts before a registry, as a proxy in front of it keeps them.

One account with a password. Who is known may read everything; writing is for the account's own namespace, the first
part of a repository's name. The answers are those that registries give, so an engine says what it says anywhere else.

Source: OCI distribution-spec, "Error Codes"; CNCF Distribution, "Authenticate proxy with nginx"; RFC 7617.
"""

import hmac
import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

_REPOSITORY = re.compile(r"/v2/(.+)/(?:blobs|manifests)/")
_READING = ("GET", "HEAD")


@dataclass(frozen=True)
class Refusal:
    """A refused request: the answer's status, its headers, and the error as its body tells it."""

    status: int
    code: str
    message: str
    headers: Mapping[str, str] = field(default_factory=dict)
    detail: Any = None

    @property
    def body(self) -> Mapping[str, Any]:
        return {"errors": [{"code": self.code, "message": self.message, "detail": self.detail}]}


@dataclass(frozen=True)
class Door:
    """One account. Its password is never shown."""

    user: str
    password: str = field(repr=False)

    def refusal(self, method: str, target: str, proof: str) -> Refusal | None:
        """Why a request is refused; None lets it pass. ``proof`` is its Authorization header, "" for none."""
        if not hmac.compare_digest(proof.encode(), self._proof.encode()):
            challenge = {"WWW-Authenticate": 'Basic realm="Layerlab"'}
            return Refusal(401, "UNAUTHORIZED", "authentication required", challenge)
        repository = _REPOSITORY.match(unquote(urlsplit(target).path))
        name = repository[1] if repository else ""
        if method in _READING or not name or name.startswith(f"{self.user}/"):
            return None
        # With a detail an engine prints the message; without, only the code.
        return Refusal(403, "DENIED", "requested access to the resource is denied", detail={"name": name})

    @property
    def _proof(self) -> str:
        return "Basic " + b64encode(f"{self.user}:{self.password}".encode()).decode()
