"""The isolator ``userns`` in the hands of an ordinary user. What every isolator promises is in ``tests/contract``."""

import json
import os
import re
import shutil
import socket
import subprocess
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kit.engine.isolators import userns
from kit.lab.parents import root_tar
from kit.layer.ownership import Ownership, read_journal

PROBE = userns.probe()
pytestmark = pytest.mark.skipif(not PROBE.works, reason=f"isolator userns does not work here: {PROBE.why}")

ATTACK = Path(__file__).parents[2] / "security" / "attack.c"
# Docker's containers may do these, too, to themselves: they have their own IPC, and a kernel that allows ptrace.
OWN_BUSINESS = re.compile(r'.*"(/proc/keys|/sys/firmware|ptrace of itself|clone untraced|mq_open)".*\n')

# What the user runs: a container for every script, or with ``in_`` another process in the last one.
RUNNER = """
import json, os, sys, time
from pathlib import Path
from kit.engine.isolators.contract import Process, Sandbox, Stdio
from kit.engine.isolators.userns import Userns

directory = Path(sys.argv[1])
isolator = Userns()
last = None

def begin(script, *, uid=0, groups=(), privileges=True, in_=None, out=1, **sandbox):
    global last
    process = Process(("sh", "-c", script), ("PATH=/bin",), uid=uid, gid=uid, groups=groups, privileges=privileges)
    stdio = Stdio(os.open(os.devnull, os.O_RDONLY), out, out)
    if in_ is not None:
        return in_.exec(process, stdio)
    last = isolator.start(Sandbox(directory / "rootfs", directory / "owners", **sandbox), process, stdio)
    return last

def sh(script, **how):
    reading, writing = os.pipe()
    running = begin(script, out=writing, **how)
    os.close(writing)
    with open(reading) as pipe:
        text = pipe.read()
    running.wait(60)
    return text
"""


@pytest.fixture
def box(as_user: Any, user_tmp_path: Path, cache: Path) -> Callable[..., Any]:
    """``box(code)`` runs Python as the user, who has a busybox root file system; what it prints, read as JSON."""
    (user_tmp_path / "busybox.tar").write_bytes(root_tar("busybox:1", cache).read_bytes())
    unpack = "import os, subprocess, sys; os.chdir(sys.argv[1]); os.mkdir('rootfs'); " + (
        "subprocess.run(['tar', '-xpf', 'busybox.tar', '-C', 'rootfs'], check=True)"
    )
    assert as_user(unpack, str(user_tmp_path)).returncode == 0

    def run(code: str, *arguments: str) -> Any:
        done = as_user(RUNNER + textwrap.dedent(code), str(user_tmp_path), *arguments, timeout=200)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run


def compiled(source: str, directory: Path) -> Path:
    """A static program."""
    if not shutil.which("gcc"):
        pytest.skip("no gcc to compile a program with")
    (directory / "program.c").write_text(source)
    command = ["gcc", "-O1", "-static", "-pthread", "-w", "-o", directory / "program", directory / "program.c"]
    subprocess.run(command, check=True, timeout=120)
    return directory / "program"


def test_owners_devices_modes_and_capabilities_are_recorded(box: Any, user_tmp_path: Path) -> None:
    told = box("""
        sh("cd /; touch a; chown 12:34 a; mkdir -m 000 b; mknod c c 1 5; ln -s a d; chown -h 5:6 d; "
           "umask 777; touch e")
        print(json.dumps(sh("cd /; stat -c '%n %u:%g %a %F %t' a b c d e; head -c 2 c | wc -c; cat b/x")))
    """)  # fmt: skip
    assert told.splitlines() == [
        "a 12:34 644 regular empty file 0",
        "b 0:0 0 directory 0",
        "c 0:0 644 character special file 1",
        "d 5:6 777 symbolic link 0",
        "e 0:0 0 regular empty file 0",
        "2",
        "cat: can't open 'b/x': No such file or directory",
    ]
    for name in "abcde":
        assert (user_tmp_path / "rootfs" / name).lstat().st_uid == user_tmp_path.stat().st_uid
    with open(user_tmp_path / "owners") as journal:
        records = {identity.inode: record for identity, record in read_journal(journal).items()}
    inodes = {name: (user_tmp_path / "rootfs" / name).lstat().st_ino for name in "abcde"}
    assert records[inodes["a"]] == Ownership(12, 34)
    assert records[inodes["b"]] == records[inodes["e"]] == Ownership(0, 0, mode=0)
    assert records[inodes["c"]].rdev == os.makedev(1, 5)
    assert records[inodes["d"]] == Ownership(5, 6)


def test_a_user_of_the_container_is_stopped_by_permissions(box: Any) -> None:
    told = box("""
        sh("mkdir -m 700 /secret; echo s > /secret/a; echo s > /b; chmod 600 /b; mkdir -m 1777 /tmp; "
           "touch /tmp/roots")
        tries = ["cat /secret/a", "ls /secret", "cat /b", "touch /c", "rm /tmp/roots", "chown 33 /b", "chmod 777 /b",
                 "mv /b /tmp/b", "cd /secret", "mknod /tmp/d c 1 3", "chroot / true", "kill -9 1", "ln -s x /e"]
        first = begin("sleep 600")
        found = {each: sh(each, uid=33, in_=first) for each in tries}
        mine = sh("touch /tmp/mine; mkdir /tmp/dir; ln -s x /tmp/link; stat -c %u:%g /tmp/mine /tmp/dir /tmp/link; "
                  "chmod 4755 /tmp/mine; rm /tmp/mine; id -u; grep -E '^(Uid|Gid|Groups|CapEff)' /proc/self/status",
                  uid=33, groups=(7,))
        print(json.dumps([found, mine]))
    """)  # fmt: skip
    for attempt, said in told[0].items():
        assert re.search("denied|not permitted|can't", said), (attempt, said)
    assert told[1].split("\n")[:4] == ["33:33", "33:33", "33:33", "33"]
    assert re.findall(r"\d+", told[1].split("\n", 4)[4]) == [*["33"] * 8, "7", "0000000000000000"]


def test_set_id_programs_raise_and_scripts_do_not(box: Any, user_tmp_path: Path, tmp_path: Path) -> None:
    source = """
        #include <stdio.h>
        #include <unistd.h>
        int main() { printf("%d %d %d %d\\n", getuid(), geteuid(), getgid(), getegid()); return 0; }
    """
    (user_tmp_path / "who").write_bytes(
        compiled(source, tmp_path).read_bytes()
    )  # busybox gives up such rights itself.
    told = box("""
        (directory / "rootfs/who").write_bytes((directory / "who").read_bytes())
        sh("cp /who /up; chmod 4755 /up; cp /who /group; chown 0:42 /group; chmod 2755 /group; chmod 755 /who; "
           "printf '#!/who\\n' > /script; chmod 6755 /script")
        print(json.dumps([sh(each, uid=33) for each in ("/who", "/up", "/group", "/script")]))
    """)
    assert [line.split() for line in told] == [
        ["33", "33", "33", "33"],
        ["33", "0", "33", "33"],
        ["33", "33", "33", "42"],
        ["33", "33", "33", "33"],
    ]


def test_without_privileges_even_root_may_not(box: Any) -> None:
    told = box("""
        sh("echo s > /a; chown 33 /a; chmod 600 /a")
        print(json.dumps([sh("cat /a", privileges=False), sh("chown 5 /bin", privileges=False), sh("cat /a")]))
    """)
    assert "denied" in told[0]
    assert "not permitted" in told[1]
    assert told[2] == "s\n"


def test_a_low_port_is_reached_and_a_service_of_the_machine_is_not(box: Any) -> None:
    with socket.create_server(("0.0.0.0", 0)) as everywhere, socket.create_server(("127.0.0.1", 0)) as here:
        ports = [str(server.getsockname()[1]) for server in (everywhere, here)]
        told = box(
            """
            import urllib.request
            serve = "mkdir -p /w; echo hi > /w/index.html; exec httpd -f -p 80 -h /w"
            server = begin(serve, address="127.66.99.1")
            host, port = server.port(80)
            while True:
                try:
                    outside = urllib.request.urlopen(f"http://{host}:{port}/", timeout=10).read().decode()
                    break
                except OSError:
                    time.sleep(0.05)
            inside = sh("wget -qO- http://127.0.0.1/; wget -qO- http://[::1]/", in_=server)
            other = sh("wget -qO- http://127.66.99.1/", address="127.66.99.2")
            refused = [sh(f"nc 127.0.0.1 {number} < /dev/null", address="127.66.99.2") for number in sys.argv[2:]]
            print(json.dumps([outside, inside, other, refused]))
            """,
            *ports,
        )
    assert told[:3] == ["hi\n", "hi\nhi\n", "hi\n"]
    assert all("refused" in said for said in told[3])


def test_processes_are_counted_without_control_groups(box: Any) -> None:
    assert 5 < box("""
        bomb = "(i=0; while [ $i -lt 100 ]; do sleep 60 & i=$((i+1)); done); exec sleep 60"
        begin(bomb, pids=20, out=os.open(os.devnull, 1))
        time.sleep(1)
        print(len(last.processes()))
    """) <= 20  # fmt: skip


def test_whoever_of_the_helpers_is_killed_the_container_ends(box: Any) -> None:
    told = box("""
        import signal
        def children(pid):
            return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        left = []
        for which in ("keeper", "supervisor"):
            running = begin("setsid sleep 600 & sleep 600")
            while len(running.processes()) < 2:
                time.sleep(0.02)
            tree = running.processes()
            keeper = int(next(line.split()[1] for line in open(f"/proc/{tree[0]}/status") if line.startswith("PPid")))
            supervisor = next(pid for pid in children(keeper) if pid != tree[0])
            os.kill({"keeper": keeper, "supervisor": supervisor}[which], signal.SIGKILL)
            running.wait(20)
            deadline = time.monotonic() + 20
            while running.processes() and time.monotonic() < deadline:
                time.sleep(0.02)
            left.append(running.processes())
        print(json.dumps(left))
    """)
    assert told == [[], []]


def test_containers_end_with_the_engine_however_it_ends(as_user: Any, box: Any, user_tmp_path: Path) -> None:
    code = """
        begin("setsid sleep 601 & sleep 601")
        while len(last.processes()) < 2:
            time.sleep(0.02)
        print(*last.processes(), flush=True)
        os.kill(os.getpid(), 9)
    """
    done = as_user(RUNNER + textwrap.dedent(code), str(user_tmp_path))
    tree = done.stdout.split()
    assert len(tree) == 2
    gone = threading.Event()
    while any(Path(f"/proc/{pid}").exists() for pid in tree):
        gone.wait(0.02)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("network", ["host", "none"])
def test_a_hostile_program_reaches_nothing(box: Any, user_tmp_path: Path, tmp_path: Path, network: str) -> None:
    attack = compiled(OWN_BUSINESS.sub("", ATTACK.read_text()), tmp_path)
    (user_tmp_path / "attack").write_bytes(attack.read_bytes())
    (tmp_path / "secret").write_text("#!/bin/sh\n# the machine's secret\nexit 42\n")
    (tmp_path / "secret").chmod(0o777)
    with socket.create_server(("0.0.0.0", 0)) as tcp, socket.socket(socket.AF_UNIX) as abstract:
        abstract.bind(f"\0machine-{os.getpid()}")
        abstract.listen()
        targets = [str(tcp.getsockname()[1]), f"machine-{os.getpid()}", str(tmp_path / "socket"), "0"]
        told = box(
            """
            (directory / "rootfs/attack").write_bytes((directory / "attack").read_bytes())
            (directory / "rootfs/attack").chmod(0o755)
            network, secret, *targets = sys.argv[2:]
            print(json.dumps(sh(" ".join(["/attack", secret, str(os.getpid()), *targets]), network=network)))
            """,
            *(network, str(tmp_path / "secret"), *targets),
        )
    lines = told.splitlines()
    assert lines[-1] == "done"
    allowed = [] if network == "host" else ["ESCAPED a raw socket", "ESCAPED a packet socket"]  # Of its own network.
    assert [line for line in lines if line.startswith("ESCAPED")] == allowed
    assert sum(line.startswith("held ") for line in lines) > 120
    assert "machine's secret" in (tmp_path / "secret").read_text()


def test_a_setting_that_refuses_is_named_with_what_to_do(as_user: Any) -> None:
    code = """
        import subprocess, sys
        probe = f"{sys.executable} -m kit.engine.isolators.namespaces.probe userns"
        script = f"echo 0 > /proc/sys/user/max_user_namespaces; {probe}"
        print(subprocess.run(["unshare", "-r", "sh", "-c", script], capture_output=True, text=True).stdout)
    """
    said = as_user(textwrap.dedent(code)).stdout
    assert "unshare of a user namespace: No space left on device" in said
    assert "root can allow it with `sysctl -w user.max_user_namespaces=10000`" in said
