"""Typed by hand, the docker commands do on the embedded engine what they do on dockerd.

Each scenario is a row of command lines. Both engines run it; exit codes and output must be the same, but for ids,
times and sizes. ``{n}`` is a name of the test's own, ``{image}`` a busybox.
"""

import subprocess
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(180)
Cli = Any
"""``Cli`` of conftest.py."""
IMAGE = "llcompat-busybox:1"
PS = "--format '{{{{.Names}}}} {{{{.Image}}}} {{{{.Command}}}} {{{{.State}}}} {{{{.Status}}}}'"

SCENARIOS: dict[str, list[str]] = {
    "run": [
        "run --rm {image} echo hello",
        "run --rm {image} sh -c 'echo out; echo err >&2; exit 3'",
        "run --rm -e A=b -w /tmp -u 1000:1000 {image} sh -c 'echo $A $(pwd) $(id -u):$(id -g)'",
        "run --rm --hostname box {image} hostname",
        "run --rm {image} /nothere",
        "run --rm {image} nothere",
        "run --rm {image} /etc",
        "run --rm --entrypoint /bin/echo {image} a b",
        "run --rm --read-only {image} sh -c 'echo a > /a'",
        "run --rm --network none {image} cat /proc/net/dev",
        "run --rm -v /nowhere:/a:what {image} true",
        "run --rm --name {n} --nothing {image} true",
        "run --rm --memory 1k {image} true",
    ],
    "life": [
        "create --name {n} {image} sh -c 'trap \"exit 5\" TERM; while true; do sleep 0.1; done'",
        f"ps -a --filter name={{n}} {PS}",
        "start {n}",
        "start {n}",
        f"ps --filter name={{n}} {PS}",
        "rm {n}",
        "pause {n}",
        f"ps --filter name={{n}} {PS}",
        "pause {n}",
        "exec {n} true",
        "unpause {n}",
        "unpause {n}",
        "rename {n} {n}-two",
        "rename {n}-two {n}",
        "stop {n}",
        "stop {n}",
        f"ps -a --filter name={{n}} {PS}",
        "wait {n}",
        "kill {n}",
        "restart -t 1 {n}",
        "kill -s NOSUCH {n}",
        "kill {n}",
        "inspect -f '{{{{.State.Status}}}} {{{{.State.ExitCode}}}} {{{{.RestartCount}}}}' {n}",
        "create --name {n} {image} true",
        "rm {n}",
        "rm {n}",
        "stop {n}",
        "logs {n}",
    ],
    "a daemon of one's own": [
        "run -d --name {n} {image} sh -c 'echo started; sleep 0.5; echo oops >&2; sleep 1000'",
        "exec {n} sleep 1",
        "exec {n} echo inside",
        "exec -w /tmp -e A=b -u 65534 {n} sh -c 'pwd; echo $A; id -u; exit 4'",
        "exec {n} nothere",
        "logs {n}",
        "logs --tail 1 {n}",
        "port {n}",
        "update --restart no {n}",
        "rm -f {n}",
        "exec {n} true",
    ],
    "files": [
        "run --name {n} {image} sh -c 'mkdir new; echo a > new/a; ln -s a new/l; rm etc/group; chmod 600 etc/passwd'",
        "diff {n}",
        "cp {n}:/nothere -",
        "cp here/in {n}:/new/in",
        "cp here/. {n}:/new/here",
        "cp here/in {n}:/nothere/in",
        "cp {n}:/new/a here/out",
        "cp {n}:/new/l here/link",
        "diff {n}",
        "commit -m words -a me -c 'CMD [\"cat\", \"/new/in\"]' -c 'ENV A=b' {n} {n}:1",
        "run --rm {n}:1",
        "inspect -f '{{{{json .Config.Cmd}}}} {{{{json .Config.Env}}}} {{{{.Author}}}} {{{{.Comment}}}}' {n}:1",
        "history --format '{{{{.CreatedBy}}}} {{{{.Comment}}}} {{{{.Size}}}}' {n}:1",
        "commit {n} Not/Valid",
        "commit nothere-{n}",
        "rm {n}",
        "rmi {n}:1",
    ],
    "names": [
        "tag {image} {n}:1",
        "tag {image} {n}/two:2",
        "tag nothere-{n} a",
        "tag {image} Not/Valid",
        "images {n} --format '{{{{.Repository}}}}:{{{{.Tag}}}}'",
        "images --filter reference={n}* --format '{{{{.Repository}}}}:{{{{.Tag}}}}'",
        "images --filter reference={n}/* --format '{{{{.Repository}}}}:{{{{.Tag}}}}'",
        "images --filter nothing=1",
        "rmi {n}:1",
        "rmi {n}:1",
        "run --name {n} {n}/two:2 true",
        "rmi {n}/two:2",
        "rm {n}",
        "inspect nothere-{n}",
        "history nothere-{n}",
        "push nothere-{n}",
        "save nothere-{n}",
    ],
    "what containers use": [
        "import -m words here/root.tar {n}:1",
        "run -d --name {n} {n}:1 sleep 1000",
        "rmi {n}:1",
        "rmi -f {n}:1",
        "rm -f {n}",
        "import here/root.tar {n}:1",
        "run --name {n} {n}:1 true",
        "rmi {n}:1",
        "rmi -f {n}:1",
        "rm {n}",
        "image prune -f --filter label={n}",
    ],
    "networks and volumes": [
        "network create {n}",
        "network create {n}",
        "network inspect -f '{{{{.Driver}}}} {{{{.Scope}}}} {{{{.Internal}}}}' {n}",
        "run -d --name {n} --network {n} --network-alias web {image} sleep 1000",
        "run --rm --network {n} {image} grep -c web /etc/hosts",
        "network rm {n}",
        "network disconnect {n} {n}",
        "network disconnect {n} {n}",
        "rm -f {n}",
        "network rm {n}",
        "network rm {n}",
        "network rm bridge",
        "volume create {n}",
        "run --rm -v {n}:/data {image} sh -c 'echo kept > /data/a'",
        "run --rm -v {n}:/data:ro {image} sh -c 'cat /data/a; echo b > /data/b'",
        "run --name {n} -v {n}:/data {image} true",
        "volume rm {n}",
        "rm {n}",
        "volume rm {n}",
        "volume rm {n}",
        "volume inspect {n}",
    ],
}
DIFFERENT: dict[str, str] = {
    "run --rm --network {n} {image} grep -c web /etc/hosts": "dockerd answers names by DNS, the engine by /etc/hosts",
    "run --rm --network none {image} cat /proc/net/dev": "counters",
}
"""Lines whose output differs for a good reason; their exit codes need not agree either."""


def place_of(cli: Cli, directory: Path, busybox: Path) -> Path:
    """Where the commands are typed: ``here`` holds some files."""
    place = directory / ("ours" if cli.is_ours else "theirs")
    (place / "here").mkdir(parents=True)
    (place / "here/in").write_text("from outside\n")
    (place / "here/root.tar").symlink_to(busybox)
    return place


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_scenario_is_as_on_dockerd(scenario: str, ours: Cli, theirs: Cli, tmp_path: Path, busybox: Path) -> None:
    lines = SCENARIOS[scenario]
    try:
        expected = theirs.transcript(lines, cwd=place_of(theirs, tmp_path, busybox))
        got = ours.transcript(lines, cwd=place_of(ours, tmp_path, busybox))
    finally:
        for cli in (ours, theirs):
            cli.run(f"rm -f {cli.name} {cli.name}-two")
            cli.run(f"rmi -f {cli.name}:1 {cli.name}/two:2")
            cli.run(f"network rm {cli.name}")
            cli.run(f"volume rm -f {cli.name}")
    for mine, real in zip(got, expected, strict=True):
        if mine[0].startswith("diff "):  # dockerd's order is its storage driver's
            mine, real = ((*row[:2], "".join(sorted(row[2].splitlines(True)))) for row in (mine, real))
        if mine[0] not in DIFFERENT:
            assert mine == real


def both(ours: Cli, theirs: Cli) -> list[Cli]:
    return [theirs, ours]


def test_a_terminal_is_one(ours: Cli, theirs: Cli) -> None:
    told = []
    for cli in both(ours, theirs):
        code, screen = cli.in_terminal(f"run --rm -it {IMAGE} sh -c 'test -t 0 && test -t 1 && echo yes; exit 6'")
        told.append((code, screen))
    assert told[0] == told[1] == (6, "yes\r\n")


def test_a_shell_in_a_terminal_does_what_is_typed(ours: Cli, theirs: Cli) -> None:
    for cli in both(ours, theirs):
        code, screen = cli.in_terminal(f"run --rm -it {IMAGE} sh", b"echo $((6*7)); stty size; exit 9\n", until=b"# ")
        assert code == 9 and "42\r\n" in screen, screen


def test_the_detach_keys_let_go_and_attach_comes_back(ours: Cli, theirs: Cli) -> None:
    for cli in both(ours, theirs):
        code, screen = cli.in_terminal(f"run -it --name {cli.name} {IMAGE} sh", b"\x10\x11", until=b"# ")
        assert code == 0, screen
        assert cli.run(f"inspect -f {{{{.State.Status}}}} {cli.name}").out == "running\n"
        code, screen = cli.in_terminal(f"attach {cli.name}", b"exit 3\r")
        assert code == 3, screen
        cli.run(f"rm -f {cli.name}")


def test_input_goes_in_and_its_end_ends_it(ours: Cli, theirs: Cli) -> None:
    data = bytes(range(256)) * 4000
    for cli in both(ours, theirs):
        digest = cli.run(f"run --rm -i {IMAGE} md5sum", stdin=data)
        cli.run(f"run -d --name {cli.name} {IMAGE} sleep 1000")
        inner = cli.run(f"exec -i {cli.name} md5sum", stdin=data)
        cli.run(f"rm -f {cli.name}")
        assert digest.out == inner.out and digest.code == inner.code == 0
        assert len(digest.out.split()[0]) == 32


def test_logs_follow_until_the_end(ours: Cli, theirs: Cli) -> None:
    for cli in both(ours, theirs):
        cli.run(f"run -d --name {cli.name} {IMAGE} sh -c 'for i in 1 2 3; do echo $i; sleep 0.3; done'")
        result = cli.run(f"logs -f {cli.name}")
        stamped = cli.run(f"logs -t {cli.name}")
        cli.run(f"rm -f {cli.name}")
        assert (result.code, result.out) == (0, "1\n2\n3\n")
        assert cli.normalised(stamped.out) == "<time> 1\n<time> 2\n<time> 3\n"


def test_a_build_gives_the_same_image(ours: Cli, theirs: Cli, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(
        f"FROM {IMAGE}\nARG WHO=you\nENV A=b\nWORKDIR /srv\nCOPY file .\nRUN echo $WHO > who && cat file\n"
        'LABEL l=m\nCMD ["cat", "who"]\n'
    )
    (tmp_path / "file").write_text("content\n")
    format = "{{json .Config.Cmd}} {{json .Config.Env}} {{json .Config.Labels}} {{.Config.WorkingDir}}"
    told = []
    for cli in both(ours, theirs):
        built = cli.run(f"build -t {cli.name}:b --build-arg WHO=me .", cwd=tmp_path)
        assert built.code == 0, built
        assert "content\n" in built.out and built.out.endswith(f"Successfully tagged {cli.name}:b\n")
        quiet = cli.run(f"build -q -t {cli.name}:b --build-arg WHO=me .", cwd=tmp_path).out
        looked = cli.run(f"inspect -f '{format}' {cli.name}:b").out
        ran = cli.run(f"run --rm {cli.name}:b").out
        told.append((cli.normalised(quiet), looked, ran))
        cli.run(f"rmi -f {cli.name}:b")
    assert told[0] == told[1]
    assert told[0][0] == "<digest>\n" and told[0][2] == "me\n"


def test_a_build_that_fails_says_so(ours: Cli, theirs: Cli, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(f"FROM {IMAGE}\nRUN exit 7\n")
    (tmp_path / "Bad").write_text(f"FROM {IMAGE}\nRUNN true\n")
    for cli in both(ours, theirs):
        failed = cli.run(f"build -t {cli.name}:b .", cwd=tmp_path)
        assert failed.code == 7
        assert any(words in failed.out + failed.err for words in ("a non-zero code: 7", "exit code: 7"))
        bad = cli.run("build -f Bad .", cwd=tmp_path)
        assert bad.code == 1 and "unknown instruction: RUNN" in bad.err.replace("Unknown", "unknown")


def test_archives_go_both_ways(ours: Cli, theirs: Cli, tmp_path: Path) -> None:
    for one, other in ((ours, theirs), (theirs, ours)):
        name = f"{one.name}-{'a' if one.is_ours else 'b'}:1"
        one.run(f"run --name {one.name} {IMAGE} sh -c 'echo x > /x'")
        one.run(f"commit {one.name} {name}")
        one.run(f"rm {one.name}")
        saved = tmp_path / f"{one.is_ours}.tar"
        assert one.run(f"save -o {saved} {name}").code == 0
        loaded = other.run(f"load -i {saved}")
        assert (loaded.code, loaded.out) == (0, f"Loaded image: {name}\n")
        ids = [cli.run(f"images --no-trunc -q {name}").out for cli in (one, other)]
        assert ids[0] == ids[1] and ids[0].startswith("sha256:")
        assert other.run(f"run --rm {name} cat /x").out == "x\n"
        for cli in (one, other):
            assert cli.run(f"rmi {name}").code == 0


def test_export_has_the_files_of_the_container(ours: Cli, theirs: Cli, tmp_path: Path) -> None:
    told = []
    for cli in both(ours, theirs):
        cli.run(f"run --name {cli.name} {IMAGE} sh -c 'echo x > /x; ln /x /y; ln -s x /z'")
        tar = tmp_path / f"{cli.is_ours}.tar"
        assert cli.run(f"export -o {tar} {cli.name}").code == 0
        cli.run(f"rm {cli.name}")
        with tarfile.open(tar) as found:
            told.append(
                {
                    (one.name.strip("/"), one.type, one.mode & 0o7777, one.uid, one.linkname)
                    for one in found
                    if not made_by_the_runtime(one.name)
                }
            )
    assert told[0] == told[1]


def made_by_the_runtime(path: str) -> bool:
    """Mount points, which dockerd leaves behind in the container's own layer."""
    made = (".dockerenv", "dev", "proc", "sys", "etc/mtab", "etc/hosts", "etc/hostname", "etc/resolv.conf")
    return any(path == name or path.startswith(f"{name}/") for name in made)


def test_login_push_and_pull(ours: Cli, theirs: Cli, registry: str) -> None:
    told = []
    for cli in both(ours, theirs):
        name = f"{registry}/ada/{'ours' if cli.is_ours else 'theirs'}:1"
        lines = [
            f"tag {IMAGE} {name}",
            f"push {name}",
            f"login -u ada -p wrong {registry}",
            f"login -u ada -p lovelace {registry}",
            f"push {name}",
            f"push {name}",
            f"rmi {name}",
            f"pull {name}",
            f"pull {name}",
            f"pull {registry}/ada/nothere",
            f"logout {registry}",
            f"pull {name}",
            f"rmi {name}",
        ]
        rows = cli.transcript([line.replace("{", "{{").replace("}", "}}") for line in lines])
        # dockerd says nothing of layers when it has the whole image under another name, and asks with HEAD first
        same = {"/ours": "/X", "/theirs": "/X", "<short>: Already exists\n": "", 'Head "': 'Get "'}
        for old, new in same.items():
            rows = [(line, code, text.replace(old, new)) for line, code, text in rows]
        told.append([row[1:] for row in rows])
    for mine, real in zip(told[1], told[0], strict=True):
        assert mine == real


def test_a_long_build_delays_no_ps(ours: Cli, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(f"FROM {IMAGE}\nRUN sleep 1000\n")
    build = subprocess.Popen(["docker", "build", "."], cwd=tmp_path, env=ours.environment, stdout=subprocess.PIPE)
    try:
        time.sleep(1.5)
        begin = time.monotonic()
        assert ours.run("ps").code == 0
        assert time.monotonic() - begin < 2
        assert build.poll() is None
    finally:
        build.kill()
        build.wait()


def test_a_build_that_nobody_waits_for_ends(ours: Cli, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(f"FROM {IMAGE}\nRUN sleep 987654\n")
    build = subprocess.Popen(["docker", "build", "."], cwd=tmp_path, env=ours.environment, stdout=subprocess.PIPE)
    deadline = time.monotonic() + 20
    while not _runs("sleep 987654"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    build.kill()
    build.wait()
    deadline = time.monotonic() + 20
    while _runs("sleep 987654"):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _runs(words: str) -> bool:
    wanted = words.replace(" ", "\0").encode() + b"\0"
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if process.read_bytes() == wanted:
                return True
        except OSError:
            continue
    return False
