"""A locked engine gives a stranger one folder, one registry, and so much of everything; the rest it refuses as Docker
refuses what is not there. On every isolator that works here."""

import http.server
import json
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest

from kit.engine.lock.terms import Terms
from kit.errors import Invalid
from kit.lab.registry import start_registry, stop_registry
from tests.engine.conftest import RunningEngine

MEGABYTE = 1 << 20


class LockedEngine(RunningEngine):
    """An engine that was started with ``terms`` and has ``busybox:1``."""

    def __init__(self, directory: Path, isolator: str, terms: dict[str, object], busybox: Path) -> None:
        super().__init__(directory, isolator)
        self.busybox, self.lock = busybox, directory / "lock.json"
        self.lock.write_text(json.dumps(terms))
        self.words = ("--lock", str(self.lock))

    def begin(self) -> None:
        """It has its parent before it is locked: what lies there at its start does not count."""
        locked, self.words = self.words, ()
        self.start()
        self.client().import_image_from_file(str(self.busybox), "busybox", "1")
        assert self.end() == 0
        self.words = locked
        self.start()
        self.sdk = docker.DockerClient(f"unix://{self.socket}", timeout=60)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = tmp_path_factory.mktemp("registry")
    yield start_registry(home).removeprefix("http://")
    stop_registry(home)


@pytest.fixture(scope="module", params=["root", "userns", "seccomp"])
def locked(
    request: pytest.FixtureRequest, working_isolators: dict[str, str], busybox_tar: Path, registry: str
) -> Iterator[LockedEngine]:
    if request.param not in working_isolators:
        pytest.skip(f"the isolator {request.param} does not work here")
    with tempfile.TemporaryDirectory(prefix="ll-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        folder = directory / "folder"
        folder.mkdir()
        (folder / "mine").write_text("mine\n")
        (directory / "secret").write_text("secret\n")
        (folder / "way-out").symlink_to(directory)
        terms = {
            "folder": str(folder),
            "registries": [registry],
            "disk": 24 * MEGABYTE,
            "processes": 40,
            "containers": 3,
        }
        yield from serving(LockedEngine(directory, request.param, terms, busybox_tar))


@pytest.fixture(scope="module")
def hasty(best_isolator: str, busybox_tar: Path) -> Iterator[LockedEngine]:
    """An engine that gives a second to each container."""
    with tempfile.TemporaryDirectory(prefix="ll-", ignore_cleanup_errors=True) as name:
        yield from serving(LockedEngine(Path(name), best_isolator, {"seconds": 1}, busybox_tar))


def serving(engine: LockedEngine) -> Iterator[LockedEngine]:
    engine.begin()
    yield engine
    engine.sdk.close()
    assert engine.end() == 0


def run(engine: LockedEngine, *words: str, **options: object) -> str:
    """What a container printed, whatever its exit code was."""
    container = engine.sdk.containers.run("busybox:1", list(words), detach=True, **options)
    try:
        container.wait(timeout=60)
        return str(container.logs().decode())
    finally:
        container.remove(force=True)


def refusal(engine: LockedEngine, **options: object) -> str:
    with pytest.raises(docker.errors.APIError) as refused:
        run(engine, "true", **options)
    return str(refused.value.explanation)


def test_the_folder_may_be_bound(locked: LockedEngine) -> None:
    folder = json.loads(locked.lock.read_text())["folder"]
    assert run(locked, "cat", "/in/mine", volumes=[f"{folder}:/in:ro"]) == "mine\n"
    assert run(locked, "cat", "/in", volumes=[f"{folder}/mine:/in:ro"]) == "mine\n"


@pytest.mark.parametrize("path", ["/etc", "/", "{folder}/../secret", "{folder}/way-out/secret", "{folder}/none"])
def test_nothing_else_may_be_bound(locked: LockedEngine, path: str) -> None:
    source = path.format(folder=json.loads(locked.lock.read_text())["folder"])
    said = refusal(locked, volumes=[f"{source}:/in"])
    assert said.startswith('invalid mount config for type "bind": bind source path does not exist: ')
    mount = docker.types.Mount("/in", source, type="bind")
    assert "bind source path does not exist" in refusal(locked, mounts=[mount])


def test_a_link_that_is_put_into_the_folder_later_leads_nowhere(locked: LockedEngine) -> None:
    folder = Path(json.loads(locked.lock.read_text())["folder"])
    (folder / "later").mkdir()
    container = locked.sdk.containers.create("busybox:1", ["ls", "/in"], volumes=[f"{folder}/later:/in"])
    (folder / "later").rmdir()
    (folder / "later").symlink_to(folder.parent)
    with pytest.raises(docker.errors.APIError, match="bind source path does not exist"):
        container.start()
    (folder / "later").unlink()
    with pytest.raises(docker.errors.APIError, match="bind source path does not exist"):
        container.start()
    assert not (folder / "later").exists(), "Docker would make it; a stranger's engine makes nothing outside"
    container.remove()


def test_containers_and_builds_have_no_network(locked: LockedEngine, registry: str) -> None:
    port = registry.partition(":")[2]
    for mode in ("bridge", "host", "none"):
        said = run(locked, "nc", "-w", "2", "127.0.0.1", port, network_mode=mode, stdin_open=False)
        assert "can't connect" in said, f"{mode}: {said!r}"
    dockerfile = f"FROM busybox:1\nRUN nc -w 2 127.0.0.1 {port} </dev/null\n"
    with pytest.raises(docker.errors.BuildError, match="returned a non-zero code: 1"):
        build(locked, dockerfile)


def build(engine: LockedEngine, dockerfile: str) -> None:
    with tempfile.TemporaryDirectory() as context:
        Path(context, "Dockerfile").write_text(dockerfile)
        engine.sdk.images.build(path=context, tag="lock/built:1", rm=True, nocache=True)


def test_the_class_registry_is_spoken_to(locked: LockedEngine, registry: str) -> None:
    image = locked.sdk.images.get("busybox:1")
    image.tag(f"{registry}/lock/{locked.isolator}", "1")
    lines = list(locked.sdk.api.push(f"{registry}/lock/{locked.isolator}", "1", stream=True, decode=True))
    assert not [line for line in lines if "error" in line], lines
    assert locked.sdk.images.pull(f"{registry}/lock/{locked.isolator}", "1").id == image.id


@pytest.mark.parametrize("name", ["nobody.example/app", "127.0.0.1:1/app", "busybox"])
def test_no_other_registry_is_spoken_to(locked: LockedEngine, name: str) -> None:
    begin = time.monotonic()
    with pytest.raises(docker.errors.APIError, match=r"no such host|network is unreachable"):
        locked.sdk.images.pull(name, "2")
    assert time.monotonic() - begin < 30, "it is refused, not tried again and again"


def test_a_build_fetches_nothing(locked: LockedEngine) -> None:
    with heard() as (port, requests):
        for source in (f"http://127.0.0.1:{port}/secret", f"http://127.0.0.1:{port}/repository.git"):
            with pytest.raises((docker.errors.BuildError, docker.errors.APIError), match="failed to"):
                build(locked, f"FROM scratch\nADD {source} /\n")
            with pytest.raises((docker.errors.BuildError, docker.errors.APIError), match="failed to"):
                locked.sdk.images.build(path=source, tag="lock/remote:1")
        with pytest.raises(docker.errors.APIError):
            locked.sdk.images.pull(f"127.0.0.1:{port}/app", "1")
        assert requests == []


class heard:
    """A web server that remembers who asked."""

    def __enter__(self) -> tuple[int, list[str]]:
        requests: list[str] = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                requests.append(self.path)
                self.send_error(404)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self.server.server_port, requests

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


def test_a_container_ends_when_its_time_is_over(hasty: LockedEngine) -> None:
    container = hasty.sdk.containers.run("busybox:1", ["sleep", "600"], detach=True)
    assert container.wait(timeout=60)["StatusCode"] == 137
    container.remove()


def test_a_step_that_sleeps_fails_the_build(hasty: LockedEngine) -> None:
    with pytest.raises(docker.errors.BuildError, match="returned a non-zero code: 137"):
        build(hasty, "FROM busybox:1\nRUN sleep 600\n")


def test_so_many_containers_and_no_more(locked: LockedEngine) -> None:
    running = [locked.sdk.containers.run("busybox:1", ["sleep", "600"], detach=True) for _ in range(3)]
    try:
        with pytest.raises(docker.errors.APIError, match="resource temporarily unavailable"):
            locked.sdk.containers.run("busybox:1", ["true"], remove=True)
    finally:
        for container in running:
            container.remove(force=True)


def test_a_fork_bomb_stays_within_its_processes(locked: LockedEngine) -> None:
    script = "i=0; while [ $i -lt 200 ]; do sleep 3 & i=$((i+1)); done; echo all"
    assert "all" not in run(locked, "sh", "-c", script)


def test_a_disk_that_is_full_ends_what_fills_it(locked: LockedEngine) -> None:
    """One large file meets the kernel's limit, many small ones meet the quota; afterwards there is room again."""
    script = "dd if=/dev/zero of=/big bs=1M count=100; i=0; while true; do cp /big /$i; i=$((i+1)); sleep 0.1; done"
    container = locked.sdk.containers.run("busybox:1", ["sh", "-c", script], detach=True)
    assert container.wait(timeout=60)["StatusCode"] == 137
    assert b"100+0 records out" not in container.logs()
    assert until(lambda: "no space left on device" in start(locked)), "it is still full"
    container.remove()
    assert until(lambda: start(locked) == ""), "the room comes back"


def start(engine: LockedEngine) -> str:
    """What the engine says against one more container."""
    try:
        engine.sdk.containers.run("busybox:1", ["true"], remove=True)
    except docker.errors.APIError as error:
        return str(error.explanation)
    return ""


def until(true: Callable[[], bool], seconds: float = 60) -> bool:
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ([], "a lock is a JSON object"),
        ({"folders": "/x"}, "a lock has no term 'folders'"),
        ({"folder": "x"}, "is no absolute path"),
        ({"disk": -1}, "the lock's disk is -1"),
        ({"disk": True}, "the lock's disk is True"),
        ({"registries": "x"}, "the lock's registries is 'x'"),
        ({"network": "host"}, "it can be none or loopback"),
    ],
)
def test_a_lock_that_says_nonsense_is_refused(document: object, said: str) -> None:
    with pytest.raises(Invalid, match=said):
        Terms.of(document)


def test_an_engine_does_not_start_under_a_lock_that_it_can_not_keep(
    new_engine: RunningEngine, tmp_path: Path
) -> None:
    """The machine has more network than loopback; and a lock that can't be read is no lock."""
    for text in ('{"network": "loopback"}', "{"):
        (tmp_path / "lock").write_text(text)
        new_engine.words = ("--lock", str(tmp_path / "lock"))
        with pytest.raises(AssertionError, match=r"wants a network with loopback alone|can't be read"):
            new_engine.start()
