"""The engine is killed while containers run: the next one finds them ended, whole, and starts what it should."""

import contextlib
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from kit.engine.containers.containers import Containers
from kit.engine.containers.filters import Filters
from kit.engine.isolators.root import Root, probe
from kit.engine.store.store import Store
from kit.lab.parents import root_tar

ENGINE = """
import sys, time
from pathlib import Path
from kit.engine.containers.containers import Containers
from kit.engine.isolators.root import Root
from kit.engine.store.store import Store
from kit.oci.config import History, ImageConfig
from kit.oci.reference import parse_reference

root, tar = map(Path, sys.argv[1:])
store = Store(root / "store")
with open(tar, "rb") as file:
    layer = store.layers.add(file)
image = store.images.put(ImageConfig.of(diff_ids=[layer.diff_id], history=[History(created_by="ADD")]))
store.images.tag(parse_reference("busybox:1"), image)
containers = Containers(store, Root(), root=root / "room")
script = "echo started >>/count; trap '' TERM; while true; do sleep 0.1; done # " + str(root)
for name, policy, remove in (("plain", "no", False), ("always", "always", False), ("gone", "no", True)):
    host = {"RestartPolicy": {"Name": policy}, "AutoRemove": remove}
    containers.create({"Image": "busybox:1", "Cmd": ["sh", "-c", script], "HostConfig": host}, name)
    containers.start(name)
containers.create({"Image": "busybox:1", "Cmd": ["true"]}, "never")
print("ready", flush=True)
time.sleep(1000)
"""


def processes_of(root: Path) -> list[str]:
    """Those whose command line ends in ``root``: the shells of the containers."""
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append(process.read_text(errors="replace").rstrip("\0"))
    return [line for line in found if line.endswith(f"# {root}")]


@pytest.fixture
def killed(tmp_path: Path, cache: Path) -> Path:
    """What an engine left that was killed while its containers ran."""
    if not probe().works:
        pytest.skip(f"root: {probe().why}")
    arguments = [sys.executable, "-c", ENGINE, tmp_path, root_tar("busybox:1", cache)]
    engine = subprocess.Popen(arguments, stdout=subprocess.PIPE)
    assert engine.stdout is not None and engine.stdout.readline() == b"ready\n"
    assert processes_of(tmp_path)
    engine.send_signal(signal.SIGKILL)
    engine.wait()
    return tmp_path


def test_the_processes_end_with_the_engine(killed: Path) -> None:
    end = time.monotonic() + 10
    while (left := processes_of(killed)) and time.monotonic() < end:
        time.sleep(0.05)
    assert left == []


def test_the_next_engine_finds_them_as_they_are(killed: Path) -> None:
    store = Store(killed / "store")
    isolator = Root()
    containers = Containers(store, isolator, root=killed / "room")
    try:
        containers.restore()
        states: dict[str, Any] = {
            row["Names"][0]: containers.inspect(row["Id"])["State"]
            for row in containers.list(Filters(), everything=True)
        }
        assert {name: state["Status"] for name, state in states.items()} == {
            "/plain": "exited", "/always": "running", "/never": "created",
        }  # fmt: skip
        assert states["/plain"]["ExitCode"] == 137
        assert "/count" in [row["Path"] for row in containers.changes("plain")]
        assert len(store.rootfs.names()) == 3
        assert containers.start("plain")
    finally:
        containers.close()
        isolator.close()
        store.close()
