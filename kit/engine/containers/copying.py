"""Files in and out of a container: ``docker cp``, ``diff`` and ``export``.

A path below a mount is the mount's, as the container sees it.

Source: Docker Engine API, "ContainerArchive"; dockerd's "archive.go".
"""

from collections.abc import Iterator
from typing import Any

from kit.engine.containers.container import Container
from kit.engine.containers.services import Services
from kit.errors import NotFound
from kit.layer.changeset import Letter, changes as tell_changes

Json = dict[str, Any]
KINDS = {Letter.CHANGED: 0, Letter.ADDED: 1, Letter.DELETED: 2}
