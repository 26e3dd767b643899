"""Prints the table: what is measured, dockerd's median, the embedded engine's per isolator, and the ratios.

python -m benchmarks [quick|slow|steps] …        default: quick and slow
"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import docker

from benchmarks import cases, peers

ISOLATORS = ("seccomp", "userns", "root")


def median(run: Callable[[int], None], times: int) -> float:
    """The median of ``times`` runs after one that warms up, in seconds."""
    run(-1)
    seconds = []
    for number in range(times):
        begin = time.perf_counter()
        run(number)
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds)


def row(name: str, reference: float, ours: dict[str, float], unit: str = "s") -> None:
    cells = "".join(f"{value:9.3f} {unit} {value / reference:5.2f}×" for value in ours.values())
    print(f"{name:26}{reference:9.3f} {unit}{cells}", flush=True)


def give_parent(client: docker.DockerClient, archive: Path) -> None:
    with archive.open("rb") as tar:
        client.api.import_image_from_data(tar, repository="debian", tag="13")


def make_parent(directory: str) -> Path:
    archive = Path(directory) / "debian13.tar"
    command = ["mmdebstrap", "--quiet", "--variant=minbase", "trixie", str(archive)]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    return archive


def main(wanted: list[str]) -> None:
    daemon, pid = peers.dockerd()
    with tempfile.TemporaryDirectory() as directory:
        parent = make_parent(directory)
        give_parent(daemon, parent)
        works = [name for name in ISOLATORS if starts(name)]
        print(f"{'':26}{'dockerd':>11}" + "".join(f"{name:>18}" for name in works))
        if "quick" in wanted:
            idle(pid, works)
            compare(daemon, works, parent, cases.QUICK, times=5)
        if "slow" in wanted:
            compare(daemon, works, parent, cases.SLOW, times=2)
        if "steps" in wanted:
            steps(daemon, works, parent)


def starts(isolator: str) -> bool:
    try:
        with peers.embedded(isolator) as (client, _, _):
            return bool(client.ping())
    except TimeoutError:
        return False


def idle(daemon_pid: int, works: list[str]) -> None:
    start, memory = {}, {}
    for name in works:
        seconds = []
        for _ in range(5):
            with peers.embedded(name) as (client, pid, to_ping):
                client.version()
                seconds.append(to_ping)
                memory[name] = peers.resident(pid) / 1e6
        start[name] = statistics.median(seconds)
    print(f"{'start to first ping':26}{'':11}" + "".join(f"{value:9.3f} s       " for value in start.values()))
    if daemon_pid:
        row("memory, idle", peers.resident(daemon_pid) / 1e6, memory, "MB")


def compare(
    daemon: docker.DockerClient,
    works: list[str],
    parent: Path,
    table: dict[str, Callable[[docker.DockerClient, int], None]],
    times: int,
) -> None:
    ours: dict[str, dict[str, float]] = {name: {} for name in table}
    for isolator in works:
        with peers.embedded(isolator) as (client, _, _):
            give_parent(client, parent)
            for name, case in table.items():
                ours[name][isolator] = median(lambda number, case=case, client=client: case(client, number), times)
    for name, case in table.items():
        row(name, median(lambda number, case=case: case(daemon, number), times), ours[name])


def steps(daemon: docker.DockerClient, works: list[str], parent: Path) -> None:
    """Commands inside a container against the same command in a plain chroot; the reference is the chroot."""
    print("against native:")
    with tempfile.TemporaryDirectory(prefix="ll-native-") as root:
        cases.build(daemon, cases.TOOLS)
        container = daemon.containers.create("bench:latest")
        archive = Path(root) / "rootfs.tar"
        with archive.open("wb") as out:
            out.writelines(container.export())
        container.remove()
        native = Path(root) / "rootfs"
        native.mkdir()
        subprocess.run(["tar", "-xpf", archive, "-C", native], check=True)
        for name, command in cases.STEPS.items():
            reference = median(lambda _, c=command: run_native(native, c), 3)
            ours = {}
            for isolator in works:
                with peers.embedded(isolator) as (client, _, _):
                    with archive.open("rb") as tar:
                        client.api.import_image_from_data(tar, repository="tools", tag="1")
                    box = client.containers.run("tools:1", ["sleep", "900"], detach=True)
                    ours[isolator] = median(lambda _, c=command, b=box: run_inside(b, c), 3)
            row(name, reference, ours)


def run_native(root: Path, command: str) -> None:
    subprocess.run(["chroot", root, "/bin/sh", "-c", command], check=True, stdout=subprocess.DEVNULL)


def run_inside(box: docker.models.containers.Container, command: str) -> None:
    code, output = box.exec_run(["/bin/sh", "-c", command])
    assert code == 0, output.decode(errors="replace")


if __name__ == "__main__":
    main(sys.argv[1:] or ["quick", "slow"])
