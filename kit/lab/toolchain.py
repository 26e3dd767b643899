"""``tools:1``: a C compiler and its two C libraries, for lessons that need a kitchen beside the dining room.

Packages are unpacked and not configured, so an ordinary user can do it, on any distribution: a compiler needs no
script of its package to work. What only large programs need (link-time optimization, sanitizers, manuals) is left
out, and busybox is the shell. So it is a sixth of what ``apt-get install gcc`` brings.

Source: mmdebstrap(1), "extract"; busybox(1).
"""

import io
import os
import re
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from kit.errors import Unavailable
from kit.lab.rootfs import GROUPS, SOURCE_DATE_EPOCH, USERS, Recipe

_PACKAGES = ("base-files", "busybox-static", "gcc", "libc6-dev", "musl-tools")
_COMMAND = (
    *("mmdebstrap", "--quiet", "--mode=chrootless", "--variant=extract", "--format=tar"),
    *(f"--include={','.join(_PACKAGES)}", "--skip=cleanup/reproducible", "trixie", "-"),
)
_LEFT_OUT = re.compile(
    r"(var/(cache|lib|log)|usr/share/(doc|info|lintian|locale|man|gdb|bug)|usr/lib/.*/(gprofng|perl.*|bfd-plugins))/.+"
    r"|usr/libexec/gcc/.*/(lto1|lto-wrapper|g\+\+-mapper-server)|usr/bin/.*(lto-dump|gprofng|gp-|gcov|dwp).*"
    r"|usr/lib/.*/lib(asan|hwasan|lsan|tsan|ubsan|gprofng)[^/]*|usr/include/(drm|sound|rdma|misc|scsi|xen|video)/.+"
    r"|(dev|etc/apt)/.+"
)
_APPLETS = (
    *(
        "cat",
        "chmod",
        "cmp",
        "cp",
        "date",
        "echo",
        "env",
        "find",
        "grep",
        "head",
        "id",
        "install",
        "ln",
        "ls",
        "mkdir",
    ),
    *("mv", "printf", "rm", "sed", "sh", "sha256sum", "sleep", "sort", "tail", "test", "touch", "tr", "uname", "wc"),
    *("true", "false", "expr", "seq", "tee", "xargs", "od", "stat"),
)


def _make(tar: Path, progress: Callable[[str], None]) -> None:
    """Raises Unavailable where mmdebstrap is missing or does not get the packages."""
    progress("tools:1: fetching and unpacking the packages")
    environment = os.environ | {"SOURCE_DATE_EPOCH": str(SOURCE_DATE_EPOCH), "LC_ALL": "C.UTF-8"}
    with open(tar.with_suffix(".words"), "w+") as words:
        try:
            with subprocess.Popen(_COMMAND, env=environment, stdout=subprocess.PIPE, stderr=words) as process:
                _write(process.stdout, tar)
        except FileNotFoundError as error:
            raise Unavailable("tools:1 is made with mmdebstrap: apt-get install mmdebstrap fakeroot") from error
        except tarfile.ReadError:
            process.kill()
        finally:
            tar.with_suffix(".words").unlink(missing_ok=True)
        words.seek(0)
        if process.returncode:
            raise Unavailable(f"mmdebstrap could not unpack a compiler: {words.read()[-500:].strip()}")


def _write(packages: IO[bytes] | None, tar: Path) -> None:
    """Copies what is kept, all of it root's, and adds the shell's commands and the users."""
    with (
        tarfile.open(fileobj=packages, mode="r|") as source,
        tarfile.open(tar, "w", format=tarfile.GNU_FORMAT) as out,
    ):
        names = set()
        for entry in source:
            entry.name = entry.name.removeprefix("./").rstrip("/")
            if not entry.name or _LEFT_OUT.fullmatch(entry.name):
                continue
            if entry.islnk():
                entry.linkname = entry.linkname.removeprefix("./")
            entry.uid = entry.gid = 0
            entry.uname = entry.gname = ""
            names.add(entry.name)
            out.addfile(entry, source.extractfile(entry) if entry.isreg() else None)
        for entry, content in _more():
            if entry.name not in names:
                out.addfile(entry, io.BytesIO(content))


def _more() -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    for name in _APPLETS:
        link = tarfile.TarInfo(f"usr/bin/{name}")
        link.type, link.linkname = tarfile.SYMTYPE, "busybox"
        yield link, b""
    for name, text in {"etc/passwd": USERS, "etc/group": GROUPS}.items():
        file = tarfile.TarInfo(name)
        file.size = len(text)
        yield file, text.encode()


TOOLS = Recipe(
    title="gcc, glibc and musl from trixie, with busybox",
    command=("sh",),
    make=_make,
    ingredients=repr((_COMMAND, _LEFT_OUT.pattern, _APPLETS)) + USERS + GROUPS,
    on_hub=False,
    usual=False,
)
