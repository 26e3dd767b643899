"""Resource limits: which are refused, which are kept, and a warning for each that nothing enforces.

Without cgroups the engine can bound the number of processes, and what ``setrlimit`` knows. Everything else is
answered as dockerd answers on a kernel without the controller: the container is made, and a warning says so.

Source: dockerd's "verifyPlatformContainerResources"; the texts are its own.
"""

import os
from collections.abc import Mapping
from typing import Any

from kit.errors import Invalid

SMALLEST_MEMORY = 6 * 1024 * 1024

_NOT_ENFORCED: Mapping[str, str] = {
    "Memory": "Your kernel does not support memory limit capabilities or the cgroup is not mounted. "
    "Limitation discarded.",
    "MemorySwap": "Your kernel does not support swap limit capabilities or the cgroup is not mounted. "
    "Memory limited without swap.",
    "MemoryReservation": "Your kernel does not support memory soft limit capabilities or the cgroup is not mounted. "
    "Limitation discarded.",
    "KernelMemory": "Your kernel does not support kernel memory limit capabilities or the cgroup is not mounted. "
    "Limitation discarded.",
    "OomKillDisable": "Your kernel does not support OomKillDisable. OomKillDisable discarded.",
    "NanoCpus": "Your kernel does not support CPU cfs quota or the cgroup is not mounted. Quota discarded.",
    "CpuQuota": "Your kernel does not support CPU cfs quota or the cgroup is not mounted. Quota discarded.",
    "CpuPeriod": "Your kernel does not support CPU cfs period or the cgroup is not mounted. Period discarded.",
    "CpuShares": "Your kernel does not support CPU shares or the cgroup is not mounted. Shares discarded.",
    "CpusetCpus": "Your kernel does not support cpuset or the cgroup is not mounted. Cpuset discarded.",
    "CpusetMems": "Your kernel does not support cpuset or the cgroup is not mounted. Cpuset discarded.",
    "BlkioWeight": "Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded.",
    "BlkioDeviceReadBps": "Your kernel does not support BPS Block I/O read limit or the cgroup is not mounted. "
    "Block I/O BPS read limit discarded.",
    "BlkioDeviceWriteBps": "Your kernel does not support BPS Block I/O write limit or the cgroup is not mounted. "
    "Block I/O BPS write limit discarded.",
    "Devices": "Host devices can't be given to a container by this engine. Devices discarded.",
    "Privileged": "This engine has no more privileges to give. Privileged discarded.",
}


def check(host: Mapping[str, Any]) -> None:
    """Refuses values that make no sense anywhere.

    Raises:
        Invalid
    """
    memory, swap = host.get("Memory") or 0, host.get("MemorySwap") or 0
    if 0 < memory < SMALLEST_MEMORY:
        raise Invalid("Minimum memory limit allowed is 6MB")
    if memory > 0 and 0 < swap < memory:
        raise Invalid("Minimum memoryswap limit should be larger than memory limit, see usage")
    if swap > 0 and not memory:
        raise Invalid("You should always set the Memory limit when using Memoryswap limit, see usage")
    cpus = os.cpu_count() or 1
    if host.get("NanoCpus") and not 0 < host["NanoCpus"] <= cpus * 10**9:
        raise Invalid(f"Range of CPUs is from 0.01 to {cpus}.00, as there are only {cpus} CPUs available")
    if host.get("NanoCpus") and (host.get("CpuPeriod") or host.get("CpuQuota")):
        raise Invalid("Conflicting options: Nano CPUs and CPU Period cannot both be set")
    for limit in host.get("Ulimits") or ():
        if limit.get("Hard", -1) >= 0 and limit.get("Soft", 0) > limit["Hard"]:
            raise Invalid(
                f"ulimit soft limit must be less than or equal to hard limit: {limit['Soft']} > {limit['Hard']}"
            )


def warnings(host: Mapping[str, Any]) -> list[str]:
    """One text for each limit that was asked for and that nothing enforces."""
    return list(dict.fromkeys(text for key, text in _NOT_ENFORCED.items() if host.get(key)))


def ulimits(host: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """Name (``nofile``) to soft and hard limit."""
    return {str(limit["Name"]): (int(limit["Soft"]), int(limit["Hard"])) for limit in host.get("Ulimits") or ()}


def pids(host: Mapping[str, Any]) -> int | None:
    """How many processes at most; None when it is left to the isolator."""
    limit = host.get("PidsLimit") or 0
    return int(limit) if limit > 0 else None
