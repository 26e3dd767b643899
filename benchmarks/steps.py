"""Commands inside a container against the same command in a plain chroot: what an isolator costs."""

import os
import stat
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from docker.models.containers import Container

from benchmarks.builds import APT, PARENT, context
from benchmarks.peers import Peer
from benchmarks.table import Run, by_turns, head, row

TOOLS = f"FROM {PARENT}\n{APT}gcc libc6-dev nodejs npm python3-venv\n"
"""The image in which the steps run; made once, and also the root file system of the native runs."""
STEPS = {
    "find /": "find / -xdev | wc -l > /dev/null",
    "gcc, 20 files": "cd /tmp && for i in $(seq 20); do echo 'int main(){return 0;}' > a$i.c; gcc -c a$i.c; done",
    "sh, 200 programs": "i=0; while [ $i -lt 200 ]; do /bin/true; i=$((i+1)); done",
    "npm init and pack": "mkdir -p /tmp/p && cd /tmp/p && npm init -y >/dev/null && npm pack >/dev/null 2>&1",
    "venv with pip": "rm -rf /tmp/v && python3 -m venv /tmp/v && /tmp/v/bin/pip --version > /dev/null",
}
DEVICES = {"null": (1, 3), "zero": (1, 5), "random": (1, 8), "urandom": (1, 9)}


def table(others: Sequence[Peer], ours: Sequence[Peer]) -> None:
    daemon = others[0]
    with tempfile.TemporaryDirectory() as place:
        archive = Path(place) / "tools.tar"
        daemon.build(context(TOOLS), cache=True, image="bench-tools:1")
        container = daemon.client.containers.create("bench-tools:1")
        with archive.open("wb") as out:
            out.writelines(container.export())
        container.remove()
        native = _native(archive, Path(place) / "root")
        boxes = {peer.name: _box(peer, archive) for peer in ours}
        head("steps", ["native"], list(boxes))
        for name, command in STEPS.items():
            runs = {"native": _in_chroot(native, command)}
            runs |= {peer: _inside(box, command) for peer, box in boxes.items()}
            taken = by_turns(runs, 3)
            row(name, {"native": taken.pop("native")}, taken)
        for box in boxes.values():
            box.remove(force=True)


def _native(archive: Path, root: Path) -> Path:
    root.mkdir()
    subprocess.run(["tar", "-xpf", archive, "-C", root], check=True)
    for name, device in DEVICES.items():
        os.mknod(root / "dev" / name, stat.S_IFCHR | 0o666, os.makedev(*device))
    return root


def _box(peer: Peer, archive: Path) -> Container:
    peer.give(archive, "bench-tools:1")
    return peer.client.containers.run("bench-tools:1", ["sleep", "infinity"], detach=True)


def _in_chroot(root: Path, command: str) -> Run:
    words = ["chroot", str(root), "/bin/sh", "-c", command]
    return lambda _: lambda: subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


def _inside(box: Container, command: str) -> Run:
    def run() -> None:
        code, output = box.exec_run(["/bin/sh", "-c", command])
        assert code == 0, output.decode(errors="replace")

    return lambda _: run
