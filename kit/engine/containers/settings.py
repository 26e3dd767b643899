"""What a container was asked to be: the body of ``docker create``, checked and completed.

The settings stay Docker's two documents, ``Config`` (portable: it goes into an image at commit) and
``HostConfig`` (of this machine), because clients read them back; what the engine needs of them has a property
with a type. After ``complete`` nothing in them is in doubt.

Source: Docker Engine API, "ContainerCreate"; the merge with the image and the refusals are dockerd's.
"""

import posixpath
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kit.engine.containers import limits, ports
from kit.errors import Conflict, Invalid
from kit.oci.config import RunConfig

Json = dict[str, Any]

DEFAULT_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
DEFAULT_STOP_TIMEOUT = 10
LOG_DRIVERS = ("json-file", "local", "none")
SHM_SIZE = 64 * 1024 * 1024
RESTART_NAMES = ("no", "always", "unless-stopped", "on-failure")

_CONFIG: Mapping[str, Any] = {
    "Hostname": "", "Domainname": "", "User": "",
    "AttachStdin": False, "AttachStdout": False, "AttachStderr": False,
    "ExposedPorts": None, "Tty": False, "OpenStdin": False, "StdinOnce": False,
    "Env": None, "Cmd": None, "Healthcheck": None, "ArgsEscaped": False, "Image": "", "Volumes": None,
    "WorkingDir": "", "Entrypoint": None, "NetworkDisabled": False, "MacAddress": "", "OnBuild": None, "Labels": {},
    "StopSignal": "", "StopTimeout": None, "Shell": None,
}  # fmt: skip
_LEFT_OUT_WHEN_EMPTY = (
    "ExposedPorts", "Healthcheck", "ArgsEscaped", "NetworkDisabled", "MacAddress", "StopSignal", "StopTimeout",
    "Shell",
)  # fmt: skip
_HOST: Mapping[str, Any] = {
    "Binds": None, "ContainerIDFile": "", "LogConfig": {"Type": "json-file", "Config": {}}, "NetworkMode": "default",
    "PortBindings": {}, "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0}, "AutoRemove": False,
    "VolumeDriver": "", "VolumesFrom": None, "CapAdd": None, "CapDrop": None, "CgroupnsMode": "host",
    "Dns": [], "DnsOptions": [], "DnsSearch": [], "ExtraHosts": None, "GroupAdd": None, "IpcMode": "private",
    "Cgroup": "", "Links": None, "OomScoreAdj": 0, "PidMode": "", "Privileged": False, "PublishAllPorts": False,
    "ReadonlyRootfs": False, "SecurityOpt": None, "UTSMode": "", "UsernsMode": "", "ShmSize": SHM_SIZE,
    "Runtime": "runc", "ConsoleSize": [0, 0], "Isolation": "", "CpuShares": 0, "Memory": 0, "NanoCpus": 0,
    "CgroupParent": "",
    "BlkioWeight": 0, "BlkioWeightDevice": [], "BlkioDeviceReadBps": [], "BlkioDeviceWriteBps": [],
    "BlkioDeviceReadIOps": [], "BlkioDeviceWriteIOps": [], "CpuPeriod": 0, "CpuQuota": 0, "CpuRealtimePeriod": 0,
    "CpuRealtimeRuntime": 0, "CpusetCpus": "", "CpusetMems": "", "Devices": [], "DeviceCgroupRules": None,
    "DeviceRequests": None, "KernelMemory": 0, "KernelMemoryTCP": 0, "MemoryReservation": 0, "MemorySwap": 0,
    "MemorySwappiness": None, "OomKillDisable": False, "PidsLimit": None, "Ulimits": [], "CpuCount": 0,
    "CpuPercent": 0, "IOMaximumIOps": 0, "IOMaximumBandwidth": 0,
    "MaskedPaths": ["/proc/asound", "/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
                    "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware"],
    "ReadonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
}  # fmt: skip
_MAY_BE_ADDED = ("Mounts", "Tmpfs", "StorageOpt", "Sysctls", "Init", "Annotations")


@dataclass(frozen=True)
class Health:
    """A healthcheck that runs. Times in seconds."""

    test: tuple[str, ...]
    interval: float
    timeout: float
    start_period: float
    retries: int


@dataclass(frozen=True)
class Settings:
    """Docker's two documents, completed, with typed views of what the engine acts on."""

    config: Json
    host: Json

    @property
    def argv(self) -> tuple[str, ...]:
        return tuple(self.config["Entrypoint"] or ()) + tuple(self.config["Cmd"] or ())

    @property
    def tty(self) -> bool:
        return bool(self.config["Tty"])

    @property
    def open_stdin(self) -> bool:
        return bool(self.config["OpenStdin"])

    @property
    def stdin_once(self) -> bool:
        return bool(self.config["StdinOnce"])

    @property
    def user(self) -> str:
        return str(self.config["User"])

    @property
    def cwd(self) -> str:
        return self.config["WorkingDir"] or "/"

    @property
    def labels(self) -> dict[str, str]:
        return dict(self.config["Labels"] or {})

    @property
    def hostname(self) -> str:
        return str(self.config["Hostname"])

    @property
    def fqdn(self) -> str:
        domain = self.config["Domainname"]
        return f"{self.hostname}.{domain}" if domain else self.hostname

    @property
    def stop_signal(self) -> int:
        return signal_number(self.config.get("StopSignal") or "SIGTERM")

    @property
    def stop_timeout(self) -> int:
        timeout = self.config.get("StopTimeout")
        return DEFAULT_STOP_TIMEOUT if timeout is None else int(timeout)

    @property
    def network_mode(self) -> str:
        """ "default" is told as what it means: bridge."""
        mode = self.host["NetworkMode"]
        return "bridge" if mode == "default" else str(mode)

    @property
    def auto_remove(self) -> bool:
        return bool(self.host["AutoRemove"])

    @property
    def log_driver(self) -> str:
        return str(self.host["LogConfig"]["Type"])

    @property
    def restart_name(self) -> str:
        return self.host["RestartPolicy"]["Name"] or "no"

    @property
    def restart_limit(self) -> int:
        """How often ``on-failure`` starts again; 0 is without end."""
        return int(self.host["RestartPolicy"]["MaximumRetryCount"])

    @property
    def privileges(self) -> bool:
        return not any(cap.upper() == "ALL" for cap in self.host["CapDrop"] or ())

    @property
    def health(self) -> Health | None:
        return health_of(self.config.get("Healthcheck"), self.config.get("Shell"))

    def environment(self, home: str) -> tuple[str, ...]:
        """What process 1 finds, in Docker's order: the engine's own lines, then Config's; HOME if not set.

        A line of Config without ``=`` takes the variable away.
        """
        own = [DEFAULT_PATH, f"HOSTNAME={self.hostname}", *(["TERM=xterm"] if self.tty else [])]
        lines = dict(line.split("=", 1) for line in own)
        for line in self.config["Env"] or ():
            key, equals, value = line.partition("=")
            if equals:
                lines[key] = value
            else:
                lines.pop(key, None)
        lines.setdefault("HOME", home)
        return tuple(f"{key}={value}" for key, value in lines.items())


def complete(body: Mapping[str, Any], image: RunConfig, *, container: str, image_name: str) -> Settings:
    """The settings of the container with id ``container``, made of ``image``.

    ``body`` is the create request's. What it leaves open comes from the image, then from Docker's defaults.

    Raises:
        Invalid: in dockerd's words.
    """
    config = _config(body, image, container)
    config["Image"] = image_name
    host = _host(body.get("HostConfig") or {})
    for key in (*host["PortBindings"], *(config.get("ExposedPorts") or {})):
        ports.parse(key)
    ports.wanted(host["PortBindings"], (), publish_all=False)
    exposed = {**(config.get("ExposedPorts") or {}), **{ports.parse(key).text: {} for key in host["PortBindings"]}}
    if exposed:
        config["ExposedPorts"] = exposed
    settings = Settings(config, host)
    _check(settings)
    return settings


def _config(body: Mapping[str, Any], image: RunConfig, container: str) -> Json:
    config = merged(body, image)
    config["Hostname"] = config["Hostname"] or container[:12]
    return config


def merged(body: Mapping[str, Any], image: RunConfig) -> Json:
    """A ``Config`` with every open key filled from ``image``, or with Docker's empty value."""
    config = {key: _typed(body, key, default) for key, default in _CONFIG.items()}
    _merge_command(config, image)
    known = {line.partition("=")[0] for line in config["Env"] or ()}
    inherited = [line for line in image.env if line.partition("=")[0] not in known]
    config["Env"] = [*(config["Env"] or ()), *inherited] or None
    config["User"] = config["User"] or image.user
    config["WorkingDir"] = config["WorkingDir"] or image.working_dir
    config["StopSignal"] = config["StopSignal"] or image.stop_signal
    config["Shell"] = config["Shell"] or list(image.shell) or None
    config["OnBuild"] = list(image.on_build) or None
    config["Labels"] = {**image.labels, **(config["Labels"] or {})}
    config["Volumes"] = {**{path: {} for path in image.volumes}, **(config["Volumes"] or {})} or None
    config["ExposedPorts"] = {**{port: {} for port in image.exposed_ports}, **(config["ExposedPorts"] or {})} or None
    config["Healthcheck"] = _merged_health(config["Healthcheck"], image.healthcheck)
    if config["WorkingDir"]:
        config["WorkingDir"] = posixpath.normpath(config["WorkingDir"])
    for key in _LEFT_OUT_WHEN_EMPTY:
        if config[key] is None or config[key] is False or config[key] in ("", {}, []):
            del config[key]
    return config


def _merge_command(config: Json, image: RunConfig) -> None:
    """ENTRYPOINT and CMD: a new ENTRYPOINT drops the image's CMD; ``[""]`` takes the image's ENTRYPOINT away."""
    for key in ("Cmd", "Entrypoint"):
        if isinstance(config[key], str):
            config[key] = [config[key]]
    if not config["Entrypoint"]:
        if not config["Cmd"]:
            config["Cmd"] = None if image.cmd is None else list(image.cmd)
            config["ArgsEscaped"] = image.args_escaped
        if config["Entrypoint"] is None and image.entrypoint is not None:
            config["Entrypoint"] = list(image.entrypoint)
    if config["Entrypoint"] == [""]:
        config["Entrypoint"] = None


def _merged_health(asked: Mapping[str, Any] | None, image: Mapping[str, Any] | None) -> Json | None:
    if not asked or not image:
        return dict(asked or image or {}) or None
    return {**image, **{key: value for key, value in asked.items() if value}}


def _host(body: Mapping[str, Any]) -> Json:
    host = {key: _typed(body, key, default) for key, default in _HOST.items()}
    for key in _MAY_BE_ADDED:
        if body.get(key) is not None:
            host[key] = body[key]
    host["LogConfig"] = {
        "Type": host["LogConfig"].get("Type") or "json-file",
        "Config": host["LogConfig"].get("Config") or {},
    }
    policy = host["RestartPolicy"]
    host["RestartPolicy"] = {
        "Name": policy.get("Name") or "no",
        "MaximumRetryCount": policy.get("MaximumRetryCount") or 0,
    }
    for key in ("NetworkMode", "IpcMode", "Runtime", "CgroupnsMode", "ShmSize"):
        host[key] = host[key] or _HOST[key]
    return host


_KINDS = {bool: "bool", int: "number", float: "number", str: "string", list: "array", dict: "object"}


def _typed(body: Mapping[str, Any], key: str, default: object) -> Any:
    """The value of ``key``, of the kind that ``default`` has; null is the default."""
    value = body.get(key)
    if value is None:
        return default.copy() if isinstance(default, (dict, list)) else default
    if default is None or isinstance(value, type(default)):
        return value
    raise Invalid(
        f"json: cannot unmarshal {_KINDS.get(type(value), 'value')} into Go struct field "
        f"ContainerConfigWrapper.{key} of type {_KINDS[type(default)]}"
    )


def _check(settings: Settings) -> None:
    config, host = settings.config, settings.host
    if not settings.argv:
        raise Invalid("No command specified")
    if config["WorkingDir"] and not config["WorkingDir"].startswith("/"):
        raise Invalid(f"the working directory '{config['WorkingDir']}' is invalid, it needs to be an absolute path")
    for line in config["Env"] or ():
        if not line.partition("=")[0]:
            raise Invalid(f"invalid environment variable: {line}")
    _ = settings.stop_signal
    check_health(config.get("Healthcheck"))
    for line in host["ExtraHosts"] or ():
        if not all(line.partition(":")[::2]):
            raise Invalid(f'bad format for add-host: "{line}"')
    if host["LogConfig"]["Type"] not in LOG_DRIVERS:
        name = host["LogConfig"]["Type"]
        raise Invalid(f'error looking up logging plugin {name}: plugin "{name}" not found')
    if host["Runtime"] != "runc":
        raise Invalid(f"Unknown runtime specified {host['Runtime']}")
    if host["ShmSize"] < 0:
        raise Invalid("SHM size can not be less than 0")
    check_restart(host["RestartPolicy"], auto_remove=host["AutoRemove"])
    limits.check(host)


def check_restart(policy: Mapping[str, Any], *, auto_remove: bool) -> None:
    """Refuses a restart policy that Docker would."""
    name, count = policy.get("Name") or "no", policy.get("MaximumRetryCount") or 0
    if name not in RESTART_NAMES:
        raise Invalid(f"invalid restart policy '{name}'")
    if count and name != "on-failure":
        raise Invalid(f"maximum retry count cannot be used with restart policy '{name}'")
    if count < 0:
        raise Invalid("maximum retry count cannot be negative")
    if auto_remove and name != "no":
        raise Invalid("can't create 'AutoRemove' container with restart policy")


_UPDATABLE = (
    "BlkioWeight", "CpuShares", "CpuPeriod", "CpuQuota", "CpuRealtimePeriod", "CpuRealtimeRuntime", "CpusetCpus",
    "CpusetMems", "Memory", "MemoryReservation", "MemorySwap", "KernelMemory", "NanoCpus", "PidsLimit",
)  # fmt: skip


def updated(settings: Settings, body: Mapping[str, Any]) -> Settings:
    """The settings with what ``docker update`` changes: limits and the restart policy.

    Raises:
        Invalid, Conflict: in dockerd's words.
    """
    host = {**settings.host, **{key: body[key] for key in _UPDATABLE if body.get(key)}}
    policy = body.get("RestartPolicy") or {}
    if policy.get("Name"):
        if settings.auto_remove:
            raise Conflict("Restart policy cannot be updated because AutoRemove is enabled for the container")
        check_restart(policy, auto_remove=False)
        host["RestartPolicy"] = {"Name": policy["Name"], "MaximumRetryCount": policy.get("MaximumRetryCount") or 0}
    limits.check(host)
    return Settings(settings.config, host)


_NANOSECONDS = 1e9
_SHORTEST = 1_000_000


def check_health(check: Mapping[str, Any] | None) -> None:
    """Refuses times that Docker would."""
    for key in ("Interval", "Timeout", "StartPeriod"):
        value = (check or {}).get(key) or 0
        if value and value < _SHORTEST:
            raise Invalid(f"{key} in Healthcheck cannot be less than 1ms")
    if ((check or {}).get("Retries") or 0) < 0:
        raise Invalid("Retries in Healthcheck cannot be negative")


def health_of(check: Mapping[str, Any] | None, shell: Sequence[str] | None) -> Health | None:
    """The check that runs, with Docker's defaults; None for NONE or nothing."""
    test = list((check or {}).get("Test") or ())
    if not check or not test or test[0] == "NONE":
        return None
    argv = [*(shell or ("/bin/sh", "-c")), *test[1:]] if test[0] == "CMD-SHELL" else test[1:]
    return Health(
        test=tuple(argv),
        interval=(check.get("Interval") or 30 * _NANOSECONDS) / _NANOSECONDS,
        timeout=(check.get("Timeout") or 30 * _NANOSECONDS) / _NANOSECONDS,
        start_period=(check.get("StartPeriod") or 0) / _NANOSECONDS,
        retries=check.get("Retries") or 3,
    )


def signal_number(text: str) -> int:
    """``SIGTERM``, ``term`` or ``15`` as a number.

    Raises:
        Invalid
    """
    if text.isdecimal() and 0 < int(text) <= signal.NSIG:
        return int(text)
    name = "SIG" + text.upper().removeprefix("SIG")
    base, plus, offset = name.partition("+")
    try:
        number = int(signal.Signals[base])
    except KeyError:
        raise Invalid(f"Invalid signal: {text}") from None
    return number + int(offset) if plus and offset.isdecimal() else number
