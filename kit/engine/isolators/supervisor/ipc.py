"""System V IPC: objects that all processes of a user share on the machine, so each container keeps to its own.

The supervisor makes an object for the container, under a key that is the container's, and removes it at the end.
An object that the container did not make does not exist for it.

Source: sysvipc(7); shmget(2), semget(2), msgget(2).
"""

import errno
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from kit.engine.isolators.supervisor import calls, kernel
from kit.engine.isolators.supervisor.call import NATIVE, Call

_PRIVATE, _REMOVE, _BY_INDEX_OR_GLOBAL = 0, 0, (3, 13, 14, 15, 18, 19, 20, 11, 12)
_MAKERS = {"shmget": "shm", "semget": "sem", "msgget": "msg"}
_USERS = {
    "shmat": "shm", "shmctl": "shm", "semop": "sem", "semtimedop": "sem", "semctl": "sem",
    "msgsnd": "msg", "msgrcv": "msg", "msgctl": "msg",
}  # fmt: skip
_COMMAND = {"shmctl": 1, "msgctl": 1, "semctl": 2}


@dataclass
class Objects:
    """What the container has made, by kind."""

    salt: int = field(default_factory=lambda: secrets.randbits(31))
    ids: dict[str, set[int]] = field(default_factory=lambda: {"shm": set(), "sem": set(), "msg": set()})

    def key(self, wanted: int) -> int:
        return wanted if wanted == _PRIVATE else (wanted ^ self.salt) & 0x7FFFFFFF or 1

    def remove(self, numbers: Mapping[str, int]) -> None:
        """Everything, at the container's end."""
        for kind, ids in self.ids.items():
            for number in ids:
                arguments = (number, 0, _REMOVE) if kind == "sem" else (number, _REMOVE, 0)
                kernel.call_quietly(numbers[f"{kind}ctl"], *arguments)


def handle(name: str, call: Call) -> int:
    """Answers the call of that name."""
    if name in _MAKERS:
        numbers = calls.table().special
        arguments = [call.number(index) for index in range(3)]
        if name == "shmget":
            arguments[1] = call.arguments[1]
        arguments[0] = call.box.objects.key(arguments[0])
        number = kernel.call(numbers[name], *arguments)
        call.box.objects.ids[_MAKERS[name]].add(number)
        return number
    if call.number(0) not in call.box.objects.ids[_USERS[name]]:
        raise OSError(errno.EINVAL, "")
    if name in _COMMAND and call.number(_COMMAND[name]) & 0xFF in _BY_INDEX_OR_GLOBAL and name != "semctl":
        raise OSError(errno.EINVAL, "")
    return NATIVE
