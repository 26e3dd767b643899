"""Debian by an ordinary user: packages are unpacked here, and configured in a container of the engine.

A package's scripts must run as root in the new system. Where mmdebstrap can't give them that, the engine can:
it runs them as it runs any RUN step. What comes out is the same, entry by entry.

Source: mmdebstrap(1), "OPERATION"; deb-postinst(5).
"""

import io
import os
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import docker

from kit.errors import StepFailed, Unavailable
from kit.lab import archive
from kit.oci.config import ImageConfig

_UNPACK = (
    *("fakeroot", "mmdebstrap", "--quiet", "--mode=chrootless", "--variant=extract", "--format=tar"),
    *("--include=?essential", "--include=?priority(required)", "--include=apt"),
    *("--skip=cleanup/apt", "--skip=cleanup/reproducible", "trixie"),
)
_IMAGE = "layerlab-bootstrap:13"
_CONFIGURE = r"""
set -e
export DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true
export LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin
cd /var/cache/apt/archives
dpkg --force-depends --force-unsafe-io --install ./*.deb
rm -rf ./*.deb /var/cache/apt/*.bin /var/lib/apt/lists/*_* /var/lib/dpkg/available /var/log/apt/*
install -d -o _apt -m 700 /var/cache/apt/archives/partial /var/lib/apt/lists/partial
"""
_PATIENCE = 1800  # Seconds: half an hour, for a slow line and a slow disk.


def make(
    client: docker.DockerClient, tar: Path, settings: Mapping[str, str], date: int, progress: Callable[[str], None]
) -> None:
    """Writes the root file system as the engine exports it.

    ``settings`` are files of ``apt.conf.d``, by name; ``date`` is what packages shall take for today, in
    seconds since 1970.

    Raises:
        Unavailable: the packages can't be had or unpacked; with mmdebstrap's words.
        StepFailed: the engine could not configure them; with the last lines of output.
    """
    progress("debian:13: unpacking the packages as an ordinary user")
    with tempfile.TemporaryDirectory() as directory:
        unpacked = Path(directory) / "unpacked.tar"
        _unpack(unpacked)
        config = ImageConfig.of(diff_ids=[archive.diff_id(unpacked)])
        client.images.load(archive.pack(_IMAGE, config, unpacked))
    progress("debian:13: configuring the packages in the engine")
    container = client.containers.create(
        _IMAGE, ["/bin/sh", "-c", _CONFIGURE], network_mode="none", environment={"SOURCE_DATE_EPOCH": str(date)}
    )
    try:
        container.put_archive("/etc/apt/apt.conf.d", _tar_of(settings, date))
        container.start()
        if container.wait(timeout=_PATIENCE)["StatusCode"]:
            last = container.logs(tail=20).decode(errors="replace")
            raise StepFailed(f"the packages of debian:13 could not be configured:\n{last}")
        with tar.open("wb") as file:
            for piece in container.export(chunk_size=1 << 20):
                file.write(piece)
    finally:
        container.remove(force=True)
        client.images.remove(_IMAGE, force=True)


def _unpack(tar: Path) -> None:
    try:
        done = subprocess.run([*_UNPACK, tar], capture_output=True, text=True, timeout=_PATIENCE, env=os.environ)
    except FileNotFoundError as error:
        raise Unavailable(f"{error.filename} is not installed: apt-get install mmdebstrap fakeroot") from error
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("E:")]
        raise Unavailable(f"mmdebstrap can't unpack Debian's packages: {errors[0] if errors else done.stderr[-500:]}")


def _tar_of(files: Mapping[str, str], date: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime = len(text), date
            tar.addfile(entry, io.BytesIO(text.encode()))
    return buffer.getvalue()
