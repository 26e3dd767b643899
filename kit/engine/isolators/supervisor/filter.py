"""The BPF program that sorts a container's system calls: native, answered, traced, refused.

It is a search tree over the call's number. Another architecture's calls (i386, x32 on x86_64) do not exist.

Source: seccomp(2); linux/filter.h, linux/seccomp.h; clone(2) for the flags.
"""

import errno
import os
import platform
import socket
import struct
from collections.abc import Mapping, Sequence
from functools import cache

from kit.engine.isolators.namespaces import profile
from kit.engine.isolators.namespaces.profile import Block, Instruction
from kit.engine.isolators.supervisor import calls

ALLOW, TRACE, NOTIFY, ERRNO = 0x7FFF0000, 0x7FF00000, 0x7FC00000, 0x00050000
_LOAD, _AND, _JUMP, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x54, 0x05, 0x15, 0x35, 0x45, 0x06
_AT_NUMBER, _AT_ARCHITECTURE, _AT_ARGUMENTS = 0, 4, 16

_CLONE_UNTRACED, _CLONE_NEW = 0x00800000, 0x7E020000
# keepcaps, bounding set, securebits, ambient set, dumpable, seccomp, no_new_privs: who the process is.
ANSWERED_PRCTL = (4, 7, 8, 21, 22, 23, 24, 27, 28, 38, 39, 47)
_AF_VSOCK, _NETLINK_AUDIT = 40, 9
_EMPTY_NETWORKS = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK)
_IPC = (
    "shmget",
    "semget",
    "msgget",
    "shmat",
    "shmctl",
    "semop",
    "semctl",
    "semtimedop",
    "msgsnd",
    "msgrcv",
    "msgctl",
)


@cache
def program(
    *, network: bool, count_forks: bool, signals_are_scoped: bool, machine: str = platform.machine()
) -> bytes:
    """The filter of a container's processes.

    ``network``: whether it may reach anything but itself. ``count_forks``: new processes are asked for.
    ``signals_are_scoped``: Landlock keeps signals inside, so threads may signal each other natively.
    """
    table = calls.table(machine)
    blocks = _blocks(table, network, count_forks, signals_are_scoped)
    body = [Instruction(_LOAD, _AT_NUMBER), *_tree(_cases(blocks))]
    code = [
        Instruction(_LOAD, _AT_ARCHITECTURE),
        *(Instruction(_EQUAL, table.audit, 1, 0), Instruction(_RETURN, ERRNO | errno.ENOSYS)),
        *body,
    ]
    return b"".join(struct.pack("=HBBI", step.code, step.yes, step.no, step.value) for step in code)


def _blocks(table: calls.Table, network: bool, count_forks: bool, signals_are_scoped: bool) -> dict[int, Block]:
    """What to do with each call that is not native."""
    answer, trace, allow, refuse = (_return(action) for action in (NOTIFY, TRACE, ALLOW, ERRNO | errno.EPERM))
    special = table.special
    blocks: dict[int, Block] = dict.fromkeys(profile.refused(platform_column(table)), refuse)
    blocks |= {number: _return(ERRNO | error) for number, error in table.refused.items()}
    blocks |= dict.fromkeys(table.answered.values(), answer)
    for name, place in (("open", 1), ("openat", 2)):
        if name in table.answered:  # A descriptor with O_PATH can't be handed over: the kernel opens it.
            flags = _argument(place)
            blocks[table.answered[name]] = (flags, Instruction(_ANY_BIT, os.O_PATH, 0, 1), *trace, *answer)
    if signals_are_scoped:
        blocks |= {table.answered[name]: allow for name in ("tkill", "tgkill")}
    always = ("execve", "chdir", "bind", "connect", "getsockname", "getpeername")
    blocks |= {table.traced[name]: trace for name in always}
    blocks[table.traced["sendto"]] = _if_pointer(4, trace)
    if not network:
        blocks |= {table.traced[name]: trace for name in ("sendmsg", "sendmmsg")}
    blocks[table.traced["getsockopt"]] = (
        *(_argument(1), Instruction(_EQUAL, socket.SOL_SOCKET, 0, 3)),
        *(_argument(2), Instruction(_EQUAL, socket.SO_PEERCRED, 0, 1), *trace, *allow),
    )
    forked = trace if count_forks else allow
    blocks |= {table.traced[name]: forked for name in ("fork", "vfork") if name in table.traced}
    blocks[table.traced["clone"]] = (
        *(_argument(0), Instruction(_ANY_BIT, _CLONE_NEW | _CLONE_UNTRACED, 0, 1), *refuse, *forked),
    )
    blocks[special["prctl"]] = (_argument(0), *_one_of(ANSWERED_PRCTL), *answer, *allow)
    blocks[special["socket"]] = _socket(network)
    blocks |= {special[name]: answer for name in _IPC}
    return blocks


def platform_column(table: calls.Table) -> int:
    """The column of this architecture in ``profile``'s table."""
    return 0 if table.audit == calls.AUDIT["x86_64"] else 2


def _socket(network: bool) -> Block:
    """No way to the hypervisor; and no audit: programs do without it, but not with an audit that refuses them."""
    allow, refuse = _return(ALLOW), _return(ERRNO | errno.EPERM)
    audit: Block = (
        *(_argument(0), Instruction(_EQUAL, socket.AF_NETLINK, 0, 3)),
        *(_argument(2), Instruction(_EQUAL, _NETLINK_AUDIT, 0, 1), *_return(ERRNO | errno.EPROTONOSUPPORT)),
        _argument(0),
    )
    if network:
        return (*audit, Instruction(_EQUAL, _AF_VSOCK, 0, 1), *refuse, *allow)
    return (*audit, *_one_of(_EMPTY_NETWORKS), *allow, *_return(ERRNO | errno.EAFNOSUPPORT))


def _return(action: int) -> Block:
    return (Instruction(_RETURN, action),)


def _argument(index: int, *, high: bool = False) -> Instruction:
    return Instruction(_LOAD, _AT_ARGUMENTS + 8 * index + 4 * high)


def _one_of(values: Sequence[int]) -> Block:
    """Goes on with the next instruction if the accumulator is one of the values, else leaves one out."""
    last = len(values) - 1
    return tuple(Instruction(_EQUAL, value, last - place, int(place == last)) for place, value in enumerate(values))


def _if_pointer(index: int, then: Block) -> Block:
    return (
        *(_argument(index), Instruction(_EQUAL, 0, 0, 2)),
        *(_argument(index, high=True), Instruction(_EQUAL, 0, len(then), 0)),
        *then,
        *_return(ALLOW),
    )


def _cases(blocks: Mapping[int, Block]) -> list[tuple[int, Block]]:
    """What to do from each number on, up to the next one listed, in the order of numbers."""
    allow = _return(ALLOW)
    cases: list[tuple[int, Block]] = [(0, allow)]
    for number in sorted(blocks):
        if number >= calls.FIRST_UNKNOWN:
            break
        for start, block in ((number, blocks[number]), (number + 1, allow)):
            if cases[-1][0] == start:
                cases.pop()
            if not cases or cases[-1][1] != block:
                cases.append((start, block))
    return [*cases, (calls.FIRST_UNKNOWN, _return(ERRNO | errno.ENOSYS))]


def _tree(cases: Sequence[tuple[int, Block]]) -> Block:
    """A search by halves."""
    if len(cases) == 1:
        return cases[0][1]
    middle = len(cases) // 2
    below, above = _tree(cases[:middle]), _tree(cases[middle:])
    first = cases[middle][0]
    if len(below) < 256:
        return (Instruction(_AT_LEAST, first, len(below), 0), *below, *above)
    return (Instruction(_AT_LEAST, first, 0, 1), Instruction(_JUMP, len(below)), *below, *above)
