"""What the engine says of itself: ``docker version`` and ``docker info``.

Source: Docker Engine API, "SystemVersion", "SystemInfo". Keys that only a daemon with cgroups or swarm can fill have
the values that dockerd gives without them.
"""

import os
import platform
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from kit.engine.containers import clock
from kit.engine.isolators.contract import Probe
from kit.engine.registry.platforms import platform_of
from kit.engine.store.store import Store

Json = dict[str, Any]
API, OLDEST_API = "1.41", "1.24"


@dataclass(frozen=True)
class Isolation:
    """The isolator that was chosen, and what was tried. ``name`` "" and ``why`` when none works."""

    name: str
    probes: tuple[Probe, ...] = ()
    why: str = ""


@cache
def own_version() -> str:
    """Layerlab's; "0" where it runs from a bare directory."""
    try:
        return metadata.version("layerlab")
    except metadata.PackageNotFoundError:
        return "0.1.0"


def version(isolation: Isolation) -> Json:
    """``GET /version``."""
    kernel, word = platform.release(), platform_of(platform.machine())
    details = {
        "ApiVersion": API,
        "Arch": word.architecture,
        "KernelVersion": kernel,
        "MinAPIVersion": OLDEST_API,
        "Os": "linux",
    }
    return {
        "Platform": {"Name": "Layerlab embedded engine"},
        "Components": [
            {"Name": "Engine", "Version": own_version(), "Details": {**details, "Experimental": "false"}},
            {"Name": "isolator", "Version": isolation.name or "none", "Details": {}},
        ],
        "Version": own_version(),
        "ApiVersion": API,
        "MinAPIVersion": OLDEST_API,
        "GitCommit": "",
        "GoVersion": f"python{platform.python_version()}",
        "Os": "linux",
        "Arch": word.architecture,
        "KernelVersion": kernel,
    }


def info(
    store: Store,
    isolation: Isolation,
    *,
    key: str,
    containers: Iterable[Mapping[str, Any]],
    insecure: Iterable[str],
    mirror: str,
) -> Json:
    """``GET /info``. ``containers``: rows of ``docker ps -a``."""
    states = [row["State"] for row in containers]
    limits = dict.fromkeys(
        ("MemoryLimit", "SwapLimit", "KernelMemory", "KernelMemoryTCP", "CpuCfsPeriod", "CpuCfsQuota", "CPUShares",
         "CPUSet", "OomKillDisable"), False,
    )  # fmt: skip
    return {
        "ID": key,
        "Containers": len(states),
        "ContainersRunning": states.count("running"),
        "ContainersPaused": states.count("paused"),
        "ContainersStopped": len(states) - states.count("running") - states.count("paused"),
        "Images": len(store.images.all()),
        "Driver": "layerlab",
        "DriverStatus": [["Isolator", isolation.name or f"none: {isolation.why}"]],
        "Plugins": {
            "Volume": ["local"],
            "Network": ["bridge", "host", "null"],
            "Authorization": None,
            "Log": ["json-file", "none"],
        },
        **limits,
        "PidsLimit": True,
        "IPv4Forwarding": True,
        "BridgeNfIptables": False,
        "BridgeNfIp6tables": False,
        "Debug": False,
        "NFd": len(os.listdir("/proc/self/fd")),
        "NGoroutines": len(os.listdir("/proc/self/task")),
        "SystemTime": clock.as_text(clock.now()),
        "LoggingDriver": "json-file",
        "CgroupDriver": "none",
        "CgroupVersion": "1",
        "NEventsListener": 0,
        "KernelVersion": platform.release(),
        "OperatingSystem": _system(),
        "OSVersion": "",
        "OSType": "linux",
        "Architecture": platform.machine(),
        "IndexServerAddress": "https://index.docker.io/v1/",
        "RegistryConfig": {
            "AllowNondistributableArtifactsCIDRs": [],
            "AllowNondistributableArtifactsHostnames": [],
            "InsecureRegistryCIDRs": ["127.0.0.0/8"],
            "IndexConfigs": {
                "docker.io": {
                    "Name": "docker.io",
                    "Mirrors": [mirror] if mirror else [],
                    "Secure": True,
                    "Official": True,
                },
                **{name: {"Name": name, "Mirrors": [], "Secure": False, "Official": False} for name in insecure},
            },
            "Mirrors": [mirror] if mirror else [],
        },
        "NCPU": os.cpu_count() or 1,
        "MemTotal": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "GenericResources": None,
        "DockerRootDir": str(store.root),
        "HttpProxy": os.environ.get("http_proxy", ""),
        "HttpsProxy": os.environ.get("https_proxy", ""),
        "NoProxy": os.environ.get("no_proxy", ""),
        "Name": platform.node(),
        "Labels": [],
        "ExperimentalBuild": False,
        "ServerVersion": own_version(),
        "Runtimes": {"runc": {"path": f"{sys.executable} (isolator {isolation.name or 'none'})"}},
        "DefaultRuntime": "runc",
        "Swarm": {
            "NodeID": "",
            "NodeAddr": "",
            "LocalNodeState": "inactive",
            "ControlAvailable": False,
            "Error": "",
            "RemoteManagers": None,
        },
        "LiveRestoreEnabled": False,
        "Isolation": "",
        "InitBinary": "",
        "ContainerdCommit": {"ID": "", "Expected": ""},
        "RuncCommit": {"ID": "", "Expected": ""},
        "InitCommit": {"ID": "", "Expected": ""},
        "SecurityOptions": [f"name=isolator,profile={isolation.name or 'none'}"],
        "Warnings": _warnings(isolation),
    }


def _warnings(isolation: Isolation) -> list[str] | None:
    if not isolation.name:
        return [f"WARNING: no container can run: {isolation.why}"]
    return None


@cache
def _system() -> str:
    """As os-release has it."""
    try:
        lines = Path("/etc/os-release").read_text().splitlines()
    except OSError:
        return "Linux"
    found = dict(line.split("=", 1) for line in lines if "=" in line)
    return found.get("PRETTY_NAME", "Linux").strip('"')
