"""What a load and an import tell while they run, as the endpoints' JSON messages.

Source: Docker Engine API, "ImageLoad", "ImageCreate"; moby pkg/jsonmessage.
"""

from dataclasses import dataclass
from typing import Any, Protocol


class Message(Protocol):
    """Anything that has Docker's JSON form."""

    def to_json(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Said:
    """A line of text."""

    text: str

    def to_json(self) -> dict[str, Any]:
        return {"stream": self.text + "\n"}


@dataclass(frozen=True)
class Status:
    """A word on how it stands; ``id`` names the layer that it is about."""

    text: str
    id: str = ""

    def to_json(self) -> dict[str, Any]:
        return {"status": self.text, **({"progressDetail": {}, "id": self.id} if self.id else {})}
