"""The ``changes`` of a commit and of an import: Dockerfile instructions for the new image's config.

Source: Docker Engine API, "ImageCommit", "ImageCreate".
"""

from collections.abc import Iterable

from kit.dockerfile.changes import changed
from kit.oci.config import RunConfig


def apply_changes(run: RunConfig, changes: Iterable[str]) -> RunConfig:
    """``run`` with ``changes`` made, in order.

    Raises:
        Invalid: in dockerd's words; nothing is changed.
    """
    return changed(run, changes)
