"""The isolator ``seccomp``: what holds only where a supervisor answers for the kernel."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kit.engine.isolators import seccomp
from kit.engine.isolators.contract import Process
from kit.layer.ownership import read_journal

PROBE = seccomp.probe()
pytestmark = pytest.mark.skipif(not PROBE.works, reason=f"isolator seccomp does not work here: {PROBE.why}")


@pytest.fixture(scope="module")
def isolator() -> Iterator[seccomp.Seccomp]:
    isolator = seccomp.Seccomp()
    yield isolator
    isolator.close()


@pytest.fixture
def box(isolator: seccomp.Seccomp, runner: Callable[[seccomp.Seccomp], Any]) -> Any:
    return runner(isolator)


def test_what_the_disk_can_not_hold_is_in_the_journal(box: Any) -> None:
    box.sh("touch /a && chown 12:34 /a && chmod 0400 /a && mknod -m 640 /disk b 8 1")
    records = {identity.inode: owner for identity, owner in read_journal(box.sandbox.owners.open()).items()}
    owner = records[(box.sandbox.rootfs / "a").stat().st_ino]
    assert (owner.uid, owner.gid, owner.mode) == (12, 34, 0o400)
    disk = records[(box.sandbox.rootfs / "disk").stat().st_ino]
    assert (disk.st_mode, disk.rdev, disk.mode) == (0o60640, os.makedev(8, 1), 0o640)


def test_the_journal_is_read_by_the_next_container(box: Any) -> None:
    box.sh("mkdir -m 0 /closed; touch /closed/a; chown 5:6 /closed/a")
    assert box.sh("stat -c '%u %g' /closed/a; stat -c %a /closed") == "5 6\n0\n"


def test_a_killed_supervisor_takes_everything_with_it(box: Any) -> None:
    begun = box.begin("sh", "-c", "setsid sleep 600 & sleep 600 & kill -STOP $!; wait")
    while len(begun.running.processes()) < 3:
        time.sleep(0.02)
    tree = begun.running.processes()
    os.kill(begun.running._facts["keeper"], signal.SIGKILL)
    assert begun.running.wait(10) == 137
    end = time.monotonic() + 5
    while any(Path(f"/proc/{pid}").exists() for pid in tree):
        assert time.monotonic() < end
        time.sleep(0.02)


def test_one_user_can_not_signal_or_look_into_another(box: Any) -> None:
    begun = box.begin("sh", "-c", "export HIDDEN=secret; exec sleep 600")
    user = Process((), uid=1000, gid=1000)
    pid = begun.running.pid
    assert "not permitted" in box.run("kill", "-9", str(pid), in_=begun.running, process=user)[1]
    assert "ermission denied" in box.run("cat", f"/proc/{pid}/environ", in_=begun.running, process=user)[1]
    assert "HIDDEN=secret" in box.sh(f"cat /proc/{pid}/environ", in_=begun.running)
    begun.running.kill()


def test_a_closed_directory_hides_what_is_in_it(box: Any) -> None:
    box.sh("mkdir -p -m 0700 /closed/in && echo secret > /closed/in/file && chmod 644 /closed/in/file")
    user = Process((), uid=1000, gid=1000)
    assert "ermission denied" in box.run("cat", "/closed/in/file", process=user)[1]


def test_programs_see_their_own_name_and_words(box: Any) -> None:
    words = box.sh("cat /proc/self/comm; cat /proc/self/cmdline; readlink /proc/self/exe")
    assert words == "cat\ncat\0/proc/self/cmdline\0/bin/busybox\n"


def test_standard_output_can_be_opened_by_name(box: Any) -> None:
    assert box.sh("echo out > /dev/stdout; echo err >> /proc/self/fd/2; ls /dev/pts") == "out\nerr\nptmx\n"
    assert box.sh(
        "echo in | cat /dev/stdin; [ -p /dev/stdout ] && echo pipe; readlink /proc/self/fd/1 | cut -c1-5"
    ) == ("in\npipe\npipe:\n")


def test_the_machine_keeps_its_files_in_dev(box: Any) -> None:
    before = os.stat("/dev/null")
    box.sh("chmod 600 /dev/null; chown 5:5 /dev/null; echo x > /dev/null; mkdir /dev/mine; touch /dev/shm/x")
    after = os.stat("/dev/null")
    assert (before.st_mode, before.st_uid) == (after.st_mode, after.st_uid)
    assert not Path("/dev/mine").exists()


def test_the_probe_names_what_it_found() -> None:
    assert PROBE.facts["landlock"] >= 0
    assert json.dumps(PROBE.facts)


def test_an_ordinary_user_runs_containers(as_user: Any, cache: Path, user_tmp_path: Path) -> None:
    """Everything again as user 1000, who has nothing."""
    from kit.lab.parents import root_tar

    code = (
        "import os, subprocess, sys; from pathlib import Path\n"
        "from kit.engine.isolators.contract import *; from kit.engine.isolators.seccomp import Seccomp\n"
        "home = Path(sys.argv[2]); root = home / 'root'; root.mkdir()\n"
        "subprocess.run(['tar', '-xpf', sys.argv[1], '-C', root], check=True)\n"
        "isolator = Seccomp(); script = 'touch /a; chown 1:2 /a; stat -c %u:%g /a; id -u; chroot / id -g'\n"
        "process = Process(('sh', '-c', script), ('PATH=/bin:/usr/bin:/usr/sbin:/sbin',))\n"
        "running = isolator.start(Sandbox(root, home / 'owners'), process, Stdio(0, 1, 2))\n"
        "code = running.wait(60); isolator.close(); sys.exit(code)\n"
    )
    tar = user_tmp_path / "root.tar"
    tar.write_bytes(root_tar("busybox:1", cache).read_bytes())
    done = as_user(code, str(tar), str(user_tmp_path))
    assert (done.returncode, done.stdout) == (0, "1:2\n0\n0\n"), done.stderr
