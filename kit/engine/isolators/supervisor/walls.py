"""What stands behind the supervisor if it were wrong: limits that the kernel itself keeps.

A container's processes may execute and read below its root only, make sockets there, and reach no process and no
abstract socket outside (Landlock). They have no capability even where the engine is root. The supervisor can't be
looked into.

Source: landlock(7); capabilities(7); PR_SET_DUMPABLE in prctl(2).
"""

import os
import stat
from collections.abc import Iterable

from kit.engine.isolators.namespaces import linux
from kit.engine.isolators.supervisor import kernel

_EXECUTE, _READ_FILE, _READ_DIRECTORY, _MAKE_SOCKET = 1, 4, 8, 1 << 9
_ALL, _REFER, _TRUNCATE, _DEVICE_IOCTL = 0x1FFF, 0x2000, 0x4000, 0x8000
_SCOPE_ABSTRACT_SOCKETS, _SCOPE_SIGNALS = 1, 2
_SCOPES_SINCE = 6


def signals_are_scoped() -> bool:
    """Whether the kernel keeps signals inside."""
    return kernel.landlock_version() >= _SCOPES_SINCE


def enter(readable: Iterable[bytes]) -> None:
    """Shuts this thread and what it starts in. Files that others open for it keep all their rights."""
    version = kernel.landlock_version()
    if not version:
        return
    handled = _ALL
    for since, right in ((2, _REFER), (3, _TRUNCATE), (5, _DEVICE_IOCTL)):
        handled |= right if version >= since else 0
    scoped = _SCOPE_ABSTRACT_SOCKETS | _SCOPE_SIGNALS if version >= _SCOPES_SINCE else 0
    ruleset = kernel.landlock_create(handled, 0, scoped, version)
    for path in readable:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        directory = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        rights = _EXECUTE | _READ_FILE | (_READ_DIRECTORY | _MAKE_SOCKET if directory else 0)
        kernel.landlock_allow_beneath(ruleset, rights, descriptor)
        os.close(descriptor)
    kernel.landlock_restrict(ruleset)
    os.close(ruleset)


def hide_supervisor() -> None:
    """Nobody may read or trace this process."""
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)


def give_up_capabilities() -> None:
    """Also where the engine is root, a container's processes have none."""
    for number in range(64):
        try:
            linux.prctl(linux.PR_CAPBSET_DROP, number)
        except OSError:  # Not ours to drop, or above the last one.
            break
    linux.set_capabilities(0)
