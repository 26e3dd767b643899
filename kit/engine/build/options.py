"""What a client asks of a build, as values.

The border (the API, a test) reads its own form of these and gives them here; nothing below looks at a query
string or a header.

Source: Docker Engine API, "ImageBuild"; buildx's flags for what only BuildKit knows.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class BuildOptions:
    """``dockerfile`` is a path in the context. ``build_args``: None as a value is as if it were not
    given: clients send it for ``--build-arg NAME`` when they have no such variable.

    ``remote``: a git or http address instead of a context in the body. ``credentials``: registry host → what
    its login is (X-Registry-Config). ``contexts``: name → ``docker-image://…``, a git or http address, or a
    directory of this machine. ``secrets`` and ``ssh``: id → bytes, or a file or socket of this machine.
    SOURCE_DATE_EPOCH comes as a build argument.
    """

    dockerfile: str = "Dockerfile"
    tags: tuple[str, ...] = ()
    build_args: Mapping[str, str | None] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    target: str = ""
    no_cache: bool = False
    pull: bool = False
    quiet: bool = False
    remove: bool = True
    force_remove: bool = False
    network: str = "default"
    cache_from: tuple[str, ...] = ()
    platform: str = ""
    extra_hosts: tuple[str, ...] = ()
    shm_size: int = 0
    memory: int = 0
    ulimits: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    remote: str = ""
    credentials: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    contexts: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, bytes | Path] = field(default_factory=dict)
    ssh: Mapping[str, Path] = field(default_factory=dict)
