"""Dockerfiles whose image must be dockerd's, entry by entry: a table that is easy to add to.

``PARENT`` is a small busybox image on both engines; ``ONBUILD`` one with triggers.
"""

import gzip
import io
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

PARENT, TRIGGERS = "layerlab-same:busybox", "layerlab-same:onbuild"
WHEN = 981158400  # 2001-02-03, so that a time that is not kept shows


@dataclass(frozen=True)
class File:
    """A member of the context: bytes, or what the other fields say."""

    data: bytes = b""
    mode: int = 0o644
    link: str = ""
    hard: str = ""
    directory: bool = False
    fifo: bool = False
    owner: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Case:
    """One Dockerfile and its context. ``quick`` cases run always, the others with ``make same``."""

    dockerfile: str
    files: Mapping[str, File] = field(default_factory=dict)
    target: str = ""
    args: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    quick: bool = False


def tar(files: Mapping[str, File], dockerfile: str) -> bytes:
    """The context. Order as given, directories above only where listed."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, file in {**files, "Dockerfile": File(dockerfile.encode())}.items():
            info = tarfile.TarInfo(path)
            info.mode, info.mtime, (info.uid, info.gid) = file.mode, WHEN, file.owner
            if file.link:
                info.type, info.linkname = tarfile.SYMTYPE, file.link
            elif file.hard:
                info.type, info.linkname = tarfile.LNKTYPE, file.hard
            elif file.directory:
                info.type, info.mode = tarfile.DIRTYPE, file.mode if file.mode != 0o644 else 0o755
            elif file.fifo:
                info.type = tarfile.FIFOTYPE
            else:
                info.size = len(file.data)
            archive.addfile(info, io.BytesIO(file.data))
    return out.getvalue()


def unpack(files: Mapping[str, File], dockerfile: str, folder: Path) -> None:
    """The context as a directory: only there does BuildKit apply ``.dockerignore``."""
    with tarfile.open(fileobj=io.BytesIO(tar(files, dockerfile))) as archive:
        archive.extractall(folder)


def packed(members: Mapping[str, File], mode: str = "w") -> bytes:
    """An archive for ADD."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:  # type: ignore[call-overload]
        for path, file in members.items():
            info = tarfile.TarInfo(path)
            info.mode, info.mtime, (info.uid, info.gid) = file.mode, WHEN, file.owner
            if file.link:
                info.type, info.linkname = tarfile.SYMTYPE, file.link
            elif file.hard:
                info.type, info.linkname = tarfile.LNKTYPE, file.hard
            elif file.directory:
                info.type = tarfile.DIRTYPE
            info.size = len(file.data)
            archive.addfile(info, io.BytesIO(file.data))
    return out.getvalue()


HELLO = {"hello": File(b"hello\n")}
TREE = {
    "src": File(directory=True),
    "src/a.txt": File(b"a", 0o640),
    "src/b.md": File(b"b", 0o755),
    "src/deep": File(directory=True, mode=0o2775),
    "src/deep/c.txt": File(b"c", 0o4755),
    "src/deep/.hidden": File(b"h"),
    "src/empty": File(directory=True, mode=0o700),
    "src/link": File(link="a.txt"),
    "src/up": File(link="deep/c.txt"),
    "src/gone": File(link="/nowhere"),
}
WHOLE = {path: file for path, file in TREE.items() if path != "src/gone"}
PLAIN = {path: file for path, file in TREE.items() if file.mode < 0o1000}
ARCHIVE = {
    "pack": File(directory=True, mode=0o750, owner=(5, 6)),
    "pack/file": File(b"in a tar", 0o600, owner=(7, 8)),
    "pack/twin": File(mode=0o600, hard="pack/file", owner=(7, 8)),
    "pack/link": File(link="file"),
    "etc": File(directory=True, mode=0o711),
    "etc/new": File(b"n", owner=(1000, 1000)),
}

CASES: Mapping[str, Case] = {
    # COPY: places
    "copy a file to a name": Case("FROM scratch\nCOPY hello /a\n", HELLO, quick=True),
    "copy a file into a new directory": Case("FROM scratch\nCOPY hello /new/dir/\n", HELLO),
    "copy a file to a deep name": Case("FROM scratch\nCOPY hello /new/dir/name\n", HELLO),
    "copy a file into a directory that is there": Case(f"FROM {PARENT}\nCOPY hello /etc\n", HELLO),
    "copy a file over a file": Case(f"FROM {PARENT}\nCOPY hello /etc/passwd\n", HELLO),
    "copy a file over a symlink": Case(f"FROM {PARENT}\nRUN ln -s passwd /etc/l\nCOPY hello /etc/l\n", HELLO),
    "copy into a directory through a symlink": Case(
        f"FROM {PARENT}\nRUN ln -s /etc /e; ln -s bin/../../etc /usr/e2\nCOPY hello /e/x\nCOPY hello /usr/e2/\n",
        HELLO,
        quick=True,
    ),
    "copy to a dangling symlink": Case(f"FROM {PARENT}\nRUN ln -s /made/later /e\nCOPY hello /e/\n", HELLO),
    "copy to the working directory": Case(
        "FROM scratch\nWORKDIR /w/x\nCOPY hello .\nCOPY hello ./y/\nCOPY hello z\n", HELLO
    ),
    "copy to a relative path without a working directory": Case(
        "FROM scratch\nCOPY hello here\nCOPY hello up/../there\n", HELLO
    ),
    # COPY: directories
    "copy a directory's contents": Case("FROM scratch\nCOPY src /d\n", TREE, quick=True),
    "copy a directory's contents with slashes": Case("FROM scratch\nCOPY src/ /d/\n", TREE),
    "copy everything": Case("FROM scratch\nCOPY . /all\n", TREE),
    "copy everything to the root": Case(f"FROM {PARENT}\nCOPY . /\n", TREE),
    "copy a directory over one that is there": Case(
        f"FROM {PARENT}\nRUN mkdir -p -m 700 /d/deep /d/o; chown 3:4 /d /d/deep; echo z > /d/a.txt; echo y > /d/y\n"
        "COPY src /d\n",
        TREE,
    ),
    "copy two directories": Case("FROM scratch\nCOPY src src/deep /d/\n", TREE),
    "copy a directory by dot": Case("FROM scratch\nCOPY src/. /d\nCOPY ./src/deep/ /e\n", TREE),
    "copy an empty directory": Case("FROM scratch\nCOPY src/empty /e\nCOPY src/empty /f/\n", TREE),
    # COPY: patterns
    "a star": Case("FROM scratch\nCOPY src/*.txt /d/\n", TREE, quick=True),
    "a star for a directory": Case("FROM scratch\nCOPY s* /d/\n", TREE),
    "a star in the middle": Case("FROM scratch\nCOPY */a* /d/\n", {"x/a.txt": File(b"1"), "y/ab": File(b"2")}),
    "a star over files and directories": Case("FROM scratch\nCOPY src/* /d/\n", WHOLE),
    "a question mark": Case("FROM scratch\nCOPY src/?.md /d/\n", TREE),
    "a class": Case("FROM scratch\nCOPY src/[ab].* /d/\n", TREE),
    "a negated class": Case("FROM scratch\nCOPY src/[^a].* /d/\n", TREE),
    "a pattern that matches nothing, and one that does": Case("FROM scratch\nCOPY src/*.no src/*.md /d/\n", TREE),
    "an escaped star": Case("FROM scratch\nCOPY a\\*b /d/\n", {"a*b": File(b"1"), "axb": File(b"2")}),
    # COPY: kinds
    "a symlink is followed": Case("FROM scratch\nCOPY src/link /d/\nCOPY src/up /up\n", TREE, quick=True),
    "a symlink to a directory is followed": Case("FROM scratch\nCOPY dl /d/\n", {**TREE, "dl": File(link="src")}),
    "hard links stay hard links": Case(
        "FROM scratch\nCOPY d /d\n",
        {"d": File(directory=True), "d/a": File(b"x"), "d/b": File(hard="d/a")},
        quick=True,
    ),
    "special bits": Case(
        "FROM scratch\nCOPY d /d\n",
        {"d": File(directory=True), "d/s": File(b"s", 0o6755), "d/t": File(directory=True, mode=0o1777)},
    ),
    "an empty file": Case("FROM scratch\nCOPY empty /e\n", {"empty": File()}),
    "unicode and spaces": Case(
        'FROM scratch\nCOPY ["ä ö/日本", "/ü ß/"]\n', {"ä ö": File(directory=True), "ä ö/日本": File("é".encode())}
    ),
    "a long path": Case("FROM scratch\nCOPY . /d\n", {"x" * 120 + "/" + "y" * 120 + "/" + "z" * 50: File(b"long")}),
    "a large file": Case("FROM scratch\nCOPY big /big\n", {"big": File(b"0123456789abcdef" * 200_000)}),
    "a context's owners do not count": Case(
        "FROM scratch\nCOPY o /o\n", {"o": File(b"o", owner=(1000, 1000))}, quick=True
    ),
    # COPY: flags
    "chown by number": Case("FROM scratch\nCOPY --chown=3:4 src /made/here\n", TREE),
    "chown by one number": Case("FROM scratch\nCOPY --chown=7 hello /new/\n", HELLO),
    "chown by name": Case(
        f"FROM {PARENT}\nCOPY --chown=daemon hello /new/\nCOPY --chown=daemon:root hello /h2\n", HELLO, quick=True
    ),
    "chown by a name that RUN has made": Case(
        f"FROM {PARENT}\nRUN echo me:x:77:88::/:/bin/sh >> /etc/passwd; echo us:x:99: >> /etc/group\n"
        "COPY --chown=me:us hello /a\nCOPY --chown=me hello /b\n",
        HELLO,
    ),
    "chown of symlinks": Case("FROM scratch\nCOPY --chown=3:4 src /d\n", TREE),
    "chmod": Case("FROM scratch\nCOPY --chmod=751 src /d\n", PLAIN),
    "chmod of a file": Case("FROM scratch\nCOPY --chmod=600 hello /d/e/hello\n", HELLO),
    "USER does not own what COPY makes": Case(f"FROM {PARENT}\nUSER daemon\nCOPY hello /new/dir/\n", HELLO),
    # stages
    "from a stage": Case(
        "FROM scratch AS one\nCOPY --chown=3:4 src /s\n"
        "FROM scratch\nCOPY --from=one /s /t\nCOPY --from=0 /s/deep/ /u/\n",
        TREE,
        quick=True,
    ),
    "from an image": Case(f"FROM scratch\nCOPY --from={PARENT} /etc/passwd /bin/busybox /x/\n"),
    "from a stage with RUN": Case(
        f"FROM {PARENT} AS one\nRUN mkdir /o; echo 1 > /o/f; ln /o/f /o/g; ln -s f /o/l; chown -R 5:6 /o\n"
        "FROM scratch\nCOPY --from=one /o /p\nCOPY --from=one /o/l /l\n"
    ),
    "a stage from a stage": Case(
        "FROM scratch AS one\nCOPY hello /a\nENV A=1\nFROM one AS two\nCOPY hello /b\nFROM two\nENV B=$A\n", HELLO
    ),
    "a target": Case("FROM scratch AS one\nCOPY hello /a\nFROM scratch\nCOPY hello /b\n", HELLO, target="one"),
    "an unused stage is not built": Case(f"FROM {PARENT}\nRUN false\nFROM scratch\nCOPY hello /b\n", HELLO),
    # ADD
    "add a file": Case("FROM scratch\nADD hello /a/\n", HELLO),
    "add a tar": Case("FROM scratch\nADD a.tar /t/\n", {"a.tar": File(packed(ARCHIVE))}, quick=True),
    "add a tar.gz over what is there": Case(
        f"FROM {PARENT}\nADD a.tar.gz /\n", {"a.tar.gz": File(packed(ARCHIVE, "w:gz"))}
    ),
    "add a tar.xz": Case("FROM scratch\nADD a.xz /t\n", {"a.xz": File(packed(ARCHIVE, "w:xz"))}),
    "add a tar.bz2 by its bytes": Case("FROM scratch\nADD a.jpg /t\n", {"a.jpg": File(packed(ARCHIVE, "w:bz2"))}),
    "add a directory with a tar in it": Case(
        "FROM scratch\nADD d /t\n", {"d": File(directory=True), "d/a.tar": File(packed(ARCHIVE))}
    ),
    "copy a tar": Case("FROM scratch\nCOPY a.tar /t/\n", {"a.tar": File(packed(ARCHIVE))}),
    "add a gzip that is no tar": Case(
        "FROM scratch\nADD x.gz /t/\n", {"x.gz": File(gzip.compress(b"no tar", mtime=0))}
    ),
    # .dockerignore
    "ignore": Case(
        "FROM scratch\nCOPY . /d\n",
        {**TREE, ".dockerignore": File(b"**/*.txt\n!src/deep/c.txt\nsrc/empty\n")},
        quick=True,
    ),
    "ignore the Dockerfile": Case(
        "FROM scratch\nCOPY . /d\n", {**HELLO, ".dockerignore": File(b"Dockerfile\n.dockerignore\n# c\n\n")}
    ),
    "ignore a directory but one": Case(
        "FROM scratch\nCOPY . /d\n", {**TREE, ".dockerignore": File(b"src\n!src/deep\n")}
    ),
    "ignore with a star": Case("FROM scratch\nCOPY . /d\n", {**TREE, ".dockerignore": File(b"*/*.md\n/src/d*\n")}),
    # config
    "every word of config": Case(
        f"""FROM {PARENT}
LABEL a=b "c d"="e f"
ENV A=1 B="2 3" C=$A/x
ENV D four five
EXPOSE 80 443/udp 53/tcp
VOLUME /vol /vol2
VOLUME ["/vol three"]
STOPSIGNAL SIGINT
HEALTHCHECK --interval=3s --timeout=1m --retries=2 --start-period=5s CMD wget -q localhost
SHELL ["/bin/sh", "-ec"]
ONBUILD RUN echo $A
ONBUILD COPY . /x
USER daemon:root
WORKDIR /
ENTRYPOINT ["/bin/sh", "-c"]
CMD ["echo", "hi"]
""",
        quick=True,
    ),
    "CMD in shell form": Case("FROM scratch\nCOPY hello /\nCMD echo hi\n", HELLO),
    "ENTRYPOINT takes CMD away": Case(f"FROM {PARENT}\nENTRYPOINT top -b\n"),
    "HEALTHCHECK NONE": Case(f"FROM {PARENT}\nHEALTHCHECK NONE\n"),
    "EXPOSE with variables": Case(f"FROM {PARENT}\nARG P=8080\nEXPOSE $P ${{P}}/udp 9000-9002\n"),
    "labels of the client": Case("FROM scratch\nCOPY hello /\nLABEL x=file\n", HELLO, labels={"who": "client"}),
    "nothing but config": Case(f'FROM {PARENT}\nENV A=1\nCMD ["a"]\n'),
    "MAINTAINER": Case(f"FROM {PARENT}\nMAINTAINER somebody\n"),
    # ARG
    "ARG": Case(
        "ARG V=busybox\nFROM layerlab-same:$V\nARG V\nARG W=w\nENV X=$V$W\nRUN echo $V $W > /f\n",
        args={"W": "given"},
        quick=True,
    ),
    "ARG without a value": Case(f"FROM {PARENT}\nARG NONE\nRUN echo -$NONE- > /f\n"),
    "ENV beats ARG": Case(f"FROM {PARENT}\nARG A=arg\nENV A=env\nRUN echo $A > /f\n", args={"A": "client"}),
    # WORKDIR
    "WORKDIR": Case(f"FROM {PARENT}\nWORKDIR /a/b\nWORKDIR c\nWORKDIR ../d\nRUN pwd > f\n", quick=True),
    "WORKDIR that is there": Case(f"FROM {PARENT}\nWORKDIR /etc\nWORKDIR /tmp\n"),
    "WORKDIR through a symlink": Case(f"FROM {PARENT}\nRUN ln -s /var /v\nWORKDIR /v/x\n"),
    "WORKDIR with a user": Case(f"FROM {PARENT}\nUSER daemon\nWORKDIR /mine/too\nRUN touch f\n"),
    # RUN
    "RUN that does nothing": Case(f"FROM {PARENT}\nRUN true\n"),
    "RUN writes, changes, deletes": Case(
        f"FROM {PARENT}\nRUN echo 1 > /f; chmod 640 /etc/passwd; rm /etc/group\n"
        "RUN rm /f; mkdir /f; echo 2 > /f/g\nRUN rm -r /f; rmdir /home\n",
        quick=True,
    ),
    "RUN replaces a directory by a file": Case(
        f"FROM {PARENT}\nRUN mkdir -p /d/e; echo > /d/e/f\nRUN rm -r /d; echo > /d\nRUN rm /d; mkdir /d\n"
    ),
    "RUN makes special files": Case(
        f"FROM {PARENT}\nRUN mkfifo -m 640 /p; mknod /c c 1 3; mknod /b b 8 1; ln -s x /l; chown -h 3:4 /l\n"
    ),
    "RUN makes hard links": Case(f"FROM {PARENT}\nRUN echo x > /a; ln /a /b; ln /a /c\nRUN ln /bin/busybox /bb\n"),
    "RUN in exec form": Case(f'FROM {PARENT}\nRUN ["/bin/touch", "/a b"]\n'),
    "RUN with another SHELL": Case(f'FROM {PARENT}\nSHELL ["/bin/sh", "-xc"]\nRUN echo $0 > /f\n'),
    "RUN as a user": Case(
        f"FROM {PARENT}\nUSER daemon\nRUN id > /tmp/id; echo $HOME >> /tmp/id; umask >> /tmp/id\n", quick=True
    ),
    "RUN as a number": Case(
        f"FROM {PARENT}\nUSER 1234:5678\nRUN id > /tmp/id; echo $HOME >> /tmp/id; touch /tmp/x\n"
    ),
    "RUN sees ENV": Case(f"FROM {PARENT}\nENV A=1 B=$A\nARG C=3\nRUN env | grep -v HOSTNAME | sort > /f\n"),
    "COPY between RUNs": Case(
        f"FROM {PARENT}\nRUN mkdir /d; echo run > /d/a.txt\nCOPY src /d\n"
        "RUN cat /d/a.txt /d/deep/c.txt > /r; rm /d/b.md; ls -l /d\nCOPY src/b.md /d/\nRUN cat /d/b.md >> /r\n",
        TREE,
        quick=True,
    ),
    "COPY after the last RUN": Case(f"FROM {PARENT}\nRUN echo 1 > /f\nCOPY hello /f\nCOPY hello /g\n", HELLO),
    "RUN deletes what COPY made": Case(
        f"FROM {PARENT}\nCOPY src /d\nRUN rm -r /d/deep\nCOPY src/deep /d/deep\nRUN rm /d/a.txt\n", TREE
    ),
    "RUN leaves a process behind": Case(f"FROM {PARENT}\nRUN sleep 100 & echo started > /f\n"),
    "a volume is written to": Case(f"FROM {PARENT}\nRUN mkdir /v; echo 1 > /v/a\nVOLUME /v\nRUN echo 2 > /v/b\n"),
    "a continuation, a comment": Case(f"FROM {PARENT}\nRUN echo a \\\n# comment\n   b \\\n\n > /f\n"),
    # ONBUILD
    "ONBUILD runs": Case(f"FROM {TRIGGERS}\nRUN echo after >> /log\n", HELLO, quick=True),
}
