"""The things that are timed. Each is a function from a client and a nonce to nothing; the caller holds the watch."""

import io
import tarfile
from collections.abc import Callable, Mapping

import docker

APT = "RUN apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "


def context(dockerfile: str, files: Mapping[str, bytes] = {}) -> io.BytesIO:
    """A build context as a tar."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in {"Dockerfile": dockerfile.encode(), **files}.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o755
            tar.addfile(entry, io.BytesIO(data))
    out.seek(0)
    return out


def build(client: docker.DockerClient, dockerfile: str, files: Mapping[str, bytes] = {}, cache: bool = True) -> None:
    client.images.build(
        fileobj=context(dockerfile, files), custom_context=True, nocache=not cache, rm=True, tag="bench:latest"
    )


HELLO = 'FROM scratch\nCOPY hello /\nCMD ["/hello"]\n'
TEN_COPIES = "FROM debian:13\n" + "".join(f"ENV V{n}={n}\nCOPY f{n} /srv/f{n}\n" for n in range(5))
TEN_RUNS = "FROM debian:13\n" + "".join(f"RUN echo {n} > /srv/{n}\n" for n in range(10))

QUICK: dict[str, Callable[[docker.DockerClient, int], None]] = {
    "hello, cold": lambda client, nonce: build(client, HELLO, {"hello": b"\x7fELF%d" % nonce}, cache=False),
    "hello, cached": lambda client, nonce: build(client, HELLO, {"hello": b"\x7fELF"}),
    "ten COPY and ENV": lambda client, nonce: build(
        client, TEN_COPIES, {f"f{n}": b"%d" % nonce for n in range(5)}, cache=False
    ),
    "ten small RUN": lambda client, nonce: build(client, TEN_RUNS, cache=False),
}
SLOW: dict[str, Callable[[docker.DockerClient, int], None]] = {
    "apt-get install figlet": lambda client, nonce: build(client, f"FROM debian:13\n{APT}figlet\n", cache=False),
}

TOOLS = f"FROM debian:13\n{APT}gcc libc6-dev nodejs npm\n"
"""The image in which the steps run; made once, and also the root file system of the native runs."""
STEPS: dict[str, str] = {
    "find /": "find / -xdev | wc -l > /dev/null",
    "gcc, 20 files": "cd /tmp && for i in $(seq 20); do echo 'int main(){return 0;}' > a$i.c; gcc -c a$i.c; done",
    "sh, 200 programs": "i=0; while [ $i -lt 200 ]; do /bin/true; i=$((i+1)); done",
    "npm init and pack": "mkdir -p /tmp/p && cd /tmp/p && npm init -y >/dev/null && npm pack >/dev/null 2>&1",
}
