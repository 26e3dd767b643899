"""The isolator ``root``: what holds only where files carry their real owners and programs their real rights."""

import os
import stat
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kit.engine.isolators import root

PROBE = root.probe()
pytestmark = pytest.mark.skipif(not PROBE.works, reason=f"isolator root does not work here: {PROBE.why}")


@pytest.fixture(scope="module")
def isolator() -> Iterator[root.Root]:
    isolator = root.Root()
    yield isolator
    isolator.close()


@pytest.fixture
def box(isolator: root.Root, runner: Callable[[root.Root], Any]) -> Any:
    return runner(isolator)


def test_owners_devices_and_modes_are_real(box: Any) -> None:
    box.sh("touch /a && chown 12:34 /a && chmod 0400 /a && mknod /zero c 1 5")
    seen = (box.sandbox.rootfs / "a").stat()
    assert (seen.st_uid, seen.st_gid, stat.S_IMODE(seen.st_mode)) == (12, 34, 0o400)
    assert (box.sandbox.rootfs / "zero").stat().st_rdev == os.makedev(1, 5)


def test_raw_sockets_see_nothing_on_the_machines_network(box: Any) -> None:
    assert "permission denied" in box.run("ping", "-c", "1", "127.0.0.1")[1]
    assert "1 packets received" in box.sh("ping -c 1 127.0.0.1", network="none")


def test_a_container_has_its_own_process_numbers(box: Any) -> None:
    assert box.sh("ls -d /proc/[0-9]*").split() == ["/proc/1"]
