"""What it costs to look into an image: debian:13 for the first time, again, and a layer of a hundred thousand files.

python -m benchmarks.views

Wall and CPU seconds of this process. The first look reads all that the engine saves; later ones what was kept by
digest.
"""

import json
import os
import tempfile
import time
from collections.abc import Callable

from kit.lab.connect import connect
from kit.lab.engine import start_engine, stop_engine
from kit.lab.home import find_home
from kit.lab.images import image
from kit.lab.parents import make_parents
from kit.layer.changeset import Changeset
from kit.layer.tree import Entry, Kind
from kit.oci.config import ImageConfig
from kit.oci.digest import digest_of
from kit.views.models.stack import Stack

FILES = 100_000


def timed(what: str, look: Callable[[], object]) -> None:
    wall, cpu = time.perf_counter(), time.process_time()
    look()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(f"{what:34}{wall:8.3f} s {cpu:8.3f} s CPU", flush=True)


def large() -> Stack:
    entries = {
        f"usr/{number // 100}/{number}": Entry(Kind.FILE, size=20_000, digest=digest_of(b"%d" % number))
        for number in range(FILES)
    }
    rootfs = {"type": "layers", "diff_ids": [digest_of(b"")]}
    document = {"architecture": "amd64", "os": "linux", "rootfs": rootfs}
    return Stack.of("large:1", ImageConfig.parse(json.dumps(document).encode()), [Changeset(entries)])


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="ll-bench-") as directory:
        os.environ |= {"LAYERLAB_HOME": directory}
        os.environ["DOCKER_HOST"] = start_engine(find_home()).docker_host
        try:
            make_parents(connect().client, ["debian:13"], find_home().root)
            timed("debian:13, the first look", lambda: image("debian:13").html())
            timed("debian:13, again", lambda: image("debian:13").html())
        finally:
            stop_engine(find_home())
    timed(f"{FILES:,} files", lambda: large().html())


if __name__ == "__main__":
    main()
