"""Which repositories are known to hold a blob, so that a push to a neighbour need not send it.

A guess, never a promise: a registry may have dropped the blob since. Then the mount is refused and the blob is sent.

Source: OCI distribution-spec, "Mounting a blob from another repository"; dockerd keeps the same notes.
"""

from typing import Any, Protocol

from kit.oci.digest import Digest

KIND = "whereabouts"
MOST = 4
"""Repositories remembered for a blob; a registry that refuses so many mounts would refuse the next, too."""


class Documents(Protocol):
    """A table of small JSON documents that outlives the engine."""

    def find(self, kind: str, key: str, /) -> Any | None: ...

    def put(self, kind: str, key: str, document: Any, /) -> object: ...


class Whereabouts:
    """Notes on which repositories hold which blobs."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    def of(self, registry: str, digest: Digest) -> list[str]:
        """Repositories of ``registry`` that held the blob, the latest first."""
        document = self._documents.find(KIND, f"{registry} {digest}") or {}
        return [str(repository) for repository in document.get("repositories", [])]

    def add(self, registry: str, digest: Digest, repository: str) -> None:
        """The blob was seen in this repository just now."""
        known = [repository, *(other for other in self.of(registry, digest) if other != repository)]
        self._documents.put(KIND, f"{registry} {digest}", {"repositories": known[:MOST]})
