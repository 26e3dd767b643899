"""What a case is: a Dockerfile, its context, and how both become a tar or a directory.

``PARENT`` is a small busybox image on both engines; ``TRIGGERS`` the same with ONBUILD.
"""

import io
import os
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

PARENT, TRIGGERS = "layerlab-same:busybox", "layerlab-same:onbuild"
WHEN = 981158400  # 2001-02-03, so that a time that is not kept shows


@dataclass(frozen=True)
class File:
    """A member of a context or of an archive: bytes, or what the other fields say."""

    data: bytes = b""
    mode: int = 0o644
    link: str = ""
    hard: str = ""
    directory: bool = False
    fifo: bool = False
    device: tuple[int, int] | None = None
    owner: tuple[int, int] = (0, 0)
    when: float = WHEN
    xattrs: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """One Dockerfile and its context. ``quick`` cases run always, the others with ``make same``.

    ``older``: the same said in words that dockerd 20.10's BuildKit knows, or does right; its lines of history are
    its own, and so is its context, if there is one ``instead``. ``why``: the reason for which later BuildKits tell
    the history otherwise; then its words don't count.
    """

    dockerfile: str
    files: Mapping[str, File] = field(default_factory=dict)
    target: str = ""
    args: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, bytes] = field(default_factory=dict)
    older: str = ""
    instead: Mapping[str, File] = field(default_factory=dict)
    why: str = ""
    quick: bool = False


def tar(files: Mapping[str, File], dockerfile: str) -> bytes:
    """The context. Order as given, directories above only where listed."""
    return packed({**files, "Dockerfile": File(dockerfile.encode())})


def packed(members: Mapping[str, File], mode: str = "w") -> bytes:
    """An archive: a context, or something for ADD."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode, format=tarfile.PAX_FORMAT) as archive:  # type: ignore[call-overload]
        for path, file in members.items():
            archive.addfile(_header(path, file), io.BytesIO(file.data))
    return out.getvalue()


def _header(path: str, file: File) -> tarfile.TarInfo:
    info = tarfile.TarInfo(path)
    info.mode, info.mtime, (info.uid, info.gid) = file.mode, file.when, file.owner
    info.pax_headers = {
        f"SCHILY.xattr.{key}": value.decode("utf-8", "surrogateescape") for key, value in file.xattrs.items()
    }
    if file.link:
        info.type, info.linkname = tarfile.SYMTYPE, file.link
    elif file.hard:
        info.type, info.linkname = tarfile.LNKTYPE, file.hard
    elif file.directory:
        info.type, info.mode = tarfile.DIRTYPE, file.mode if file.mode != 0o644 else 0o755
    elif file.fifo:
        info.type = tarfile.FIFOTYPE
    elif file.device:
        info.type, (info.devmajor, info.devminor) = tarfile.CHRTYPE, file.device
    else:
        info.size = len(file.data)
    return info


def unpack(files: Mapping[str, File], dockerfile: str, folder: Path) -> None:
    """The context as a directory: only there does BuildKit apply ``.dockerignore``."""
    with tarfile.open(fileobj=io.BytesIO(tar(files, dockerfile))) as archive:
        archive.extractall(folder)
    for path, file in files.items():
        for key, value in file.xattrs.items():
            os.setxattr(folder / path, key, value)
