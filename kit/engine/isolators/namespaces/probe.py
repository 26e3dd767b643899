"""Tries whether this process may make a container: prints what refuses, and ends with 0 if nothing does."""

import os
import sys
from collections.abc import Callable

from kit.engine.isolators.namespaces import linux, profile


def obstacle(*, alone: bool) -> str:
    """What stands in the way, or "" if nothing does. Leaves this process in namespaces of its own."""
    if not alone and os.geteuid() != 0:
        return "needs root"
    namespaces = linux.CLONE_NEWNS | linux.CLONE_NEWIPC | linux.CLONE_NEWUTS | linux.CLONE_NEWNET
    steps: dict[str, Callable[[], object]] = {
        "unshare": lambda: linux.unshare(namespaces),
        "mount": lambda: linux.mount("", "/", flags=linux.MS_PRIVATE | linux.MS_REC),
        "mount of a tmpfs": lambda: linux.mount("tmpfs", "/proc", "tmpfs"),
        "openat2": lambda: linux.open_in_root(os.open("/", os.O_PATH), "/", os.O_PATH),
        "seccomp": lambda: linux.install_filter(profile.program(shared_network=True), linux.FILTER_NEW_LISTENER),
    }
    for name, step in steps.items():
        try:
            step()
        except OSError as error:
            return f"{name}: {os.strerror(error.errno or 0)}"
    return ""


if __name__ == "__main__":
    print(found := obstacle(alone=sys.argv[1] == "userns"))
    sys.exit(1 if found else 0)
