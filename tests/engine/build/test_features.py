"""What only BuildKit knows, and dockerd 20.10's does not: measured by the Dockerfile reference."""

import hashlib
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from kit.layer.tree import Kind
from tests.engine.build.cases import ARCHIVE, HELLO, PARENT, TREE, File, packed
from tests.engine.build.conftest import Lab, text_of

PAYLOAD = b"from the network\n"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def server() -> Iterator[str]:
    """A web server with two files: a text and a tar."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            data = {"/dir/file.txt": PAYLOAD, "/a.tar": packed(ARCHIVE)}.get(self.path.partition("?")[0])
            self.send_response(404 if data is None else 200)
            self.send_header("Last-Modified", "Sat, 03 Feb 2001 00:00:00 GMT")
            self.end_headers()
            self.wfile.write(data or b"")

        def log_message(self, *_: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_a_heredoc_is_a_script_or_a_file(lab: Lab) -> None:
    image = lab.build(
        f"FROM {PARENT}\n"
        "RUN <<EOF\necho one > /f\necho two >> /f\nEOF\n"
        "RUN <<EOF\n#!/bin/cat\nprinted\nEOF\n"
        'COPY <<one <<"two" /d/\n1\none\n$HOME\ntwo\n'
    )
    assert lab.read(image, "f") == "one\ntwo\n"
    assert (lab.read(image, "d/one"), lab.read(image, "d/two")) == ("1\n", "$HOME\n")


def test_link_copies_without_looking_at_what_is_below(lab: Lab) -> None:
    dockerfile = f"FROM {PARENT}\nRUN echo {{}} > /x; ln -s /etc /l\nCOPY --link hello /l/hello\n"
    image = lab.build(dockerfile.format(1), HELLO)
    assert lab.tree(image)["l"].kind is Kind.DIRECTORY
    events = lab.events(dockerfile.format(2), HELLO)
    assert text_of(events).count("Using cache") == 1, "a linked layer is found again on another parent"


def test_parents_keeps_directories(lab: Lab) -> None:
    image = lab.build(
        "FROM scratch\nCOPY --parents src/deep/*.txt src/./a.txt /p/\nCOPY --parents src/./deep/c.txt /q/\n", TREE
    )
    tree = lab.tree(image)
    assert {path for path, entry in tree.items() if entry.kind is Kind.FILE} == {
        "p/src/deep/c.txt",
        "p/a.txt",
        "q/deep/c.txt",
    }
    assert tree["p/src/deep"].mode == 0o2775


def test_exclude_leaves_out(lab: Lab) -> None:
    image = lab.build("FROM scratch\nCOPY --exclude=**/*.txt --exclude=empty src /d\n", TREE)
    assert "d/b.md" in lab.tree(image)
    assert not {"d/a.txt", "d/deep/c.txt", "d/empty"} & lab.tree(image).keys()


def test_chmod_takes_symbols(lab: Lab) -> None:
    image = lab.build("FROM scratch\nCOPY --chmod=u=rwX,go=rX src /d\n", TREE)
    tree = lab.tree(image)
    assert [tree[path].mode for path in ("d/a.txt", "d/b.md", "d/deep")] == [0o644, 0o755, 0o2755]


def test_add_fetches_and_checks(lab: Lab, server: str) -> None:
    digest = "sha256:" + hashlib.sha256(PAYLOAD).hexdigest()
    image = lab.build(f"FROM scratch\nADD --checksum={digest} {server}/dir/file.txt /d/\nADD {server}/a.tar /t/\n")
    entry = lab.tree(image)["d/file.txt"]
    assert (entry.mode, entry.mtime, lab.read(image, "d/file.txt").encode()) == (0o600, 981158400, PAYLOAD)
    assert lab.tree(image)["t/a.tar"].kind is Kind.FILE, "what comes from an address is not unpacked"
    assert "t/pack/file" in lab.tree(lab.build(f"FROM scratch\nADD --unpack {server}/a.tar /t/\n"))
    assert "hash to" in lab.fails(f"FROM scratch\nADD --checksum=sha256:{'0' * 64} {server}/a.tar /t/\n")
    assert "404" in lab.fails(f"FROM scratch\nADD {server}/nothing /t/\n")


def test_add_with_an_owner_gives_it_to_all_of_an_archive(lab: Lab) -> None:
    image = lab.build("FROM scratch\nADD --chown=9:8 a.tar /t\n", {"a.tar": File(packed(ARCHIVE))})
    assert {(entry.uid, entry.gid) for entry in lab.tree(image).values()} == {(9, 8)}


def test_a_repository_is_a_context(lab: Lab, tmp_path: Path) -> None:
    work, served = tmp_path / "work", tmp_path / "served" / "code.git"
    (work / "sub").mkdir(parents=True)
    (work / "sub" / "f").write_text("in git\n")
    who = ["-c", "user.name=a", "-c", "user.email=b"]
    for words in (["init", "-q", "-b", "main"], ["add", "."], [*who, "commit", "-qm", "c"], ["tag", "v1"]):
        subprocess.run(["git", *words], cwd=work, check=True)
    subprocess.run(["git", "clone", "-q", "--bare", str(work), str(served)], check=True)
    subprocess.run(["git", "update-server-info"], cwd=served, check=True)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(served.parent))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/code.git"
        image = lab.build(
            f"FROM scratch\nADD {address}#v1:sub /s\nCOPY --from=code sub/f /t\n", contexts={"code": address}
        )
        assert "no directory 'gone'" in lab.fails(f"FROM scratch\nADD {address}#v1:gone /s\n")
        assert "failed to fetch the repository" in lab.fails(f"FROM scratch\nADD {address}#nowhere /s\n")
        server.shutdown()
    assert (lab.read(image, "s/f"), lab.read(image, "t")) == ("in git\n", "in git\n")


def test_named_contexts_are_directories_and_images(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "f").write_text("mine")
    image = lab.build(
        "FROM base\nCOPY --from=files f /f\n",
        contexts={"base": f"docker-image://{PARENT}", "files": str(tmp_path / "c")},
    )
    assert lab.read(image, "f") == "mine" and "bin/busybox" in lab.tree(image)


def test_mounts_show_and_leave_no_trace(lab: Lab) -> None:
    image = lab.build(
        f"FROM {PARENT} AS one\nRUN echo stage > /f\nFROM {PARENT}\n"
        "RUN --mount=from=one,source=/f,target=/in/one --mount=target=/context --mount=type=tmpfs,target=/fast "
        "--mount=type=secret,id=s --mount=type=secret,id=s,env=S "
        "cat /in/one /context/hello /run/secrets/s > /all; echo $S >> /all; touch /fast/x\n"
        "RUN --mount=type=bind,target=/w,rw touch /w/new\n",
        HELLO,
        secrets={"s": b"hush\n"},
    )
    assert lab.read(image, "all") == "stage\nhello\nhush\nhush\n"
    assert not {"in", "context", "fast", "run", "w"} & lab.tree(image).keys()


def test_a_required_secret_must_be_there(lab: Lab) -> None:
    for mount, words in (("secret,id=s", "secret s: not found"), ("ssh", "unset ssh forward key default")):
        told = lab.fails(f"FROM {PARENT}\nRUN --mount=type={mount},required true\n")
        assert (
            told == f"{words}: /build, Docker's classic way to ask for a build, can't bring secrets or SSH keys along"
        )


def test_a_cache_mount_lives_on_and_stands_in_no_layer(lab: Lab) -> None:
    line = "RUN --mount=type=cache,target=/c echo {} >> /c/log; cp /c/log /seen{}\n"
    lab.build(f"FROM {PARENT}\n" + line.format(1, 1))
    image = lab.build(f"FROM {PARENT}\n" + line.format(2, 2))
    assert lab.read(image, "seen2") == "1\n2\n"
    assert "c" not in lab.tree(image)


def test_network_none_is_none(lab: Lab) -> None:
    image = lab.build(f"FROM {PARENT}\nRUN --network=none nc -w 2 192.0.2.1 80 2> /said || true\n")
    assert "unreachable" in lab.read(image, "said")
    image = lab.build(f"FROM {PARENT}\nRUN nc -w 2 192.0.2.1 80 2> /said || true\n", network="none")
    assert "unreachable" in lab.read(image, "said")


@pytest.fixture(scope="session")
def epoch_images() -> set[str]:
    """The images that the next test has made, on all isolators."""
    return set()


def test_the_epoch_gives_one_digest_on_every_isolator(lab: Lab, epoch_images: set[str]) -> None:
    dockerfile = f"""FROM {PARENT} AS one
RUN mkdir -p /d/e; echo x > /d/f; ln /d/f /d/g; ln -s f /d/l; chown -R 5:6 /d; chmod 4711 /d/f
RUN mkfifo /d/p; mknod /d/n c 1 3
FROM {PARENT}
RUN date > /dev/null; rm -r /home /etc/group; mkdir /home; echo more >> /etc/passwd; touch /tmp/t
USER daemon
RUN echo mine > /tmp/mine; mkdir /tmp/dir; umask 077; echo s > /tmp/secret
USER root
COPY --from=one --chown=daemon /d /from
COPY src /c
ADD a.tar /a
COPY --chmod=600 <<EOF /here
text
EOF
RUN --mount=type=cache,target=/m date > /m/x; echo $SOURCE_DATE_EPOCH > /s
WORKDIR /w/x
CMD echo done
"""
    files = {**TREE, "a.tar": File(packed(ARCHIVE))}
    options = {"build_args": {"SOURCE_DATE_EPOCH": "1000000000"}, "no_cache": True}
    images = [lab.build(dockerfile, files, **options) for _ in range(2)]
    epoch_images |= {image.id for image in images}
    own = [entry for diff_id in images[0].diff_ids[1:] for entry in lab.store.layers.index(diff_id).entries.values()]
    assert max(entry.mtime for entry in own) == 1_000_000_000
    assert images[0].created == "2001-09-09T01:46:40Z"
    assert len(epoch_images) == 1, "another isolator, or another build, gave other bytes"


def test_checks_are_told_by_name(lab: Lab) -> None:
    text = text_of(lab.events("FROM scratch as x\nCOPY hello /\nMAINTAINER me\n", HELLO))
    assert "[Warning] MaintainerDeprecated" in text and "FromAsCasing" in text
