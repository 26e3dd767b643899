"""What a rubric may rely on, of an image, a run and a registry: nothing that differs from engine to engine.

Never an engine's own ``.Id``, ``Parent``, SIZE or the wording of the history: Docker, Podman and BuildKit each
mean something else by them.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias


class Entry(Protocol):
    """One path of a layer. ``kind`` is "file", "directory", "symlink" …; ``mode`` the permission bits."""

    @property
    def kind(self) -> str: ...
    @property
    def mode(self) -> int: ...
    @property
    def size(self) -> int: ...


class Layer(Protocol):
    """One layer: its content's digest, and what it adds or replaces."""

    @property
    def diff_id(self) -> str: ...
    @property
    def files(self) -> Mapping[str, Entry]: ...


class Image(Protocol):
    """An image. ``layers`` bottom first; ``files`` as a container sees them; ``stored`` bytes of all layers."""

    @property
    def id(self) -> str: ...
    @property
    def layers(self) -> Sequence[Layer]: ...
    @property
    def files(self) -> Mapping[str, Entry]: ...
    @property
    def config(self) -> Mapping[str, Any]: ...
    @property
    def stored(self) -> int: ...


class Result(Protocol):
    """A container that has ended, or that did not start (then ``err`` is what the engine says)."""

    @property
    def code(self) -> int: ...
    @property
    def out(self) -> str: ...
    @property
    def err(self) -> str: ...


class Descriptor(Protocol):
    @property
    def digest(self) -> str: ...


class Manifest(Protocol):
    """What a registry holds under a name: digests of the config and of the layers."""

    @property
    def config(self) -> Descriptor: ...
    @property
    def layers(self) -> Sequence[Descriptor]: ...


Images: TypeAlias = Callable[[str], Image]
Run: TypeAlias = Callable[..., Result]
Manifests: TypeAlias = Callable[[str], Manifest]
Answers: TypeAlias = Mapping[str, Any]
