"""Tries whether this process may make a container: prints what refuses, and ends with 0 if nothing does.

``python -m … root`` or ``userns``. What to do about a refusal is read from the settings that are known to cause it.
"""

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from kit.engine.isolators.namespaces import linux, profile
from kit.engine.isolators.namespaces.recorded import asked

_NAMESPACES = linux.CLONE_NEWNS | linux.CLONE_NEWIPC | linux.CLONE_NEWUTS | linux.CLONE_NEWNET | linux.CLONE_NEWPID
_BARE = linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC
# Ubuntu's, Debian's and the kernel's own settings, the value with which each refuses, and a better one.
_SETTINGS = {
    "kernel/apparmor_restrict_unprivileged_userns": ("1", "0"),
    "kernel/unprivileged_userns_clone": ("0", "1"),
    "user/max_user_namespaces": ("0", "10000"),
}

Steps = Mapping[str, Callable[[], object]]


def obstacle(*, alone: bool) -> str:
    """What stands in the way, or "" if nothing does. Leaves this process in namespaces of its own."""
    if not alone and os.geteuid() != 0:
        return "needs root"
    outside: Steps = {"unshare of a user namespace": linux.become_root_of_a_user_namespace} if alone else {}
    found = _first_refusal({**outside, "unshare": lambda: linux.unshare(_NAMESPACES)}, alone=alone)
    if found or (child := os.fork()) == 0:
        return found or _first_refusal(_inside(alone=alone), alone=alone)
    sys.stdout.flush()
    os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def _inside(*, alone: bool) -> Steps:
    """What process 1 of a container does."""
    blocks = asked.blocks() if alone else profile.NOTHING
    return {
        "mount": lambda: linux.mount("", "/", flags=linux.MS_PRIVATE | linux.MS_REC),
        "openat2": lambda: linux.open_in_root(os.open("/", os.O_PATH), "/", os.O_PATH),
        "mount of /sys": lambda: linux.mount("/sys", "/sys", flags=linux.MS_BIND | linux.MS_REC),
        **({"mount_setattr": lambda: linux.freeze_all_below("/sys")} if alone else {}),
        "mount of /proc": lambda: linux.mount("proc", "/proc", "proc", _BARE),
        "mount of a tmpfs": lambda: linux.mount("tmpfs", "/proc", "tmpfs"),
        "seccomp": lambda: linux.install_filter(
            profile.program(shared_network=True, asked=blocks), linux.FILTER_NEW_LISTENER
        ),
    }


def _first_refusal(steps: Steps, *, alone: bool) -> str:
    for name, step in steps.items():
        try:
            step()
        except OSError as error:
            return f"{name}: {os.strerror(error.errno or 0)}{_advice() if alone else ''}"
    return ""


def _advice() -> str:
    """Which setting of the machine is known to refuse this to ordinary users, and what root can do about it."""
    for setting, (value, better) in _SETTINGS.items():
        name, path = setting.replace("/", "."), Path("/proc/sys", setting)
        if path.exists() and path.read_text().strip() == value:
            return f" ({name} is {value}: root can allow it with `sysctl -w {name}={better}`)"
    return ""


if __name__ == "__main__":
    refused = obstacle(alone=sys.argv[1] == "userns")
    os.write(1, refused.encode())
    os._exit(1 if refused else 0)
