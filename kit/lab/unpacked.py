"""Root file systems of packages that are unpacked and not configured, with busybox for a shell.

So an ordinary user can make them, on any distribution. It serves for programs that need no script of their package
to work; the one thing that is made here, since so many need it, is the list of certificates that are trusted.

Source: mmdebstrap(1), "extract"; busybox(1); update-ca-certificates(8).
"""

import io
import os
import re
import subprocess
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from kit.errors import Unavailable
from kit.lab.rootfs import GROUPS, SOURCE_DATE_EPOCH, USERS, Recipe

_CERTIFICATE = re.compile(r"usr/share/ca-certificates/.+\.crt")
_EVERYBODYS = ("tmp", "var/lock", "var/tmp")
"""An ordinary user's dpkg makes them without the rights that they have elsewhere."""
_TRUSTED = "etc/ssl/certs/ca-certificates.crt"


@dataclass(frozen=True)
class Unpacked:
    """The parent ``name``: its packages without the paths that ``left_out`` matches, and busybox's ``applets``."""

    name: str
    packages: tuple[str, ...]
    left_out: re.Pattern[str]
    applets: tuple[str, ...]

    def recipe(self, title: str) -> Recipe:
        """A parent that is made when a notebook asks for it; ``title`` is what its history says."""
        return Recipe(
            title=title,
            command=("sh",),
            make=self.make,
            ingredients=repr((self._command, self.left_out.pattern, self.applets)) + USERS + GROUPS,
            on_hub=False,
            usual=False,
        )

    def make(self, tar: Path, progress: Callable[[str], None]) -> None:
        """Writes the root file system as a tar.

        Raises:
            Unavailable: mmdebstrap is missing, or does not get the packages; with its last words.
        """
        progress(f"{self.name}: fetching and unpacking the packages")
        environment = os.environ | {"SOURCE_DATE_EPOCH": str(SOURCE_DATE_EPOCH), "LC_ALL": "C.UTF-8"}
        with open(tar.with_suffix(".words"), "w+") as words:
            try:
                with subprocess.Popen(
                    self._command, env=environment, stdout=subprocess.PIPE, stderr=words
                ) as process:
                    self._write(process.stdout, tar)
            except FileNotFoundError as error:
                raise Unavailable(
                    f"{self.name} is made with mmdebstrap: apt-get install mmdebstrap fakeroot"
                ) from error
            except tarfile.ReadError:
                process.kill()
            finally:
                tar.with_suffix(".words").unlink(missing_ok=True)
            words.seek(0)
            if process.returncode:
                raise Unavailable(f"mmdebstrap could not unpack {self.name}: {words.read()[-500:].strip()}")

    @property
    def _command(self) -> tuple[str, ...]:
        return (
            *("mmdebstrap", "--quiet", "--mode=chrootless", "--variant=extract", "--format=tar"),
            *(f"--include={','.join(self.packages)}", "--skip=cleanup/reproducible", "trixie", "-"),
        )

    def _write(self, packages: IO[bytes] | None, tar: Path) -> None:
        """Copies what is kept, all of it root's, and adds the shell's commands, the users and the certificates."""
        with (
            tarfile.open(fileobj=packages, mode="r|") as source,
            tarfile.open(tar, "w", format=tarfile.GNU_FORMAT) as out,
        ):
            names, certificates = set(), dict[str, bytes]()
            for entry in source:
                entry.name = entry.name.removeprefix("./").rstrip("/")
                if not entry.name or self.left_out.fullmatch(entry.name):
                    continue
                if entry.islnk():
                    entry.linkname = entry.linkname.removeprefix("./")
                entry.uid = entry.gid = 0
                entry.uname = entry.gname = ""
                entry.mode = 0o1777 if entry.name in _EVERYBODYS else entry.mode
                names.add(entry.name)
                content = source.extractfile(entry) if entry.isreg() else None
                if content and _CERTIFICATE.fullmatch(entry.name):
                    certificates[entry.name] = content.read()
                    content = io.BytesIO(certificates[entry.name])
                out.addfile(entry, content)
            for entry, data in self._more(certificates):
                if entry.name not in names:
                    out.addfile(entry, io.BytesIO(data))

    def _more(self, certificates: Mapping[str, bytes]) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
        for name in self.applets:
            link = tarfile.TarInfo(f"usr/bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            yield link, b""
        files = {"etc/passwd": USERS.encode(), "etc/group": GROUPS.encode()}
        if certificates:
            files[_TRUSTED] = b"".join(certificates[name] for name in sorted(certificates))
        for name, data in files.items():
            file = tarfile.TarInfo(name)
            file.size = len(data)
            yield file, data
