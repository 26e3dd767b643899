"""A container's defaults by Docker's keys, where a key that is missing is an answer, too.

Engines leave out what is not set, or write null, or an empty list: which one differs from version to version. Here
each key has one value for "not set".
"""

from collections.abc import Iterator, Mapping
from typing import Any

_NOT_SET: Mapping[str, Any] = {
    "Cmd": None,
    "Entrypoint": None,
    "Env": [],
    "ExposedPorts": {},
    "Healthcheck": None,
    "Labels": {},
    "OnBuild": [],
    "Shell": None,
    "StopSignal": "",
    "User": "",
    "Volumes": {},
    "WorkingDir": "",
}


class Config(Mapping[str, Any]):
    """The config of an image, by Docker's keys. Asking for any key gives a value; None for one that nobody knows."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._data = data

    def __getitem__(self, key: str) -> Any:
        value = self._data.get(key)
        return _NOT_SET.get(key) if value is None else value

    def __iter__(self) -> Iterator[str]:
        return iter(sorted({*_NOT_SET, *self._data}))

    def __len__(self) -> int:
        return len({*_NOT_SET, *self._data})

    def __repr__(self) -> str:
        told = {key: self[key] for key in self if self[key] not in (None, "", [], {})}
        return f"Config({told})"
