"""How the root file systems of the parent images are made.

``debian:13`` is what ``mmdebstrap`` makes of Debian's packages, with the four apt settings of Docker's own
Debian image; without them every lesson about the size of a layer would tell other numbers. ``busybox:1`` is
one static program with a name for each thing it can do; ``web:1`` is that and two pages for its web server.
"""

import hashlib
import io
import os
import signal
import subprocess
import tarfile
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import docker

from kit.errors import Unavailable
from kit.lab import bootstrap

Progress = Callable[[str], None]

SOURCE_DATE = "2026-01-01T00:00:00Z"
SOURCE_DATE_EPOCH = 1767225600
_FORM = "1"  # To be counted up when ``canonical`` writes other bytes for the same files.
_PATIENCE = 300.0
"""Seconds: apt below fakechroot now and then waits forever for itself."""

_CLEAN = '"rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb /var/cache/apt/*.bin || true";'
_APT_SETTINGS = {
    "docker-autoremove-suggests": 'Apt::AutoRemove::SuggestsImportant "false";\n',
    "docker-clean": (
        f"DPkg::Post-Invoke {{ {_CLEAN} }};\n"
        f"APT::Update::Post-Invoke {{ {_CLEAN} }};\n"
        'Dir::Cache::pkgcache ""; Dir::Cache::srcpkgcache "";\n'
    ),
    "docker-gzip-indexes": 'Acquire::GzipIndexes "true";\n',
    "docker-no-languages": 'Acquire::Languages "none";\n',
}

_BUSYBOX = Path("/bin/busybox")
USERS = """\
root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/bin/false
bin:x:2:2:bin:/bin:/bin/false
sys:x:3:3:sys:/dev:/bin/false
sync:x:4:100:sync:/bin:/bin/sync
mail:x:8:8:mail:/var/spool/mail:/bin/false
www-data:x:33:33:www-data:/var/www:/bin/false
operator:x:37:37:Operator:/var:/bin/false
nobody:x:65534:65534:nobody:/home:/bin/false
"""
GROUPS = "".join(
    f"{name}:x:{number}:\n"
    for name, number in (
        *(("root", 0), ("daemon", 1), ("bin", 2), ("sys", 3), ("adm", 4), ("tty", 5), ("disk", 6), ("mail", 8)),
        *(("kmem", 9), ("wheel", 10), ("www-data", 33), ("utmp", 43), ("staff", 50), ("users", 100)),
        ("nogroup", 65534),
    )
)
_SHADOW = "".join(f"{line.partition(':')[0]}:*:20454:0:99999:7:::\n" for line in USERS.splitlines())
_DIRECTORIES = {
    **dict.fromkeys(("bin", "dev", "etc", "home", "proc", "sys", "usr", "usr/bin", "usr/sbin"), 0o755),
    **dict.fromkeys(("var", "var/spool", "var/spool/mail", "var/www"), 0o755),
    **{"tmp": 0o1777, "var/tmp": 0o1777, "root": 0o700},
}
_PAGES = {
    "www/index.html": "<h1>It works</h1>\n",
    "www/old.html": "<h1>Under construction since 2014</h1>\n",
}


@dataclass(frozen=True)
class Recipe:
    """How one root file system is made: ``make(tar, progress)`` writes it.

    ``make_in_engine(client, tar, progress)`` does so with less: an engine runs what needs root. ``on_hub``: whether
    Docker Hub has an image of that name. ``usual``: whether it is made before anybody asks for it by its name.
    """

    title: str
    command: tuple[str, ...]
    make: Callable[[Path, Progress], None]
    ingredients: str = field(repr=False)
    make_in_engine: Callable[[docker.DockerClient, Path, Progress], None] | None = None
    on_hub: bool = True
    usual: bool = True

    @property
    def digest(self) -> str:
        """Changes when the recipe does."""
        return hashlib.sha256(f"{_FORM}\n{self.title}\n{SOURCE_DATE}\n{self.ingredients}".encode()).hexdigest()


def _make_debian(tar: Path, progress: Progress) -> None:
    """Tries the ways of mmdebstrap that this user may have, best first.

    Raises:
        Unavailable: mmdebstrap is missing, or every way failed; with its last words.
    """
    modes = ("root", "fakechroot") if os.geteuid() == 0 else ("unshare", "fakechroot")
    failures = []
    for mode in modes:
        if not (failure := _mmdebstrap(mode, tar, progress)):
            return
        failures.append(f"{mode}: {failure}")
        progress(f"debian:13: mode {mode} does not work here")
    raise Unavailable(
        f"mmdebstrap could not make debian:13 ({'; '.join(failures)}). An ordinary user needs ids of his own in "
        "/etc/subuid (mode unshare) or a system not older than Debian 13 (mode fakechroot). "
        "Where Docker Hub can be reached, LAYERLAB_PARENTS=hub pulls the image instead."
    )


def _mmdebstrap(mode: str, tar: Path, progress: Progress) -> str:
    """Runs it once; "" or why it failed."""
    with tempfile.TemporaryDirectory() as settings:
        for name, text in _APT_SETTINGS.items():
            (Path(settings) / name).write_text(text)
        copies = " ".join(f"'{settings}/{name}'" for name in _APT_SETTINGS)
        command = [
            *("mmdebstrap", f"--mode={mode}", "--variant=minbase", "--format=tar"),
            f"--customize-hook=copy-in {copies} /etc/apt/apt.conf.d",
            '--customize-hook=rm -f "$1"/var/cache/apt/*.bin',  # With the settings, apt no longer cleans them itself.
            *("trixie", str(tar)),
        ]
        environment = os.environ | {"SOURCE_DATE_EPOCH": str(SOURCE_DATE_EPOCH), "LC_ALL": "C.UTF-8"}
        try:
            process = subprocess.Popen(
                command, env=environment, text=True, stderr=subprocess.PIPE, start_new_session=True
            )
        except FileNotFoundError as error:
            raise Unavailable(
                "debian:13 is made with mmdebstrap, which is not installed: "
                "apt-get install mmdebstrap fakechroot fakeroot debian-archive-keyring. "
                "Where Docker Hub can be reached, LAYERLAB_PARENTS=hub pulls it instead."
            ) from error
        return _follow(process, progress)


def _follow(process: "subprocess.Popen[str]", progress: Progress, patience: float = _PATIENCE) -> str:
    """ "" or its first word of error, which is the cause of all later ones. What says nothing for long is ended."""
    errors, hung = [], threading.Event()

    def end() -> None:
        hung.set()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

    with process:
        assert process.stderr
        line = "begun"
        while line:
            watch = threading.Timer(patience, end)
            watch.start()
            line = process.stderr.readline()
            watch.cancel()
            kind, _, text = line.strip().partition(":")
            if kind in ("I", "W"):
                progress(f"debian:13:{text}")
            elif kind == "E":
                errors.append(text.strip()[:200])
    if hung.is_set():
        return f"it said nothing for {patience:.0f} s, and was ended"
    return "" if process.returncode == 0 else next(iter(errors), f"exit code {process.returncode}")


def _make_busybox(tar: Path, progress: Progress, pages: Mapping[str, str] = {}) -> None:
    """Raises Unavailable where there is no static busybox."""
    program = _BUSYBOX.read_bytes() if _BUSYBOX.exists() else b""
    if not program or _needs_loader(program):
        raise Unavailable("busybox:1 is made from the static busybox: apt-get install busybox-static")
    listed = subprocess.run([_BUSYBOX, "--list"], capture_output=True, text=True, check=True, timeout=60)
    applets = sorted(set(listed.stdout.split()) - {"busybox"})
    progress(f"busybox: {len(applets)} commands in one program of {len(program):,} bytes")
    with tarfile.open(tar, "w", format=tarfile.GNU_FORMAT) as out:
        for entry, content in sorted(_busybox_entries(program, applets, pages), key=lambda pair: pair[0].name):
            entry.mtime = SOURCE_DATE_EPOCH
            out.addfile(entry, io.BytesIO(content))


def _busybox_entries(
    program: bytes, applets: list[str], pages: Mapping[str, str]
) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    for path, mode in (_DIRECTORIES | ({"www": 0o755} if pages else {})).items():
        yield _entry(path, mode, tarfile.DIRTYPE), b""
    files = {path: (0o644, text) for path, text in pages.items()}
    files |= {"etc/passwd": (0o644, USERS), "etc/group": (0o644, GROUPS), "etc/shadow": (0o600, _SHADOW)}
    for path, (mode, text) in files.items():
        yield _entry(path, mode, size=len(text)), text.encode()
    yield _entry("bin/busybox", 0o755, size=len(program)), program
    for name in applets:
        yield _entry(f"bin/{name}", 0o777, tarfile.SYMTYPE, target="busybox"), b""
    yield _entry("usr/bin/env", 0o777, tarfile.SYMTYPE, target="../../bin/busybox"), b""


def _entry(
    path: str, mode: int, kind: bytes = tarfile.REGTYPE, *, size: int = 0, target: str = ""
) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(path)
    entry.mode, entry.type, entry.size, entry.linkname = mode, kind, size, target
    return entry


def _needs_loader(program: bytes) -> bool:
    """Whether an ELF file asks for a dynamic loader. Source: elf(5), PT_INTERP."""
    interpreter = 3
    start, width = int.from_bytes(program[32:40], "little"), int.from_bytes(program[54:56], "little")
    count = int.from_bytes(program[56:58], "little")
    headers = (program[start + number * width :] for number in range(count))
    return any(int.from_bytes(header[:4], "little") == interpreter for header in headers)


DEBIAN = Recipe(
    title="mmdebstrap --variant=minbase trixie",
    command=("bash",),
    make=_make_debian,
    ingredients="".join(_APT_SETTINGS.values()) + "no apt cache",
    make_in_engine=lambda client, tar, progress: bootstrap.make(
        client, tar, _APT_SETTINGS, SOURCE_DATE_EPOCH, progress
    ),
)
BUSYBOX = Recipe(
    title="busybox-static",
    command=("sh",),
    make=_make_busybox,
    ingredients=USERS + GROUPS + repr(_DIRECTORIES),
)
WEB = Recipe(
    title="busybox-static with a web server's pages",
    command=("httpd", "-f", "-p", "80", "-h", "/www"),
    make=partial(_make_busybox, pages=_PAGES),
    ingredients=BUSYBOX.ingredients + repr(_PAGES),
    on_hub=False,
)
