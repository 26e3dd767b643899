"""What a rubric may rely on, of an image, a run and a registry: nothing that differs from engine to engine.

Never an engine's own ``.Id``, ``Parent``, SIZE or the wording of the history: Docker, Podman and BuildKit each
mean something else by them.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from typing import Any, Protocol, TypeAlias


class Entry(Protocol):
    """One path of a layer. ``kind`` is "file", "directory", "symlink" …; ``mode`` the permission bits.

    ``target`` is where a symlink points.
    """

    @property
    def kind(self) -> str: ...
    @property
    def mode(self) -> int: ...
    @property
    def uid(self) -> int: ...
    @property
    def gid(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def digest(self) -> str | None: ...
    @property
    def target(self) -> str: ...


class Layer(Protocol):
    """One layer: its content's digest, what it adds or replaces, the paths below that it removes, and its bytes."""

    @property
    def diff_id(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def files(self) -> Mapping[str, Entry]: ...
    @property
    def removed(self) -> Set[str]: ...


class Line(Protocol):
    """One line of an image's history: who signed it, and what they said."""

    @property
    def author(self) -> str: ...
    @property
    def comment(self) -> str: ...


class Image(Protocol):
    """An image. ``layers`` bottom first; ``files`` as a container sees them; ``stored`` bytes of all layers,
    ``dead`` those that no container sees."""

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
    @property
    def dead(self) -> int: ...
    @property
    def history(self) -> Sequence[Line]: ...


class Result(Protocol):
    """A container that has ended, or that did not start (then ``err`` is what the engine says)."""

    @property
    def code(self) -> int: ...
    @property
    def out(self) -> str: ...
    @property
    def err(self) -> str: ...


class Place(Protocol):
    """Where a text is: "file" (``words`` its path in ``layer``), "history", or a key of the configuration."""

    @property
    def kind(self) -> str: ...
    @property
    def words(self) -> str: ...
    @property
    def layer(self) -> int | None: ...


class Service(Protocol):
    """A service that was started, asked, and told to stop: ``answer`` or ``trouble``, exit ``code``, ``seconds``."""

    @property
    def answer(self) -> str: ...
    @property
    def trouble(self) -> str: ...
    @property
    def running(self) -> bool: ...
    @property
    def killed(self) -> bool: ...
    @property
    def code(self) -> int: ...
    @property
    def seconds(self) -> float: ...
    @property
    def said(self) -> str: ...


class Container(Protocol):
    """A container as it is now; ``started``: whether it ever ran."""

    @property
    def status(self) -> str: ...
    @property
    def started(self) -> bool: ...


class Descriptor(Protocol):
    @property
    def digest(self) -> str: ...
    @property
    def size(self) -> int: ...


class Manifest(Protocol):
    """What a registry holds under a name: its own digest, and those of the config and of the layers."""

    @property
    def digest(self) -> str: ...
    @property
    def config(self) -> Descriptor: ...
    @property
    def layers(self) -> Sequence[Descriptor]: ...


class Asked(Protocol):
    """A request that the local registry answered: the client's name, the repository, and what blob came by it.

    ``how``: "uploaded", "mounted" from another repository, "refused", or "" when it was to bring none.
    """

    @property
    def method(self) -> str: ...
    @property
    def target(self) -> str: ...
    @property
    def agent(self) -> str: ...
    @property
    def status(self) -> int: ...
    @property
    def repository(self) -> str: ...
    @property
    def digest(self) -> str: ...
    @property
    def how(self) -> str: ...


class Registry(Protocol):
    """What registries hold, read over HTTP; ``str()`` is the name of the local one, without a login."""

    def manifest(self, reference: str) -> Manifest:
        """An AssertionError with advice if there is none."""

    def has(self, reference: str) -> bool: ...

    def pull(self, reference: str) -> str:
        """Fetches an image into the engine; its name there. An AssertionError with advice if that can't be done."""

    def requests(self) -> Sequence[Asked]:
        """What the local registry was asked, by its own log, in the order of its answers."""


class Rebuilt(Protocol):
    """A context built again: the image, and how many steps were run rather than taken from the cache."""

    @property
    def image(self) -> Image: ...
    @property
    def reference(self) -> str: ...
    @property
    def ran(self) -> int: ...


class Rebuild(Protocol):
    """``changes``: path to its new content, None for a file that is left out; ``args``: values for ARG."""

    def __call__(
        self, changes: Mapping[str, str | bytes | None] = {}, *, args: Mapping[str, str] = {}, nocache: bool = False
    ) -> Rebuilt: ...


class StructureTest(Protocol):
    """Runs a container-structure-test file that lies beside the rubric. Points in part for tests that pass."""

    def __call__(self, file: str) -> None: ...


class Hadolint(Protocol):
    """Fails on hadolint's findings of ``level`` and above (error, warning, info, style), less those in ``ignore``."""

    def __call__(self, level: str = "warning", *, ignore: Sequence[str] = ()) -> None: ...


Images: TypeAlias = Callable[[str], Image]
Run: TypeAlias = Callable[..., Result]
Serve: TypeAlias = Callable[..., Service]
Grep: TypeAlias = Callable[[str, str], Iterable[Place]]
Peek: TypeAlias = Callable[[str, str], Mapping[int, bytes]]
Containers: TypeAlias = Callable[[str], Container | None]
Manifests: TypeAlias = Callable[[str], Manifest]
Answers: TypeAlias = Mapping[str, Any]
Probe: TypeAlias = Callable[[str, type[Any]], Any]
