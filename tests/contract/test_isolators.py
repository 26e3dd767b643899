"""What ``kit/engine/isolators/contract.py`` promises, on every isolator that works on this machine."""

import os
import pty
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from kit.engine.isolators import choose
from kit.engine.isolators.contract import Isolator, Mount, Process, StartFailed, Stdio

PROBES = {row.name: row.probe() for row in choose.ROWS}


@pytest.fixture(scope="module", params=[row.name for row in choose.ROWS])
def isolator(request: pytest.FixtureRequest) -> Iterator[Isolator]:
    if not PROBES[request.param].works:
        pytest.skip(f"isolator {request.param} does not work here: {PROBES[request.param].why}")
    isolator, _ = choose.choose(request.param)
    yield isolator
    isolator.close()  # type: ignore[attr-defined]


@pytest.fixture
def box(isolator: Isolator, runner: Callable[[Isolator], Any]) -> Any:
    return runner(isolator)


DOCKERS_CAPABILITIES = "00000000a80425fb"


def status(text: str) -> dict[str, str]:
    return {key: value.strip() for key, _, value in (line.partition(":") for line in text.splitlines())}


def test_root_has_dockers_capabilities_and_may_gain_new_privileges(box: Any) -> None:
    facts = status(box.sh("cat /proc/self/status"))
    assert facts["CapEff"] == facts["CapPrm"] == facts["CapBnd"] == DOCKERS_CAPABILITIES
    assert facts["CapInh"] == facts["CapAmb"] == "0000000000000000"
    assert (facts["NoNewPrivs"], facts["Seccomp"]) == ("0", "2")


def test_without_privileges_there_is_no_capability_to_gain(box: Any) -> None:
    facts = status(box.sh("cat /proc/self/status", process=Process((), privileges=False)))
    assert facts["CapEff"] == facts["CapBnd"] == "0000000000000000"


def test_an_ordinary_user_has_no_capability_but_set_id_programs_work(box: Any) -> None:
    box.sh("cp /bin/busybox /bin/gain && chmod 4755 /bin/gain")
    user = Process((), uid=1000, gid=1000, groups=(7,))
    assert status(box.sh("cat /proc/self/status", process=user))["CapEff"] == "0000000000000000"
    gained = box.sh("/bin/gain sh -c 'grep -E ^[UG]id: /proc/self/status'; id -G", process=user)
    assert gained.splitlines()[-1] == "1000 7"


def test_a_device_that_was_made_inside_opens_nothing(box: Any) -> None:
    disk = os.stat("/").st_dev
    made = f"mknod /disk b {os.major(disk)} {os.minor(disk)}; mknod /dev/disk b {os.major(disk)} {os.minor(disk)}"
    code, output = box.run("sh", "-c", f"{made}; cat /disk; cat /dev/disk")
    assert code == 1
    assert output.count("Permission denied") + output.count("Operation not permitted") == 2


def test_the_machine_is_not_in_sight(box: Any, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    for place in (f"/{secret}", f"/proc/1/root/{secret}", f"/proc/1/cwd/../../../..{secret}"):
        code, output = box.run("cat", place)
        assert (code, "No such file" in output) == (1, True)
    assert len(box.sh("ls -d /proc/[0-9]*").split()) == 1
    assert "pivot" not in box.sh("mount")


def test_mount_unshare_and_chroot_escapes_are_refused(box: Any) -> None:
    assert "denied" in box.run("mount", "-t", "tmpfs", "none", "/tmp")[1]
    assert "Operation not permitted" in box.run("unshare", "-m", "true")[1]
    assert "Read-only" in box.run("sh", "-c", "echo 1 > /proc/sys/kernel/panic")[1]
    assert box.sh("cat /proc/kcore /proc/keys 2>/dev/null | wc -c").strip() == "0"


def test_the_helper_leaves_no_descriptor_and_no_environment(box: Any) -> None:
    assert box.sh("ls /proc/self/fd").split() == ["0", "1", "2", "3"]
    assert set(box.sh("env").split()) >= {"SHLVL=1"}
    assert "PYTHON" not in box.sh("env; cat /proc/1/environ")


def test_bad_starts_say_what_runc_says(box: Any) -> None:
    (box.sandbox.rootfs / "text").write_text("text")
    expected = {
        "nosuch": ('exec: "nosuch": executable file not found in $PATH', 127),
        "/nosuch": ('exec: "/nosuch": stat /nosuch: no such file or directory', 127),
        "./nosuch": ('exec: "./nosuch": stat ./nosuch: no such file or directory', 127),
        "/text": ('exec: "/text": permission denied', 126),
        "/etc": ('exec: "/etc": permission denied', 126),
        "/text/x": ('exec: "/text/x": stat /text/x: not a directory', 127),
        "": ('exec: "": executable file not found in $PATH', 127),
    }
    for name, (text, code) in expected.items():
        with pytest.raises(StartFailed) as caught:
            box.run(name)
        assert (str(caught.value), caught.value.code) == (text, code)


def test_a_file_that_the_kernel_cant_execute_ends_with_one(box: Any) -> None:
    for name, content, reason in (("a", "", "exec format error"), ("b", "#!/none\n", "no such file or directory")):
        (box.sandbox.rootfs / name).write_text(content)
        (box.sandbox.rootfs / name).chmod(0o755)
        assert box.run(f"/{name}") == (1, f"exec /{name}: {reason}\n")


def test_the_working_directory_is_made_but_not_for_exec(box: Any) -> None:
    assert box.sh("pwd", process=Process((), cwd="/new/one")) == "/new/one\n"
    with pytest.raises(StartFailed, match="Cannot mkdir: /etc/passwd is not a directory"):
        box.run("true", process=Process((), cwd="/etc/passwd"))
    begun = box.begin("sleep", "60")
    with pytest.raises(StartFailed, match=r'chdir to cwd \("/none"\) set in config.json failed: no such file'):
        box.run("true", in_=begun.running, process=Process((), cwd="/none"))
    begun.running.kill()


def test_a_signal_is_told_as_128_and_its_number(box: Any) -> None:
    begun = box.begin("sh", "-c", "trap 'exit 9' TERM; while :; do sleep 0.05; done")
    with pytest.raises(TimeoutError):
        begun.running.wait(0.2)
    begun.running.signal(signal.SIGTERM)
    assert begun.running.wait(10) == 9
    begun.running.signal(signal.SIGTERM)
    begun = box.begin("sleep", "60")
    begun.running.signal(signal.SIGKILL)
    assert begun.running.wait(10) == begun.running.wait() == 137


def test_kill_ends_daemons_and_execed_processes_too(box: Any) -> None:
    begun = box.begin("sh", "-c", "setsid sleep 600 & setsid sh -c 'sleep 600 & sleep 600' & wait")
    added = box.begin("sleep", "600", in_=begun.running)
    while len(begun.running.processes()) < 5:
        time.sleep(0.02)
    tree = begun.running.processes()
    assert tree[0] == begun.running.pid
    assert added.running.pid in tree
    begun.running.kill()
    assert begun.running.processes() == []
    assert not any(Path(f"/proc/{pid}").exists() for pid in tree)
    assert added.running.wait(5) == 137


def test_exec_joins_the_container_and_its_kill_ends_it_alone(box: Any) -> None:
    begun = box.begin("sleep", "600", hostname="here")
    namespaces = "ls -l /proc/1/ns/pid /proc/self/ns/pid | grep -o 'pid:.*' | uniq | wc -l"
    assert box.sh(f"hostname; {namespaces}", in_=begun.running) == "here\n1\n"
    assert status(box.sh("cat /proc/self/status", in_=begun.running))["CapEff"] == DOCKERS_CAPABILITIES
    added = box.begin("sleep", "600", in_=begun.running)
    added.running.kill()
    assert added.running.wait() == 137
    assert begun.running.processes() == [begun.running.pid]
    begun.running.kill()
    with pytest.raises(StartFailed):
        box.run("true", in_=begun.running)


def test_its_exit_code_is_its_own_also_when_others_join_as_it_ends(box: Any) -> None:
    for _ in range(10):
        begun = box.begin("sh", "-c", "sleep 0.05; exit 7")
        with suppress(StartFailed):
            while True:
                box.begin("true", in_=begun.running).output()
        assert begun.running.wait(60) == 7


def test_paused_processes_stand_still_and_can_be_killed(box: Any) -> None:
    begun = box.begin("sh", "-c", "while :; do echo x >> /log; done")
    while not (box.sandbox.rootfs / "log").exists():
        time.sleep(0.02)
    begun.running.pause()
    size = (box.sandbox.rootfs / "log").stat().st_size
    time.sleep(0.2)
    assert (box.sandbox.rootfs / "log").stat().st_size == size
    begun.running.resume()
    while (box.sandbox.rootfs / "log").stat().st_size == size:
        time.sleep(0.02)
    begun.running.pause()
    begun.running.kill()
    assert begun.running.wait() == 137


def test_the_number_of_processes_is_bounded(box: Any) -> None:
    bomb = "i=0; while [ $i -lt 100 ]; do sleep 600 & i=$((i+1)); done; wait"
    begun = box.begin("sh", "-c", bomb, pids=20)
    time.sleep(0.5)
    assert len(begun.running.processes()) <= 20
    begun.running.kill()


def test_two_containers_listen_on_port_80_and_find_themselves_at_localhost(box: Any) -> None:
    begun = []
    for name in ("one", "two"):
        (box.sandbox.rootfs / name).mkdir()
        (box.sandbox.rootfs / name / "index.html").write_text(name)
        address = f"127.66.9.{len(begun) + 1}"
        user = Process((), uid=33, gid=33)
        begun.append(box.begin("httpd", "-f", "-p", "80", "-h", f"/{name}", address=address, process=user))
    for one, name in zip(begun, ("one", "two"), strict=True):
        host, port = one.running.port(80)
        assert _get(f"http://{host}:{port}/") == name
        assert box.sh("wget -qO- http://127.0.0.1/", in_=one.running) == name
        assert box.sh("wget -qO- http://[::1]/", in_=one.running) == name
    assert box.sh("wget -qO- http://127.66.9.1/", in_=begun[1].running) == "one"
    for one in begun:
        one.running.kill()


def _get(url: str) -> str:
    while True:
        try:
            return str(urllib.request.urlopen(url, timeout=10).read().decode())
        except ConnectionRefusedError:
            continue
        except urllib.error.URLError as error:
            if not isinstance(error.reason, ConnectionRefusedError):
                raise


def test_services_of_the_machine_are_not_at_its_localhost(box: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        code, output = box.run("nc", "127.0.0.1", str(port))
    assert (code, "refused" in output) == (1, True)


def test_without_a_network_there_is_loopback_only(box: Any) -> None:
    assert "lo" in box.sh("cat /proc/net/dev", network="none")
    assert box.sh("grep -c : /proc/net/dev", network="none") == "1\n"
    serve = "httpd -p 80 -h /etc && wget -qO- http://127.0.0.1/hello"
    (box.sandbox.rootfs / "etc/hello").write_text("hello")
    assert box.sh(serve, network="none") == "hello"


def test_mounts_a_read_only_root_and_an_empty_place(box: Any, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "file").write_text("file")
    mounts = (
        Mount(str(tmp_path / "data"), "/data"),
        Mount(str(tmp_path / "data"), "/frozen", read_only=True),
        Mount(str(tmp_path / "file"), "/etc/a/file", read_only=True),
        Mount("", "/empty"),
    )
    script = "touch /data/a /empty/b && cat /etc/a/file && ls /frozen /empty; touch /frozen/c; touch /d; true"
    output = box.sh(script, mounts=mounts, read_only=True)
    assert output.startswith("file/empty:\nb\n\n/frozen:\na\n")
    assert output.count("Read-only file system") == 2
    assert (tmp_path / "data" / "a").exists()


def test_a_mount_point_behind_a_symlink_stays_in_the_root(box: Any, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (box.sandbox.rootfs / "link").symlink_to(outside)
    box.sh("touch /link/inside", mounts=(Mount("", "/link"),))
    assert list(outside.iterdir()) == []
    assert (box.sandbox.rootfs / str(outside).lstrip("/")).is_dir()


def test_a_terminal_is_the_controlling_one(box: Any) -> None:
    ours, theirs = pty.openpty()
    script = "tty; test -t 0 && echo works > /dev/tty"
    running = box.isolator.start(
        box.sandbox, Process(("/bin/sh", "-c", script), tty=True), Stdio(theirs, theirs, theirs)
    )
    os.close(theirs)
    assert running.wait(10) == 0
    assert os.read(ours, 100) == b"/dev/console\r\nworks\r\n"
    os.close(ours)


def test_limits_of_a_process(box: Any) -> None:
    assert box.sh("ulimit -n; ulimit -Hn", ulimits={"nofile": (100, 200)}) == "100\n200\n"
    with pytest.raises(StartFailed, match="invalid rlimit type"):
        box.run("true", ulimits={"nosuch": (1, 1)})


def test_containers_end_with_the_engine_however_it_ends(box: Any, tmp_path: Path) -> None:
    engine = (
        "import os, sys, time; from pathlib import Path\n"
        "from kit.engine.isolators.contract import *; from kit.engine.isolators.choose import choose\n"
        "isolator, _ = choose(sys.argv[3]); sandbox = Sandbox(Path(sys.argv[1]), Path(sys.argv[2]))\n"
        "process = Process(('/bin/sh', '-c', 'setsid sleep 600 & sleep 600'))\n"
        "running = isolator.start(sandbox, process, Stdio(0, 1, 2))\n"
        "while len(running.processes()) < 2: time.sleep(0.02)\n"
        "print(*running.processes(), flush=True); time.sleep(600)\n"
    )
    command = [sys.executable, "-c", engine, str(box.sandbox.rootfs), str(box.sandbox.owners), box.isolator.name]
    environment = {**os.environ, "PYTHONPATH": ":".join(sys.path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout
        tree = [int(pid) for pid in process.stdout.readline().split()]
        process.kill()
    assert len(tree) == 2
    while any(Path(f"/proc/{pid}").exists() for pid in tree):
        time.sleep(0.02)


def test_a_killed_helper_is_replaced(box: Any) -> None:
    box.sh("true")
    helper = box.isolator._nursery.process
    helper.kill()
    helper.wait()
    assert box.sh("echo again") == "again\n"


def test_owners_modes_and_devices_are_kept(box: Any) -> None:
    box.sh("touch /a && chown 12:34 /a && chmod 0400 /a && mknod /zero c 1 5 && mkdir -m 0 /closed")
    assert box.sh("stat -c '%u %g %a %F' /a; stat -c '%t %T %F' /zero; stat -c %a /closed") == (
        "12 34 400 regular empty file\n1 5 character special file\n0\n"
    )
    user = Process((), uid=12, gid=34)
    assert box.run("sh", "-c", "cat /a; echo x > /a", process=user)[1].count("ermission denied") == 1
    assert box.run("ls", "/closed", process=user)[0] == 1


def test_a_signal_without_handler_does_not_reach_process_1(box: Any) -> None:
    """As in Docker: ``sleep`` as process 1 does not end with SIGTERM."""
    begun = box.begin("sleep", "600")
    begun.running.signal(signal.SIGTERM)
    with pytest.raises(TimeoutError):
        begun.running.wait(0.3)
    begun.running.kill()


def test_a_fifo_opens_when_its_other_end_does(box: Any) -> None:
    script = "mkfifo /pipe; (sleep 0.2; echo through > /pipe) & [ -d / ] && cat /pipe"
    assert box.sh(script) == "through\n"
