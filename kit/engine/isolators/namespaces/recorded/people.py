"""Who a process is, remembered by a number that the process carries.

The number is a resource limit that means nothing (``asked.TAG``): the kernel hands it on to children and keeps it
when a program is executed, so nobody has to follow a process from its birth.

Source: getrlimit(2); credentials(7); proc(5), ``/proc/PID/limits``.
"""

import os
import resource
from dataclasses import dataclass

from kit.engine.isolators.namespaces.recorded.asked import TAG
from kit.engine.isolators.supervisor import ids
from kit.engine.isolators.supervisor.ids import Identity

NOBODY_YET = 0


class People:
    """The identities that the processes of a container have or had."""

    def __init__(self) -> None:
        self._known: list[Identity] = [Identity()]
        self._numbers: dict[Identity, int] = {}

    def number(self, who: Identity) -> int:
        if who not in self._numbers:
            self._numbers[who] = len(self._known)
            self._known.append(who)
        return self._numbers[who]

    def of(self, task: int) -> Identity:
        """Who the task is, numbered as on the machine."""
        return self._known[resource.prlimit(task, TAG)[0]]

    def become(self, task: int, who: Identity) -> None:
        resource.prlimit(task, TAG, (self.number(who), resource.RLIM_INFINITY))

    def named(self, name: bytes) -> "Other | None":
        """The process that the container knows by this number; None if there is none, or it is no number."""
        if not name.isdigit():
            return None
        try:
            limits = os.open(b"/proc/%s/limits" % name, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        with open(limits, "rb") as file:
            line = next((line for line in file if line.startswith(b"Max file locks")), b"")
        words = line.split()
        tag = int(words[3]) if len(words) > 3 and words[3].isdigit() else NOBODY_YET
        return Other(self._known[tag] if 0 < tag < len(self._known) else Identity())

    # What ``supervisor.people`` asks of a container's tasks.

    @property
    def by_id(self) -> "ByNumber":
        return ByNumber(self)


@dataclass(frozen=True)
class Other:
    """Another process, as far as it matters."""

    identity: Identity


@dataclass(frozen=True)
class ByNumber:
    people: People

    def get(self, number: int) -> Other | None:
        return self.people.named(b"%d" % number)


def is_above(who: Identity) -> bool:
    """Whether permissions stop them nowhere, and nothing that they make needs a record of its own."""
    return who.user.files == 0 and who.group.files == 0 and who.has(ids.DAC_OVERRIDE) and who.has(ids.FOWNER)
