"""Which calls a container in a user namespace asks about, as blocks of its filter.

All that tell or change an owner, an identity or a mode, and all that a permission stands before: the kernel sees
root everywhere, so it would refuse nothing.

Source: the kernel's unistd tables; seccomp(2).
"""

import errno
import platform
import socket
from collections.abc import Iterable, Mapping

from kit.engine.isolators.namespaces.profile import Block, Instruction
from kit.engine.isolators.supervisor import calls

TAG = 10
"""The resource limit that carries a process's identity: RLIMIT_LOCKS, which Linux ignores and children inherit."""

# Answered for the isolator ``seccomp`` only: the kernel knows these rightly here.
_KNOWN_TO_THE_KERNEL = (
    *("readlink", "readlinkat", "statfs", "getcwd", "getppid", "uname", "pidfd_open", "prlimit64"),
    *("setpriority", "ioprio_set"),
    *("sched_setaffinity", "sched_setscheduler", "sched_setparam", "sched_setattr"),
)

# Name, then its number on x86_64 and aarch64.
_MORE = """
openat2         437 437 | faccessat2      439 439 | execve           59 221 | execveat        322 281
chdir            80  49 | fchdir           81  50 | bind             49 200 | connect          42 203
sendto           44 206
"""
_SPECIAL = {"x86_64": {"getsockopt": 55, "prctl": 157, "setrlimit": 160, "prlimit64": 302}, "aarch64": {
    "getsockopt": 209, "prctl": 167, "setrlimit": 164, "prlimit64": 261}}  # fmt: skip
# keepcaps, bounding set, securebits, ambient set, no_new_privs: who the process is.
_PRCTL = (7, 8, 23, 24, 27, 28, 38, 39, 47)

_ALLOW, _NOTIFY, _REFUSE = 0x7FFF0000, 0x7FC00000, 0x00050000 | errno.EPERM
_LOAD, _EQUAL, _RETURN, _AT_ARGUMENTS = 0x20, 0x15, 0x06, 16


def numbers(machine: str = platform.machine()) -> Mapping[str, int]:
    """Every call that may come here, by name."""
    answered = dict(calls.table(machine).answered)
    for name in _KNOWN_TO_THE_KERNEL:
        answered.pop(name, None)
    return answered | calls.read(_MORE, machine) | _SPECIAL[machine]


def blocks(machine: str = platform.machine()) -> dict[int, Block]:
    """What the filter does, by the number of the call."""
    number = dict(numbers(machine))
    special = {
        number.pop("getsockopt"): (
            *_unless(1, socket.SOL_SOCKET),
            *_unless(2, socket.SO_PEERCRED),
            *_return(_NOTIFY),
        ),
        number.pop("setrlimit"): (*_unless(0, TAG), *_return(_REFUSE)),
        number.pop("prlimit64"): (*_unless(1, TAG), *_unless_pointer(2), *_return(_REFUSE)),
        number.pop("prctl"): (_argument(0), *_one_of(_PRCTL), *_return(_ALLOW)),
    }
    return dict.fromkeys(number.values(), _return(_NOTIFY)) | special


def _return(action: int) -> Block:
    return (Instruction(_RETURN, action),)


def _argument(index: int, high: int = 0) -> Instruction:
    return Instruction(_LOAD, _AT_ARGUMENTS + 8 * index + 4 * high)


def _unless(index: int, value: int) -> Block:
    """Lets the call pass unless the argument is ``value``."""
    return (_argument(index), Instruction(_EQUAL, value, 1, 0), *_return(_ALLOW))


def _unless_pointer(index: int) -> Block:
    """Lets the call pass if the argument is NULL."""
    low, high = _argument(index), _argument(index, 1)
    return (low, Instruction(_EQUAL, 0, 0, 3), high, Instruction(_EQUAL, 0, 0, 1), *_return(_ALLOW))


def _one_of(values: Iterable[int]) -> Block:
    """Asks if the accumulator is one of the values."""
    return tuple(step for value in values for step in (Instruction(_EQUAL, value, 0, 1), *_return(_NOTIFY)))
