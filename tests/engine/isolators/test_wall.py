"""The wall on a container's sockets: its programs in a small interpreter, and a real race against it."""

import ipaddress
import shutil
import socket
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kit.engine.isolators import root
from kit.engine.isolators.namespaces.wall import Hook, program

OWN = ipaddress.IPv4Address("127.66.3.4")


def passes(hook: Hook, host: str, port: int, *, resolver: bool = False) -> bool:
    """What the kernel would do."""
    address = ipaddress.ip_address(host)
    context = bytearray(72)
    place = 4 if address.version == 4 else 8
    context[place : place + len(address.packed)] = address.packed
    context[24:26] = struct.pack("!H", port)
    code = program(hook, OWN, resolver=resolver)
    registers = [0] * 11
    at = 0
    while True:
        what, who, offset, value = struct.unpack_from("=BBhI", code, at * 8)
        target, source = who & 15, who >> 4
        at += 1
        match what:
            case 0x61:
                registers[target] = struct.unpack_from("=I", context, offset)[0]
            case 0xBF:
                registers[target] = registers[source]
            case 0x57:
                registers[target] &= value
            case 0xB7:
                registers[target] = value
            case 0x16 | 0x56:
                at += offset if (registers[target] == value) == (what == 0x16) else 0
            case 0x05:
                at += offset
            case 0x95:
                return bool(registers[0])


@pytest.mark.parametrize(("four", "six"), [(Hook.CONNECT4, Hook.CONNECT6), (Hook.SEND4, Hook.SEND6)])
def test_the_machines_loopback_is_out_of_reach(four: Hook, six: Hook) -> None:
    for host in ("127.0.0.1", "127.0.0.53", "127.65.0.1", "0.0.0.0"):
        assert not passes(four, host, 80)
        assert not passes(six, f"::ffff:{host}", 80)
    assert not passes(six, "::1", 80)
    assert not passes(six, "::", 80)


@pytest.mark.parametrize(("four", "six"), [(Hook.CONNECT4, Hook.CONNECT6), (Hook.SEND4, Hook.SEND6)])
def test_containers_the_world_and_a_local_name_server_are_within_reach(four: Hook, six: Hook) -> None:
    for host in ("127.66.0.1", "127.66.3.4", "10.0.0.127", "93.184.216.34"):
        assert passes(four, host, 80)
        assert passes(six, f"::ffff:{host}", 80)
    assert passes(six, "2001:db8::1", 80)
    assert passes(six, "::2", 80)
    assert passes(four, "127.0.0.53", 53, resolver=True)
    assert not passes(four, "127.0.0.53", 53, resolver=False)


def test_only_the_own_address_can_be_bound() -> None:
    for host, port, allowed in (
        ("127.66.3.4", 80, True),
        ("127.66.3.5", 80, False),
        ("127.0.0.1", 80, False),
        ("127.0.0.1", 0, False),
        ("0.0.0.0", 80, False),
        ("0.0.0.0", 0, True),
        ("10.0.0.5", 80, True),
    ):
        assert passes(Hook.BIND4, host, port) is allowed, (host, port)
        assert passes(Hook.BIND6, f"::ffff:{host}", port) is allowed, (host, port)
    assert not passes(Hook.BIND6, "::", 80)
    assert not passes(Hook.BIND6, "::1", 80)
    assert passes(Hook.BIND6, "::1", 0)
    assert passes(Hook.BIND6, "2001:db8::1", 80)


RACE = r"""
#include <arpa/inet.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>
static struct sockaddr_in address;
static void *flip(void *unused) {
    for (;;) {
        address.sin_addr.s_addr = inet_addr("192.0.2.1");
        for (volatile int i = 0; i < 2000; i++);
        address.sin_addr.s_addr = inet_addr("127.0.0.1");
        for (volatile int i = 0; i < 2000; i++);
    }
}
int main(int count, char **words) {
    pthread_t thread;
    address.sin_family = AF_INET;
    address.sin_port = htons(atoi(words[1]));
    pthread_create(&thread, 0, flip, 0);
    for (int i = 0; i < 2000; i++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        connect(fd, (struct sockaddr *)&address, sizeof address);
        close(fd);
    }
    return 0;
}
"""


def test_an_address_that_changes_under_our_eyes_does_not_reach_the_machine(
    runner: Callable[[root.Root], Any], tmp_path: Path
) -> None:
    if not root.probe().works:
        pytest.skip("isolator root does not work here")
    if not shutil.which("gcc"):
        pytest.skip("no gcc to compile the attempt with")
    isolator = root.Root()
    box = runner(isolator)
    (tmp_path / "race.c").write_text(RACE)
    command = ["gcc", "-static", "-pthread", "-o", box.sandbox.rootfs / "race", tmp_path / "race.c"]
    subprocess.run(command, check=True, timeout=60)
    with socket.create_server(("127.0.0.1", 0), backlog=4000) as server:
        server.setblocking(False)
        assert box.run("/race", str(server.getsockname()[1]))[0] == 0
        with pytest.raises(BlockingIOError):
            server.accept()
    isolator.close()
