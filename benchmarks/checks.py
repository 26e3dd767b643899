"""What an instant check costs: a rubric in a cold pytest process against one in a fork of a warm process.

python -m benchmarks.checks

The rubric asks for the layers, the files and the config of an image of the real engine; nothing is built or
started in the time measured.
"""

import os
import statistics
import tempfile
import time
from pathlib import Path

import docker

from benchmarks.builds import HELLO, context
from benchmarks.peers import Peer
from graders.request import Request
from graders.run import run_rubric
from kit.lab.engine import start_engine, stop_engine
from kit.lab.home import find_home

RUBRIC = """
from graders.criteria import criterion

@criterion(points=1, image="bench:latest")
def test_layers(image):
    "One layer."
    assert len(image.layers) == 1, "no"

@criterion(points=1, image="bench:latest")
def test_files(image):
    "One file."
    assert list(image.files) == ["hello"], "no"

@criterion(points=1, image="bench:latest")
def test_start(image, answers):
    "It starts."
    assert image.config["Cmd"] == answers["cmd"], "no"
"""
TIMES = 15


def seconds(rubric: Path, request: Request, warm: bool) -> float:
    """The median of ``TIMES`` checks, after one that warms up."""
    taken = []
    for _ in range(TIMES + 1):
        begin = time.perf_counter()
        assert run_rubric(rubric, request, name="A99", warm=warm).passed
        taken.append(time.perf_counter() - begin)
    return statistics.median(taken[1:])


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="ll-bench-") as directory:
        os.environ["LAYERLAB_HOME"] = directory
        engine = start_engine(find_home()).docker_host
        try:
            Peer("embedded", docker.DockerClient(engine), 0).build(context(HELLO, {"hello": b"\x7fELF"}), cache=True)
            rubric = Path(directory) / "rubric_99_bench.py"
            rubric.write_text(RUBRIC)
            request = Request(engine=engine, answers={"cmd": ["/hello"]})
            cold, warm = (seconds(rubric, request, warm) for warm in (False, True))
        finally:
            stop_engine(find_home())
    print(f"check, cold pytest {1000 * cold:8.0f} ms\ncheck, warm        {1000 * warm:8.0f} ms {cold / warm:5.1f}×")


if __name__ == "__main__":
    main()
