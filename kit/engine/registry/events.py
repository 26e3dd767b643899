"""Progress as values, in the words of Docker's clients.

Source: Docker Engine API, "ImagePush", "ImageCreate"; docker/pkg/jsonmessage.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

BAR = 50


@dataclass(frozen=True)
class Event:
    """One line of progress. ``id`` names a layer (12 hex digits) or a tag; ``total`` 0 means not counted."""

    status: str = ""
    id: str = ""
    current: int = 0
    total: int = 0
    aux: Mapping[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """Docker's jsonmessage."""
        if self.aux is not None:
            return {"progressDetail": {}, "aux": dict(self.aux)}
        data: dict[str, Any] = {"status": self.status}
        if self.total:
            data["progressDetail"] = {"current": self.current, "total": self.total}
            data["progress"] = bar(self.current, self.total)
        elif self.id and not self.status.startswith("Pulling from"):
            data["progressDetail"] = {}
        if self.id:
            data["id"] = self.id
        return data


def bar(current: int, total: int) -> str:
    """``[====>      ]  1.2kB/3kB``, 50 signs wide, as dockerd draws it."""
    done = min(int(current / total * 100) // 2, BAR)
    return f"[{'=' * done}>{' ' * (BAR - done)}] {human(current):>8}/{human(total)}"


def human(size: int) -> str:
    """Bytes in steps of 1000 with four digits, as Docker writes them."""
    value, units = float(size), ["B", "kB", "MB", "GB", "TB", "PB"]
    while value >= 1000 and len(units) > 1:
        value /= 1000
        units.pop(0)
    return f"{value:.4g}{units[0]}"
