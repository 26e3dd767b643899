"""What a build tells while it runs, as the classic endpoint's JSON messages.

The command line and the SDK print these lines and search them ("Successfully built …"), so their words are
contract.

Source: dockerd's builder/dockerfile and pkg/jsonmessage; moby api/server/router/build.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from kit.oci.digest import Digest, ImageID, hex_of


class Progress(Protocol):
    """Anything that has Docker's JSON form."""

    def to_json(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class Text:
    """Something printed: by the builder, or by a command of a step."""

    text: str

    def to_json(self) -> Mapping[str, Any]:
        return {"stream": self.text}


@dataclass(frozen=True)
class Shown:
    """Where and how a step failed, printed for people; who draws it otherwise knows it by its mark."""

    text: str

    def to_json(self) -> Mapping[str, Any]:
        return {"stream": self.text, "layerlab": "failure"}


@dataclass(frozen=True)
class Built:
    """The image is there."""

    image: ImageID

    def to_json(self) -> Mapping[str, Any]:
        return {"aux": {"ID": self.image}}


@dataclass(frozen=True)
class Failed:
    """The build is over, without an image. ``code`` is the failed command's exit code, if it was one."""

    message: str
    code: int | None = None

    def to_json(self) -> Mapping[str, Any]:
        detail: dict[str, Any] = {} if self.code is None else {"code": self.code}
        return {"errorDetail": detail | {"message": self.message}, "error": self.message}


def short(image: Digest) -> str:
    """The 12 hex digits by which people know an image."""
    return hex_of(image)[:12]


@dataclass(frozen=True)
class Explained:
    """Why a step ran, or did not: its cache key, part by part, and what differs from the last build.

    ``differs`` is None where there was no last build of this image; ``why`` says in sentences why a step ran.
    Clients that don't know it ignore it.
    """

    step: int
    key: Digest
    cached: bool
    parts: Mapping[str, str]
    differs: tuple[str, ...] | None
    why: tuple[str, ...] = ()

    def to_json(self) -> Mapping[str, Any]:
        facts = {"Step": self.step, "Key": self.key, "Cached": self.cached, "Parts": dict(self.parts)}
        differs = None if self.differs is None else list(self.differs)
        return {"id": "layerlab.cache", "aux": {**facts, "Differs": differs, "Why": list(self.why)}}
