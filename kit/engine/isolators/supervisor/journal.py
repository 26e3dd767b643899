"""The ownership journal of a container: read at its start, appended to while it runs.

Records wait for a twentieth of a second. ``dpkg`` makes every file without any right, writes it, then gives it its
mode: of ten thousand files, those that end as the disk says are worth no line. A supervisor that is killed loses
that twentieth of a second.

Source: ``kit.layer.ownership`` for the format.
"""

import os
import time
from pathlib import Path

from kit.layer.ownership import FileIdentity, Ownership, read_journal, to_line

DELAY = 0.05
_NOTHING = Ownership()


class Journal:
    """The journal at ``path``, made where it is missing. ``records`` is what it tells, for whoever changes it."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with open(os.dup(self._descriptor), errors="replace") as lines:
            self.records = read_journal(lines)
        self._told = set(self.records)
        self._waiting: dict[FileIdentity, Ownership] = {}
        self._since = 0.0

    def put(self, identity: FileIdentity, record: Ownership) -> None:
        if not self._waiting:
            self._since = time.monotonic()
        self._waiting[identity] = record

    def patience(self) -> int | None:
        """Milliseconds until the records that wait should be written; None if there are none."""
        if not self._waiting:
            return None
        return max(0, int(1000 * (self._since + DELAY - time.monotonic())))

    def flush(self) -> None:
        """Writes the records that wait, in one go."""
        waiting, self._waiting = self._waiting, {}
        lines = []
        for identity, record in waiting.items():
            if record != _NOTHING or identity in self._told:
                lines.append(to_line(identity, record))
                self._told.add(identity)
        if lines:
            os.write(self._descriptor, "".join(lines).encode())
