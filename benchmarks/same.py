"""The same install steps on dockerd and in an isolator, compared entry by entry.

Each step runs as one RUN would: twice on dockerd, once in the isolator, from the same parent. What differs
between dockerd's two runs (logs, keys, database pages) is noise, field by field: where a file's bytes differ
there, its mode and owner must still be the same here. Times are not compared.

python -m benchmarks.same ISOLATOR STEP TAR DIRECTORY    runs one step, writes its entries to DIRECTORY/entries
"""

import os
import pickle
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

import docker

from kit.engine.isolators.choose import choose
from kit.engine.isolators.contract import Isolator, Mount, Process, Sandbox, Stdio
from kit.engine.store.rootfs import MOUNT_POINTS
from kit.engine.store.store import Store
from kit.layer.tarball import scan
from kit.layer.tree import Entry

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_INSTALL = "export DEBIAN_FRONTEND=noninteractive; apt-get update -qq; apt-get install -y -qq"

STEPS: Mapping[str, str] = {
    "figlet": f"{_INSTALL} figlet; figlet hi",
    "nginx": f"{_INSTALL} nginx; nginx -t",
    "mariadb": f"{_INSTALL} mariadb-server",
    "sshd": f"{_INSTALL} openssh-server",
    "node": f"{_INSTALL} --no-install-recommends nodejs python3; node -e 'console.log(1)'; python3 -c 'print(1)'",
    "owners": """
        useradd -m -s /bin/bash bob; groupadd -g 4321 team; usermod -aG team bob
        mkdir -p /opt/a; install -o bob -g team -m 0640 /etc/os-release /opt/a/f; echo x > /opt/a/g
        chown -R bob:team /opt/a; ln -s f /opt/a/l; chown -h 77:88 /opt/a/l
        for name in suid sgid lost able; do cp /bin/true /opt/$name; done
        chmod 4755 /opt/suid; chgrp team /opt/sgid; chmod 2755 /opt/sgid; chmod 4755 /opt/lost; chown bob /opt/lost
        mknod /opt/null c 1 3; mknod /opt/disk b 8 0; chown bob /opt/disk; mkfifo -m 0620 /opt/pipe
        mkdir /opt/team; chgrp team /opt/team; chmod 2775 /opt/team; mkdir /opt/team/sub; touch /opt/team/file
        su bob -c 'touch ~/mine; mkdir ~/dir; umask 077; echo s > ~/secret'
        touch /opt/zero /opt/none; chmod 000 /opt/zero; mkdir -m 000 /opt/closed; chmod 0444 /opt/none
        mkdir -m 0555 /opt/fixed; ln /opt/a/g /opt/hard; chmod 0600 /opt/hard; touch -d 2001-02-03 /opt/old
        perl -e 'my ($setxattr, $path, $name) = (`uname -m` =~ /x86/ ? 188 : 5, "/opt/able", "security.capability");
            my $value = pack("V5", 0x02000001, 0x2000, 0, 0, 0);
            syscall($setxattr, $path, $name, $value, 20, 0) == 0 or die $!'
        cp -p /opt/able /opt/unable; cp /opt/able /opt/gone
        perl -e 'use Socket; socket(S, AF_UNIX, SOCK_STREAM, 0); bind(S, pack_sockaddr_un("/opt/socket")) or die'
        touch '/opt/with space' "/opt/$(printf 'new\\nline')" /opt/ümläut
    """,
    "tar": """
        mkdir /w; cd /w; tar -cpf all.tar -C / etc/apt etc/pam.d usr/bin usr/share/doc var; mkdir x
        tar -xpf all.tar -C x; cp -a /var copy; cp -a /etc/apt copy
        mkdir y; tar -xf all.tar -C y --strip-components=1
        tar -cf some.tar --owner=12 --group=34 copy; tar -xpf some.tar -C y; rm all.tar some.tar
        find /w -type f -newer /etc/os-release | sort > /list
        ls -nR copy | sed '/^total/d; s/ [A-Z][a-z][a-z] .*//' > text
        chown -R 55:66 copy/apt; mv copy/apt copy/apt2; rm -r x/etc/pam.d; cp -r --preserve=mode,links copy/apt2 again
    """,
    "adduser": f"""
        {_INSTALL} adduser libcap2-bin; adduser --disabled-password --gecos '' carol; adduser --system --group svc
        adduser carol svc; deluser carol svc; echo carol:secret | chpasswd; deluser carol
        runuser -u svc -- id > /ids; setpriv --reuid 65534 --regid 65534 --clear-groups id >> /ids
        dpkg-statoverride --add --update svc svc 4711 /usr/bin/passwd
        update-alternatives --install /usr/bin/thing thing /bin/true 10; find / -xdev -user svc > /found
        chown daemon:daemon /etc/motd; chmod 0600 /etc/motd; cp /usr/bin/id /bin/raw; cp /usr/bin/id /bin/plain
        setcap cap_net_raw,cap_chown+ep /bin/raw; getcap /bin/raw >> /ids; cp -p /bin/raw /bin/copy
        setcap cap_chown=p /bin/plain; setcap -r /bin/plain
    """,
}
QUICK = ("owners", "tar")

# What an engine, not the step, puts into a container.
_NOT_THE_STEP = frozenset({*MOUNT_POINTS, "etc/mtab", ""})

Facts = Mapping[str, object]
Tree = Mapping[str, Facts]


class Difference(NamedTuple):
    """A field of an entry that dockerd always makes alike and the isolator otherwise."""

    path: str
    field: str
    dockerd: object
    ours: object


def on_dockerd(client: docker.DockerClient, image: str, script: str) -> dict[str, Facts]:
    """What one container makes of the image."""
    container = client.containers.create(image, ["sh", "-ec", script])
    try:
        container.start()
        code = container.wait(timeout=1200)["StatusCode"]
        if code:
            raise RuntimeError(f"the step failed on dockerd with {code}: {container.logs(tail=20).decode()}")
        with tempfile.TemporaryFile() as file:
            for piece in container.export(chunk_size=1 << 20):
                file.write(piece)
            file.seek(0)
            return facts(scan(file).entries)
    finally:
        container.remove(force=True)


def in_isolator(isolator: Isolator, script: str, tar: Path, directory: Path) -> dict[str, Facts]:
    """What the step makes of the parent in ``tar``. ``directory`` takes a store."""
    store = Store(directory / "store")
    with tar.open("rb") as file:
        layer = store.layers.add(cast(Any, file))
    rootfs = store.rootfs.create("same", [layer.diff_id], real_owners=isolator.real_owners)
    resolver = Mount("/etc/resolv.conf", "/etc/resolv.conf", read_only=True)
    sandbox = Sandbox(rootfs.path, rootfs.owners, mounts=(resolver,))
    with (directory / "log").open("w+b") as log, open(os.devnull, "rb") as nothing:
        stdio = Stdio(nothing.fileno(), log.fileno(), log.fileno())
        running = isolator.start(sandbox, Process(("sh", "-ec", script), (PATH, "HOME=/root")), stdio)
        code = running.wait(1800)
        running.kill()
        if code:
            log.seek(0)
            raise RuntimeError(f"the step failed with {code}: {log.read()[-2000:].decode()}")
    return facts(rootfs.scan())


def facts(tree: Mapping[str, Entry]) -> dict[str, Facts]:
    """Per path the fields to compare. Names of one file are told as a set: which came first is chance."""
    names = defaultdict(set)
    for path, entry in tree.items():
        if path not in _NOT_THE_STEP:
            names[entry.hardlink or path].add(path)
    return {path: dict(_fields(entry, names)) | {"names": sorted(names[entry.hardlink or path])}
            for path, entry in tree.items() if not _ignored(path)}  # fmt: skip


def _ignored(path: str) -> bool:
    return path in _NOT_THE_STEP or path.split("/")[0] in ("dev", "proc", "sys")


def _fields(entry: Entry, names: Mapping[str, set[str]]) -> Iterator[tuple[str, object]]:
    for field in ("kind", "mode", "uid", "gid", "size", "digest", "target", "device"):
        value = getattr(entry, field)
        yield field, str(value) if field in ("kind", "digest") else value
    yield "capability", dict(entry.xattrs).get("security.capability")


def differences(first: Tree, second: Tree, ours: Tree) -> list[Difference]:
    """Where dockerd agrees with itself (``first``, ``second``) and not with us."""
    nothing: Facts = {}
    found = []
    for path in sorted({*first, *second, *ours}):
        reference, again, own = (tree.get(path, nothing) for tree in (first, second, ours))
        for field in sorted({*reference, *again, *own}):
            if field == "size" and reference.get("digest") != again.get("digest"):
                continue  # Other bytes of the same length are chance.
            if reference.get(field) == again.get(field) != own.get(field):
                found.append(Difference(path, field, reference.get(field), own.get(field)))
    return found


def noise(first: Tree, second: Tree) -> int:
    """How many paths differ between dockerd's own two runs."""
    return sum(first.get(path) != second.get(path) for path in {*first, *second})


def table(rows: Iterable[tuple[str, str, int, int, list[Difference]]]) -> str:
    """Rows of step, isolator, entries, noise, differences as text."""
    lines = [f"{'step':10}{'isolator':>10}{'entries':>9}{'noise':>7}{'differs':>9}"]
    for step, isolator, entries, noisy, differing in rows:
        lines.append(f"{step:10}{isolator:>10}{entries:9}{noisy:7}{len(differing):9}")
        lines += [f"    {each.path!r} {each.field}: {each.dockerd!r}, here {each.ours!r}" for each in differing[:20]]
    return "\n".join(lines)


def main(isolator: str, step: str, tar: str, directory: str) -> None:
    chosen, _ = choose(isolator)
    try:
        made = in_isolator(chosen, STEPS[step], Path(tar), Path(directory))
    finally:
        chosen.close()
    (Path(directory) / "entries").write_bytes(pickle.dumps(made))


if __name__ == "__main__":
    main(*sys.argv[1:])
