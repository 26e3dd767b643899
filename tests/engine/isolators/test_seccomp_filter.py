"""The filter of a supervised container: which calls stop, and for whom."""

import errno
import os
import socket

import pytest

from kit.engine.isolators.supervisor import calls, filter, handlers
from tests.engine.isolators.test_profile import AARCH64, ALLOW, ERRNO, I386, NOTIFY, X86_64, decide

TRACE = 0x7FF00000
TABLE = calls.table("x86_64")
ARCHITECTURES = {"x86_64": X86_64, "aarch64": AARCH64}


def program(**how: bool) -> bytes:
    wanted = {"network": True, "count_forks": False, "signals_are_scoped": True} | how
    return filter.program(machine="x86_64", **wanted)  # type: ignore[arg-type]


def test_reading_and_writing_run_natively() -> None:
    for number in (0, 1, 3, 9, 11, 12, 202, 228, 232):
        assert decide(program(), number) == ALLOW


def test_paths_and_identities_are_answered() -> None:
    for name in ("stat", "openat", "mkdir", "renameat2", "getuid", "setresuid", "chown", "getxattr", "kill", "uname"):
        assert decide(program(), TABLE.answered[name]) == NOTIFY


def test_what_the_kernel_must_do_is_traced() -> None:
    for name in ("execve", "chdir", "bind", "connect"):
        assert decide(program(), TABLE.traced[name]) == TRACE
    assert decide(program(), TABLE.answered["openat"], 0, 0, os.O_PATH) == TRACE
    assert decide(program(), TABLE.traced["getsockopt"], 3, socket.SOL_SOCKET, socket.SO_PEERCRED) == TRACE
    assert decide(program(), TABLE.traced["getsockopt"], 3, socket.SOL_SOCKET, socket.SO_ERROR) == ALLOW


def test_a_message_stops_only_with_an_address() -> None:
    sendto = TABLE.traced["sendto"]
    assert decide(program(), sendto, 3, 1, 1, 0, 0) == ALLOW
    assert decide(program(), sendto, 3, 1, 1, 0, 1 << 32) == TRACE
    assert decide(program(), TABLE.traced["sendmsg"], 3, 1) == ALLOW
    assert decide(program(network=False), TABLE.traced["sendmsg"], 3, 1) == TRACE


def test_forks_stop_where_they_are_counted_and_never_escape() -> None:
    clone = TABLE.traced["clone"]
    assert decide(program(), clone, 17) == ALLOW
    assert decide(program(count_forks=True), clone, 17) == TRACE
    for flag in (0x00800000, 0x10000000, 0x20000000, 0x00020000):  # untraced, new user, pid, mount namespaces
        assert decide(program(), clone, 17 | flag) == ERRNO | errno.EPERM


@pytest.mark.parametrize("number", [435, 437, 439, 452, 453, 463, 500, 0x40000002, 0xFFFFFFFF])
def test_newer_and_unknown_calls_are_not_there(number: int) -> None:
    assert decide(program(), number) == ERRNO | errno.ENOSYS


@pytest.mark.parametrize("number", [0, 2, 11, 257])
def test_other_architectures_are_not_there(number: int) -> None:
    assert decide(program(), number, arch=I386) == decide(program(), number, arch=AARCH64) == ERRNO | errno.ENOSYS


@pytest.mark.parametrize("name", [101, 165, 272, 304, 308, 310, 321, 425, 426])
def test_what_leads_around_the_supervisor_is_refused(name: int) -> None:
    assert decide(program(), name) & 0xFFFF0000 == ERRNO


def test_without_a_network_only_some_families_exist() -> None:
    number = TABLE.special["socket"]
    assert decide(program(network=False), number, socket.AF_INET) == ALLOW
    assert decide(program(network=False), number, 17) == ERRNO | errno.EAFNOSUPPORT
    assert decide(program(), number, 40) == ERRNO | errno.EPERM


def test_there_is_no_audit() -> None:
    number = TABLE.special["socket"]
    for network in (True, False):
        assert decide(program(network=network), number, socket.AF_NETLINK, 3, 9) == ERRNO | errno.EPROTONOSUPPORT
        assert decide(program(network=network), number, socket.AF_NETLINK, 3, 0) == ALLOW


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_every_call_that_stops_has_somebody_who_answers(machine: str) -> None:
    table = calls.table(machine)
    answered = handlers.by_number(table)
    code = filter.program(network=True, count_forks=True, signals_are_scoped=False, machine=machine)
    for number in range(calls.FIRST_UNKNOWN):
        for argument in (0, 4, 8, 23, 39, 47):
            if decide(code, number, argument, arch=ARCHITECTURES[machine]) == NOTIFY:
                assert number in answered
