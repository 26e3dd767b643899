"""The seccomp profile, run in a small interpreter of classic BPF."""

import ctypes
import errno
import os
import struct
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from kit.engine.isolators.namespaces import profile
from kit.lab.parents import make_parents

X86_64, I386, AARCH64 = 0xC000003E, 0x40000003, 0xC00000B7
ALLOW, NOTIFY, ERRNO = 0x7FFF0000, 0x7FC00000, 0x00050000


def decide(program: bytes, number: int, *arguments: int, arch: int = X86_64) -> int:
    """What the filter answers to a system call."""
    padded = (*arguments, *(0,) * (6 - len(arguments)))
    data = struct.pack("=iIQ6Q", number if number < 1 << 31 else number - (1 << 32), arch, 0, *padded)
    accumulator = place = 0
    memory: dict[int, int] = {}
    while True:
        code, yes, no, value = struct.unpack_from("=HBBI", program, place * 8)
        place += 1
        match code:
            case 0x06:
                return int(value)
            case 0x20:
                accumulator = struct.unpack_from("=I", data, value)[0]
            case 0x54:
                accumulator &= value
            case 0x02:
                memory[value] = accumulator
            case 0x60:
                accumulator = memory[value]
            case 0x05:
                place += value
            case 0x15 | 0x25 | 0x35 | 0x45:
                test = {0x15: accumulator == value, 0x25: accumulator > value, 0x35: accumulator >= value}
                place += yes if test.get(code, bool(accumulator & value)) else no
            case _:
                raise AssertionError(f"unknown instruction {code:#x}")


OWN = profile.program(shared_network=False, machine="x86_64")
SHARED = profile.program(shared_network=True, machine="x86_64")
REFUSED = ERRNO | errno.EPERM
UNKNOWN = ERRNO | errno.ENOSYS


@pytest.mark.parametrize("number", [0, 1, 2, 56, 57, 59, 101, 161, 257, 317, 437, 449])
def test_everyday_calls_are_allowed(number: int) -> None:
    assert decide(OWN, number) == decide(SHARED, number) == ALLOW


@pytest.mark.parametrize("number", [165, 166, 155, 272, 308, 250, 321, 304, 310, 425, 438])
def test_calls_that_docker_refuses_are_refused(number: int) -> None:
    assert decide(OWN, number) == decide(SHARED, number) == REFUSED


def test_what_is_newer_than_the_table_does_not_exist() -> None:
    assert decide(OWN, 435) == decide(OWN, 450) == decide(OWN, 100_000) == UNKNOWN


def test_other_architectures_do_not_exist() -> None:
    assert decide(OWN, 1, arch=AARCH64) == UNKNOWN
    assert decide(OWN, 0x40000001) == UNKNOWN  # x32
    assert decide(profile.program(shared_network=False, machine="aarch64"), 64, arch=AARCH64) == ALLOW
    assert decide(profile.program(shared_network=False, machine="aarch64"), 40, arch=AARCH64) == REFUSED


def test_i386_has_numbers_of_its_own() -> None:
    assert decide(OWN, 21, arch=I386) == decide(OWN, 52, arch=I386) == REFUSED
    assert decide(OWN, 165, arch=I386) == ALLOW
    assert decide(SHARED, 102, arch=I386) == UNKNOWN


def test_a_clone_may_fork_but_not_make_namespaces() -> None:
    assert decide(OWN, 56, 0x01200011) == ALLOW
    for flag in (0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000):
        assert decide(OWN, 56, flag | 17) == REFUSED


def test_a_personality_may_be_asked_for_but_not_turn_protections_off() -> None:
    assert decide(OWN, 135, 0xFFFFFFFF) == decide(OWN, 135, 0) == decide(OWN, 135, 0x20008) == ALLOW
    assert decide(OWN, 135, 0x0040000) == REFUSED


@pytest.mark.parametrize(("domain", "kind", "own", "shared"), [
    (1, 1, ALLOW, ALLOW),
    (2, 1, ALLOW, ALLOW),
    (10, 0x80002, ALLOW, ALLOW),
    (16, 3, ALLOW, ALLOW),
    (2, 3, ALLOW, REFUSED),
    (10, 0x80803, ALLOW, REFUSED),
    (17, 2, ALLOW, REFUSED),
    (40, 1, REFUSED, REFUSED),
])  # fmt: skip
def test_sockets_that_read_other_peoples_packets(domain: int, kind: int, own: int, shared: int) -> None:
    assert (decide(OWN, 41, domain, kind), decide(SHARED, 41, domain, kind)) == (own, shared)


def test_on_a_shared_network_addresses_are_asked_about() -> None:
    assert decide(SHARED, 49, 3, 1, 16) == decide(SHARED, 42, 3, 1, 16) == NOTIFY
    assert decide(SHARED, 44, 3, 1, 5, 0, 0, 0) == ALLOW
    assert decide(SHARED, 44, 3, 1, 5, 0, 1, 16) == decide(SHARED, 44, 3, 1, 5, 0, 1 << 32, 16) == NOTIFY
    assert decide(OWN, 49, 3, 1, 16) == ALLOW


@pytest.fixture(scope="module")
def dockers(dockerd: docker.DockerClient, cache: Path) -> Iterator[bytes]:
    """The filter that dockerd has put before a process, as the kernel holds it."""
    if os.geteuid() != 0:
        pytest.skip("reading a filter needs root")
    make_parents(dockerd, ["busybox:1"], cache)
    container = dockerd.containers.run("busybox:1", "sleep 60", detach=True)
    container.reload()
    try:
        yield read_filter(container.attrs["State"]["Pid"])
    finally:
        container.remove(force=True)


def read_filter(pid: int) -> bytes:
    """Source: ptrace(2), PTRACE_SECCOMP_GET_FILTER."""
    seize, interrupt, get_filter, detach = 0x4206, 0x4207, 0x420C, 17
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long] * 4
    libc.ptrace.restype = ctypes.c_long
    assert libc.ptrace(seize, pid, 0, 0) == 0
    libc.ptrace(interrupt, pid, 0, 0)
    os.waitpid(pid, 0)
    try:
        size = libc.ptrace(get_filter, pid, 0, 0)
        if size < 0:
            pytest.skip("this kernel does not show filters")
        buffer = ctypes.create_string_buffer(size * 8)
        libc.ptrace(get_filter, pid, 0, ctypes.addressof(buffer))
        return buffer.raw
    finally:
        libc.ptrace(detach, pid, 0, 0)


@pytest.mark.parametrize("arch", [X86_64, I386])
def test_everything_that_a_real_dockerd_refuses_is_refused(dockers: bytes, arch: int) -> None:
    arguments = [(), (0x10000000,), (0x40000,), (2, 1), (16, 3)]
    for number in range(500):
        for given in arguments:
            if decide(dockers, number, *given, arch=arch) != ALLOW and _exists(number, arch):
                assert decide(OWN, number, *given, arch=arch) != ALLOW, (number, given)


def _exists(number: int, arch: int) -> bool:
    """The tables have holes that no kernel fills: there Docker refuses what does not exist."""
    holes = {X86_64: range(337, 424), I386: (222, 223, 251, 285, 387, 388, 389, 390, 391, 392, 415)}
    return number not in holes[arch]
