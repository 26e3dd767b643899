"""What the kernel tells of a container's processes: ``docker top`` and ``docker stats``.

Source: proc(5); Docker Engine API, "ContainerTop" and "ContainerStats"; the columns are those of ps(1).
"""

import os
import pwd
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kit.engine.containers import clock
from kit.errors import Invalid

Json = dict[str, Any]

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_DAY = 86400


@dataclass(frozen=True)
class Process:
    """A line of ``/proc``. Times in seconds, sizes in bytes."""

    pid: int
    parent: int
    state: str
    terminal: int
    cpu: float
    user_cpu: float
    started: float
    virtual: int
    resident: int
    threads: int
    uid: int
    name: str
    command: str


def read(pids: Iterable[int], proc: Path = Path("/proc")) -> list[Process]:
    """Those of ``pids`` that still are, in that order."""
    boot = _boot_time(proc)
    found = []
    for pid in pids:
        try:
            found.append(_process(pid, proc / str(pid), boot))
        except (OSError, ValueError, IndexError):  # it has ended meanwhile
            continue
    return found


def _process(pid: int, directory: Path, boot: float) -> Process:
    head, _, tail = (directory / "stat").read_text(errors="replace").rpartition(")")
    fields = tail.split()
    name = head.partition("(")[2]
    words = (directory / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
    command = b" ".join(words).decode(errors="replace")
    user, system = int(fields[11]) / _TICKS, int(fields[12]) / _TICKS
    return Process(
        pid=pid,
        parent=int(fields[1]),
        state=fields[0],
        terminal=int(fields[4]),
        cpu=user + system,
        user_cpu=user,
        started=boot + int(fields[19]) / _TICKS,
        virtual=int(fields[20]),
        resident=int(fields[21]) * _PAGE,
        threads=int(fields[17]),
        uid=(directory / "stat").stat().st_uid,
        name=name,
        command=command or f"[{name}]",
    )


def _boot_time(proc: Path) -> float:
    for line in (proc / "stat").read_text().splitlines():
        if line.startswith("btime "):
            return float(line.split()[1])
    return 0.0


def _user(process: Process) -> str:
    try:
        return pwd.getpwuid(process.uid).pw_name
    except KeyError:
        return str(process.uid)


def _terminal(process: Process) -> str:
    major, minor = os.major(process.terminal), os.minor(process.terminal)
    return f"pts/{minor}" if 136 <= major <= 143 else "?"


def _clock_time(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def _start_time(process: Process) -> str:
    recent = time.time() - process.started < _DAY
    return time.strftime("%H:%M" if recent else "%b%d", time.localtime(process.started))


def _cpu_share(process: Process) -> float:
    return 100 * process.cpu / max(time.time() - process.started, 1.0)


_Column = Callable[[Process], str]
_COLUMNS: Mapping[str, tuple[str, _Column]] = {
    "user": ("USER", _user),
    "uid": ("UID", lambda process: str(process.uid)),
    "pid": ("PID", lambda process: str(process.pid)),
    "ppid": ("PPID", lambda process: str(process.parent)),
    "c": ("C", lambda process: str(int(_cpu_share(process)))),
    "%cpu": ("%CPU", lambda process: f"{_cpu_share(process):.1f}"),
    "%mem": ("%MEM", lambda process: f"{100 * process.resident / _memory_total():.1f}"),
    "vsz": ("VSZ", lambda process: str(process.virtual // 1024)),
    "rss": ("RSS", lambda process: str(process.resident // 1024)),
    "tty": ("TTY", _terminal),
    "stat": ("STAT", lambda process: process.state),
    "stime": ("STIME", _start_time),
    "start": ("START", _start_time),
    "time": ("TIME", lambda process: _clock_time(process.cpu)),
    "comm": ("COMMAND", lambda process: process.name),
    "args": ("COMMAND", lambda process: process.command),
    "cmd": ("CMD", lambda process: process.command),
}
_OTHER_NAMES = {
    "euser": "user", "uname": "user", "euid": "uid", "pcpu": "%cpu", "pmem": "%mem", "vsize": "vsz", "rssize": "rss",
    "tt": "tty", "tname": "tty", "s": "stat", "state": "stat", "start_time": "stime", "cputime": "time",
    "ucmd": "comm", "ucomm": "comm", "command": "args",
}  # fmt: skip
_FULL = ("user", "pid", "ppid", "c", "stime", "tty", "time", "cmd")
_BSD = ("user", "pid", "%cpu", "%mem", "vsz", "rss", "tty", "stat", "start", "time", "args")


def top(pids: Sequence[int], arguments: str) -> Json:
    """``docker top``: titles and rows for ps's ``arguments`` ("-ef", "aux", "-o pid,comm").

    Raises:
        Invalid: an argument that this engine doesn't know.
    """
    words = arguments.split()
    if words[:1] == ["-o"] or words[:1] == ["o"] or words[:2] == ["-e", "-o"] or words[:1] == ["-eo"]:
        keys = [
            key.lower() for word in words[words.index("-o") + 1 if "-o" in words else 1 :] for key in word.split(",")
        ]
        columns = [_column(key) for key in keys if key]
    elif "u" in arguments and not arguments.startswith("-"):
        columns = [_COLUMNS[key] for key in _BSD]
    else:
        columns = [("UID", _user) if key == "user" else _COLUMNS[key] for key in _FULL]
    rows = [[value(process) for _, value in columns] for process in read(pids)]
    return {"Titles": [title for title, _ in columns], "Processes": rows}


def _column(key: str) -> tuple[str, _Column]:
    key = _OTHER_NAMES.get(key, key)
    if key not in _COLUMNS:
        raise Invalid(f"ps: error: unknown user-defined format specifier {key!r}")
    return _COLUMNS[key]


def _memory_total(proc: Path = Path("/proc")) -> int:
    for line in (proc / "meminfo").read_text().splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    return 1


def _system_cpu(proc: Path = Path("/proc")) -> int:
    """Nanoseconds that all processors have worked or idled."""
    fields = (proc / "stat").read_text().split("\n", 1)[0].split()[1:8]
    return int(sum(map(int, fields)) * clock.SECOND / _TICKS)


def _cpu(processes: Sequence[Process]) -> Json:
    total = int(sum(process.cpu for process in processes) * clock.SECOND)
    user = int(sum(process.user_cpu for process in processes) * clock.SECOND)
    return {
        "cpu_usage": {
            "total_usage": total,
            "usage_in_kernelmode": total - user,
            "usage_in_usermode": user,
        },
        "system_cpu_usage": _system_cpu(),
        "online_cpus": os.cpu_count() or 1,
        "throttling_data": {"periods": 0, "throttled_periods": 0, "throttled_time": 0},
    }


NO_CPU: Json = {
    "cpu_usage": {"total_usage": 0, "usage_in_kernelmode": 0, "usage_in_usermode": 0},
    "throttling_data": {"periods": 0, "throttled_periods": 0, "throttled_time": 0},
}
NO_TIME = clock.NEVER


def stats(pids: Sequence[int], *, limit: int | None, previous: Json | None) -> Json:
    """One sample of ``docker stats``, but for the container's name and id. ``previous`` is the one before."""
    processes = read(pids)
    usage = sum(process.resident for process in processes)
    threads = sum(process.threads for process in processes)
    return {
        "read": clock.as_text(clock.now()),
        "preread": previous["read"] if previous else NO_TIME,
        "pids_stats": {"current": threads} if threads else {},
        "blkio_stats": {
            key: None
            for key in (
                "io_service_bytes_recursive", "io_serviced_recursive", "io_queue_recursive",
                "io_service_time_recursive", "io_wait_time_recursive", "io_merged_recursive", "io_time_recursive",
                "sectors_recursive",
            )
        },
        "num_procs": 0,
        "storage_stats": {},
        "cpu_stats": _cpu(processes) if processes else NO_CPU,
        "precpu_stats": previous["cpu_stats"] if previous else NO_CPU,
        "memory_stats": {"usage": usage, "stats": {}, "limit": limit or _memory_total()} if processes else {},
    }  # fmt: skip
