"""The engine as a process: its socket, its start and its end, and clients that send much, wait long, or leave."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import docker
import pytest

pytestmark = pytest.mark.timeout(120)
Engine = Any
"""``RunningEngine`` of conftest.py."""


@contextmanager
def connected(engine: Engine) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(30)
        connection.connect(str(engine.socket))
        yield connection


def head_of(connection: socket.socket) -> str:
    """The answer's head, byte by byte so that nothing behind it is taken."""
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        piece = connection.recv(1)
        assert piece, data
        data += piece
    return data.decode()


def test_the_socket_is_its_owners_alone(engine: Engine) -> None:
    assert stat.S_IMODE(engine.socket.stat().st_mode) == 0o600


def test_the_first_answer_is_there_soon(new_engine: Engine) -> None:
    assert new_engine.start() < 5  # benchmarks/ has the figure; this only catches a start that hangs


def test_the_isolator_is_told_in_the_state_file(engine: Engine, client: docker.APIClient) -> None:
    components = {row["Name"]: row["Version"] for row in client.version()["Components"]}
    assert components["isolator"] == engine.isolator
    assert json.loads((engine.home / "engine.json").read_text())["isolator"] == engine.isolator


def test_every_answer_has_the_headers_that_clients_look_at(engine: Engine) -> None:
    for request, status in (("HEAD /_ping", 200), ("GET /v1.41/containers/json", 200), ("GET /nothing", 404)):
        with connected(engine) as connection:
            connection.sendall(f"{request} HTTP/1.1\r\nHost: d\r\n\r\n".encode())
            head = head_of(connection)
        assert head.startswith(f"HTTP/1.1 {status} ")
        for line in ("Api-Version: 1.41", "Ostype: linux", "Docker-Experimental: false", "Server: Layerlab"):
            assert line in head


def test_a_second_engine_is_refused(engine: Engine) -> None:
    command = [sys.executable, "-m", "kit.engine.api", "--home", str(engine.home), "--socket", str(engine.socket)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "another engine answers on" in done.stderr
    other = [*command[:-1], str(engine.socket.with_name("other.sock"))]
    done = subprocess.run(other, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "in use by another engine" in done.stderr
    assert engine.client().ping()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--isolator", "magic"], "no isolator is called 'magic'"),
        (["--socket", "/tmp/" + "long" * 30], "is longer than 107 bytes"),
        (["--socket", __file__], "is no socket"),
    ],
)
def test_what_cannot_be_is_said(tmp_path: Path, words: list[str], told: str) -> None:
    command = [
        sys.executable,
        "-m",
        "kit.engine.api",
        "--home",
        str(tmp_path),
        "--socket",
        str(tmp_path / "s"),
        *words,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and told in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_well(new_engine: Engine, busybox_tar: Path, number: int) -> None:
    new_engine.start()
    client = new_engine.client()
    client.import_image_from_file(str(busybox_tar), "busybox", "1")
    key = client.create_container("busybox:1", "sleep 1000")["Id"]
    client.start(key)
    pid = client.inspect_container(key)["State"]["Pid"]
    assert new_engine.end(number) == 0
    assert not new_engine.socket.exists() and not Path(f"/proc/{pid}").exists()
    new_engine.start()
    assert new_engine.client().inspect_container(key)["State"]["Status"] == "exited"


def test_a_killed_engine_leaves_nothing_running_and_its_socket_is_replaced(
    new_engine: Engine, busybox_tar: Path
) -> None:
    new_engine.start()
    client = new_engine.client()
    client.import_image_from_file(str(busybox_tar), "busybox", "1")
    key = client.create_container("busybox:1", "sleep 1000")["Id"]
    client.start(key)
    pid = client.inspect_container(key)["State"]["Pid"]
    new_engine.end(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert new_engine.socket.exists()
    new_engine.start()
    state = new_engine.client().inspect_container(key)["State"]
    assert (state["Status"], state["ExitCode"]) == ("exited", 137)


def test_many_long_requests_delay_no_short_one(engine: Engine, client: docker.APIClient) -> None:
    key = client.create_container("busybox:1", "sleep 1000")["Id"]
    client.start(key)
    waiting = [engine.client() for _ in range(60)]
    threads = [threading.Thread(target=other.wait, args=(key,), daemon=True) for other in waiting]
    for thread in threads:
        thread.start()
    time.sleep(1)
    begin = time.monotonic()
    assert any(row["Id"] == key for row in client.containers())
    assert time.monotonic() - begin < 5
    client.remove_container(key, force=True)
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()


def test_the_head_of_wait_comes_before_the_container_starts(engine: Engine, client: docker.APIClient) -> None:
    key = client.create_container("busybox:1", ["sh", "-c", "exit 7"])["Id"]
    with connected(engine) as connection:
        connection.sendall(
            f"POST /containers/{key}/wait?condition=next-exit HTTP/1.1\r\nHost: d\r\n".encode()
            + b"Content-Length: 0\r\n\r\n"
        )
        assert head_of(connection).startswith("HTTP/1.1 200 OK")
        client.start(key)
        assert b'"StatusCode":7' in connection.recv(1000)
    client.remove_container(key)


def test_a_large_body_is_never_held_as_a_whole(engine: Engine, client: docker.APIClient, tmp_path: Path) -> None:
    """300 MB into a container, while the engine's memory stays far below."""
    big = tmp_path / "big.tar"
    with big.open("wb") as file, tarfile.open(fileobj=file, mode="w") as tar:
        entry = tarfile.TarInfo("big")
        entry.size = 300 << 20
        tar.addfile(entry, open("/dev/zero", "rb"))  # noqa: SIM115
    key = client.create_container("busybox:1", "true")["Id"]
    with big.open("rb") as file:
        assert client.put_archive(key, "/", file)
    peak = next(
        line for line in Path(f"/proc/{engine.process.pid}/status").read_text().splitlines() if "VmHWM" in line
    )
    assert int(peak.split()[1]) < 200 << 10
    stream, facts = client.get_archive(key, "/big")
    assert facts["size"] == 300 << 20 and sum(map(len, stream)) > 300 << 20
    client.remove_container(key)


def test_a_refusal_reaches_a_client_that_still_sends(engine: Engine) -> None:
    with connected(engine) as connection:
        connection.sendall(
            b"PUT /containers/nobody/archive?path=/ HTTP/1.1\r\nHost: d\r\nContent-Length: 20000000\r\n\r\n"
        )
        for _ in range(20):
            connection.sendall(bytes(1_000_000))
        head = head_of(connection)
        assert head.startswith("HTTP/1.1 404 ")
        assert b"No such container: nobody" in connection.recv(1000)


def test_a_client_that_leaves_in_the_middle_of_a_load_leaves_nothing_behind(
    engine: Engine, client: docker.APIClient
) -> None:
    before = sorted(os.listdir(engine.home / "store"))
    archive = b"".join(client.get_image("busybox:1"))
    with connected(engine) as connection:
        connection.sendall(b"POST /images/load HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n")
        connection.sendall(b"%x\r\n" % len(archive) + archive[:-100_000])
    deadline = time.monotonic() + 10
    while sorted(os.listdir(engine.home / "store")) != before:
        assert time.monotonic() < deadline, os.listdir(engine.home / "store")
        time.sleep(0.05)
    assert client.ping()


def test_input_that_comes_with_the_request_reaches_the_process(engine: Engine, client: docker.APIClient) -> None:
    key = client.create_container("busybox:1", "cat", stdin_open=True)["Id"]
    inner = client._post_json(  # the SDK's own helper would read the answer
        client._url("/containers/{0}/exec", _started(client, key)),
        data={"Cmd": ["cat"], "AttachStdin": True, "AttachStdout": True},
    ).json()["Id"]
    body = b"{}"
    with connected(engine) as connection:
        connection.sendall(
            f"POST /exec/{inner}/start HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\n"
            f"Content-Type: application/json\r\nUpgrade: tcp\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
            + b"early\n"
        )
        head = head_of(connection)
        assert head.startswith("HTTP/1.1 101 ") and "Upgrade: tcp" in head
        connection.sendall(b"late\n")
        connection.shutdown(socket.SHUT_WR)
        data = b""
        while piece := connection.recv(1000):
            data += piece
    assert b"early\n" in data and data.endswith(b"late\n")
    client.remove_container(key, force=True)


def _started(client: docker.APIClient, key: str) -> str:
    client.start(key)
    return key


def test_events_come_live_and_from_the_past(engine: Engine, client: docker.APIClient) -> None:
    live = client.events(decode=True, filters={"type": "container", "event": ["create", "destroy"]})
    key = client.create_container("busybox:1", "true")["Id"]
    client.remove_container(key)
    assert [(event["Action"], event["id"], event["from"]) for event in (next(live), next(live))] == [
        ("create", key, "busybox:1"),
        ("destroy", key, "busybox:1"),
    ]
    live.close()
    now = int(time.time()) + 1
    past = list(client.events(since=now - 60, until=now, decode=True, filters={"container": key}))
    assert [event["Action"] for event in past] == ["create", "destroy"]


def test_a_client_of_events_that_leaves_is_forgotten(engine: Engine, client: docker.APIClient) -> None:
    def threads() -> int:
        return len(os.listdir(f"/proc/{engine.process.pid}/task"))

    time.sleep(0.5)  # threads of the requests before this one end
    before = threads()
    with connected(engine) as connection:
        connection.sendall(b"GET /events HTTP/1.1\r\nHost: d\r\n\r\n")
        head_of(connection)
        assert threads() > before
    deadline = time.monotonic() + 10
    while threads() > before:
        assert time.monotonic() < deadline
        time.sleep(0.05)
