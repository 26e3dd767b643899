"""References: registry / repository : tag @ digest.

``hello`` is short for ``docker.io/library/hello:latest``. Docker completes the short form, and so do we:
a first part with a dot, a colon, or the word ``localhost`` is a registry; else the registry is docker.io,
where names of one part live under ``library/``.

Source: the grammar of distribution/reference ("reference.go"); Docker's texts for what it refuses.
"""

import re
from dataclasses import dataclass, replace

from kit.errors import Invalid
from kit.oci.digest import Digest, InvalidDigest, parse_digest

DEFAULT_REGISTRY = "docker.io"
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_REGISTRY = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]+)?")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
LONGEST_NAME = 255


class InvalidReference(Invalid):
    """Text that names no image."""

    def __init__(self, text: str, why: str = "") -> None:
        super().__init__("invalid reference format" + (f": {why}" if why else ""))
        self.text = text


@dataclass(frozen=True)
class Reference:
    """The full name of an image. ``str()`` is complete, ``familiar`` is as people type it."""

    repository: str
    registry: str = DEFAULT_REGISTRY
    tag: str = ""
    digest: Digest | None = None

    @property
    def name(self) -> str:
        """Registry and repository, without tag and digest."""
        return f"{self.registry}/{self.repository}"

    @property
    def familiar_name(self) -> str:
        if self.registry != DEFAULT_REGISTRY:
            return self.name
        return self.repository.removeprefix("library/") if self.repository.count("/") == 1 else self.repository

    @property
    def familiar(self) -> str:
        return self.familiar_name + self._tail

    @property
    def _tail(self) -> str:
        return (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")

    def __str__(self) -> str:
        return self.name + self._tail

    def with_tag(self, tag: str) -> "Reference":
        """The same repository under ``tag``, without a digest."""
        if not _TAG.fullmatch(tag):
            raise InvalidReference(tag, f"{tag!r} is not a tag")
        return replace(self, tag=tag, digest=None)

    def with_default_tag(self) -> "Reference":
        """Docker's ``:latest``, when neither tag nor digest was given."""
        return self if self.tag or self.digest else replace(self, tag="latest")


def parse_reference(text: str) -> Reference:
    """The reference in ``text``, completed with Docker's defaults, but for the tag.

    Raises:
        InvalidReference: in Docker's words.
    """
    rest, _, digest_text = text.partition("@")
    try:
        digest = parse_digest(digest_text) if "@" in text else None
    except InvalidDigest as error:
        raise InvalidReference(text) from error
    head, slash, last = rest.rpartition("/")
    last, colon, tag = last.partition(":")
    name = head + slash + last
    if colon and not _TAG.fullmatch(tag):
        raise InvalidReference(text)
    first, slash, remainder = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost" or first != first.lower()):
        registry, repository = first, remainder
    else:
        registry, repository = DEFAULT_REGISTRY, name
    registry = {"index.docker.io": DEFAULT_REGISTRY}.get(registry, registry)
    if registry == DEFAULT_REGISTRY and repository and "/" not in repository:
        repository = f"library/{repository}"
    if repository != repository.lower():
        raise InvalidReference(text, "repository name must be lowercase")
    if not _REPOSITORY.fullmatch(repository) or not _REGISTRY.fullmatch(registry):
        raise InvalidReference(text)
    if re.fullmatch(r"[0-9a-f]{64}", rest):
        raise InvalidReference(text, "repository name can't be 64 hex digits: that is an image ID")
    if len(repository) + len(registry) + 1 > LONGEST_NAME:
        raise InvalidReference(text, f"repository name must not be more than {LONGEST_NAME} characters")
    return Reference(repository, registry, tag, digest)
