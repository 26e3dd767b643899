"""What a locked engine allows, as its owner wrote it down."""

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from kit.errors import Invalid

NETWORKS = ("none", "loopback")


@dataclass(frozen=True)
class Terms:
    """``folder``: what may be bound into containers ("" is nothing). ``registries``: ``host:port`` of each that may
    be spoken to.

    ``network``: with "none" no container has one; with "loopback" the engine must stand in a network namespace that
    has nothing else, and containers share it. ``disk``: bytes that the engine may add to what it was started with;
    ``memory``: bytes of each container, 0 is no bound; ``processes``: of each container; ``containers``: that run
    at once; ``seconds``: that each may run.
    """

    folder: str = ""
    registries: tuple[str, ...] = ()
    network: str = "none"
    disk: int = 1 << 30
    memory: int = 0
    processes: int = 256
    containers: int = 16
    seconds: float = 120.0

    @classmethod
    def read(cls, path: Path) -> "Terms":
        """The terms in a JSON file. What it leaves out is as above.

        Raises:
            Invalid: it can't be read, or says something that is no term.
        """
        try:
            found = json.loads(path.read_text())
            return cls.of(found)
        except (OSError, ValueError) as error:
            raise Invalid(f"the lock {path} can't be read: {error}") from error

    @classmethod
    def of(cls, document: Any) -> "Terms":
        """
        Raises:
            Invalid
        """
        if not isinstance(document, dict):
            raise Invalid("a lock is a JSON object")
        kinds = {field.name: type(getattr(cls(), field.name)) for field in fields(cls)}
        for name, value in document.items():
            if name not in kinds:
                raise Invalid(f"a lock has no term {name!r}: there are {', '.join(kinds)}")
            if not _fits(value, kinds[name]):
                raise Invalid(f"the lock's {name} is {value!r}")
        words = document | {"registries": tuple(document.get("registries", ()))}
        terms = cls(**words)
        if terms.network not in NETWORKS:
            raise Invalid(f"the lock's network is {terms.network!r}: it can be {' or '.join(NETWORKS)}")
        if terms.folder and not terms.folder.startswith("/"):
            raise Invalid(f"the lock's folder {terms.folder!r} is no absolute path")
        return terms


def _fits(value: object, kind: type) -> bool:
    if kind is tuple:
        return isinstance(value, list) and all(isinstance(word, str) for word in value)
    if kind is str:
        return isinstance(value, str)
    known = int | float if kind is float else int
    return isinstance(value, known) and not isinstance(value, bool) and 0 <= value < float("inf")
