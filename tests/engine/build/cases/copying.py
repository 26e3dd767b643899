"""COPY: what goes where, with which mode and owner, and what ``.dockerignore`` keeps out."""

from collections.abc import Mapping

from tests.engine.build.cases.materials import CAPABILITY, HELLO, PLAIN, TREE, WHOLE
from tests.engine.build.cases.shapes import PARENT, Case, File, packed

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
    # COPY: more places
    "copy to a path with dots": Case("FROM scratch\nCOPY hello /a/./b/../c//d\nCOPY hello /../x/\n", HELLO),
    "copy to a directory by dot": Case(
        f"FROM {PARENT}\nCOPY hello /etc/.\nCOPY hello /new/.\n",
        HELLO,
        older=f"FROM {PARENT}\nCOPY hello /etc/\nCOPY hello /new/\n",
    ),
    "copy with variables": Case(
        "FROM scratch\nENV FROM=hello TO=/d\nARG NAME=n\nCOPY $FROM ${TO}/${NAME}\nCOPY ${FROM} ${NONE:-/e}/\n", HELLO
    ),
    "copy in JSON form": Case(
        'FROM scratch\nENV A=x\nCOPY ["hello", "two words", "/d e/$A/"]\n', {**HELLO, "two words": File(b"2")}
    ),
    "copy a directory onto a symlink to one": Case(
        f"FROM {PARENT}\nRUN mkdir /real; ln -s real /d\nCOPY src /d\n", WHOLE
    ),
    "copy over a hard link": Case(f"FROM {PARENT}\nRUN echo 1 > /a; ln /a /b\nCOPY hello /b\n", HELLO),
    "copy the same twice": Case("FROM scratch\nCOPY hello /a\nCOPY hello /a\nCOPY hello /b\n", HELLO),
    "copy one source into a directory that a file's name ends": Case("FROM scratch\nCOPY hello /hello/\n", HELLO),
    "copy into a read-only directory": Case(
        f"FROM {PARENT}\nRUN mkdir /r; chmod 555 /r\nUSER daemon\nCOPY hello /r/\n", HELLO
    ),
    "copy below a volume": Case(f"FROM {PARENT}\nVOLUME /v\nCOPY hello /v/\nRUN cat /v/hello > /seen\n", HELLO),
    # COPY: more kinds
    "all modes": Case(
        "FROM scratch\nCOPY m /m\n",
        {"m": File(directory=True), **{f"m/{mode:o}": File(b"m", mode) for mode in (0, 0o1, 0o222, 0o1777, 0o7777)}},
    ),
    "a pipe": Case(
        "FROM scratch\nCOPY d /d\n",
        {"d": File(directory=True), "d/p": File(fifo=True, mode=0o620)},
        older="FROM scratch\nADD d.tar /\n",
        instead={"d.tar": File(packed({"d": File(directory=True), "d/p": File(fifo=True, mode=0o620)}))},
    ),
    "times": Case(
        "FROM scratch\nCOPY d /d\n",
        {
            "d": File(directory=True),
            "d/first": File(b"1", when=0),
            "d/part": File(b"2", when=1234567890.25),
            "d/far": File(b"4", when=4102444800),
        },
    ),
    "odd names": Case(
        "FROM scratch\nCOPY d /d\n",
        {"d": File(directory=True)}
        | {f"d/{name}": File(name.encode()) for name in ("-rf", " ", "a\nb", "a\\b", "%41", "'", '"', "~", "$HOME")},
    ),
    "names in other alphabets": Case(
        "FROM scratch\nCOPY . /d\n",
        {
            name: File(b"u")
            for name in ("caf\u00e9", "cafe\u0301", "\u65e5\u672c\u8a9e", "\U0001f433", "\u05d0\u05d1")
        },
    ),
    "a name of 255 bytes": Case(
        "FROM scratch\nCOPY . /d\n", {"\u00e9" * 127 + "x": File(b"l"), "y" * 255: File(b"m")}
    ),
    "a path of 1500 bytes": Case("FROM scratch\nCOPY . /d\n", {"/".join(["p" * 99] * 15): File(b"deep")}),
    "a symlink of 300 bytes": Case(
        "FROM scratch\nCOPY d /d\n", {"d": File(directory=True), "d/l": File(link="x/" * 150)}
    ),
    "a sparse file": Case(
        f"FROM {PARENT} AS made\nRUN truncate -s 20M /s; echo end >> /s; "
        f"dd if=/dev/zero of=/t bs=1 count=1 seek=3000000\n"
        "FROM scratch\nCOPY --from=made /s /t /d/\n"
    ),
    "a file of 64 MB": Case("FROM scratch\nCOPY big /big\n", {"big": File(bytes(range(256)) * (1 << 18))}),
    "one hard link of two": Case("FROM scratch\nCOPY a /d/\n", {"a": File(b"x"), "b": File(hard="a")}),
    "hard links across directories": Case(
        "FROM scratch\nCOPY d e /x/\n",
        {
            "d": File(directory=True),
            "d/a": File(b"x", 0o600),
            "d/s": File(directory=True),
            "d/s/b": File(hard="d/a", mode=0o600),
            "e": File(directory=True),
            "e/c": File(hard="d/a", mode=0o600),
        },
    ),
    "a capability of the context is not kept": Case(
        "FROM scratch\nCOPY d /d\n",
        {"d": File(directory=True), "d/ping": File(b"p", 0o755, xattrs={"security.capability": CAPABILITY})},
    ),
    "other attributes are not kept": Case(
        "FROM scratch\nCOPY d /d\n", {"d": File(directory=True), "d/f": File(b"p", xattrs={"user.note": b"hi"})}
    ),
    "symlinks in a directory stay": Case(
        "FROM scratch\nCOPY d /d\n",
        {
            "d": File(directory=True),
            "d/loop": File(link="loop"),
            "d/self": File(link="."),
            "d/root": File(link="/"),
        },
    ),
    # COPY: more patterns
    "a star does not match what is deeper": Case(
        "FROM scratch\nCOPY * /d/\n", {"a": File(b"1"), "x/b": File(b"2"), ".h": File(b"3")}
    ),
    "a range in a class": Case("FROM scratch\nCOPY [a-c]?[!x] /d/\n", {n: File(b"1") for n in ("a1y", "b2!", "d1y")}),
    "two stars are one here": Case(
        "FROM scratch\nCOPY **/a.txt /d/\n", {"x/a.txt": File(b"1"), "x/y/a.txt": File(b"2"), "a.txt": File(b"3")}
    ),
    "a pattern for symlinks": Case("FROM scratch\nCOPY src/l* src/u* /d/\n", WHOLE),
    # COPY: more flags
    "chmod by one octal digit, by four": Case(
        "FROM scratch\nCOPY --chmod=4 hello /a\nCOPY --chmod=0640 hello /c/\n", HELLO
    ),
    "chmod with special bits": Case(
        "FROM scratch\nCOPY --chmod=6711 hello /a\nCOPY --chmod=1777 d /d\n",
        {**HELLO, "d": File(directory=True), "d/s": File(directory=True)},
        older="FROM scratch\nADD a.tar /\nADD b.tar /\n",
        instead={
            "a.tar": File(packed({"a": File(b"hello\n", 0o6711)})),
            "b.tar": File(packed({"d": File(directory=True), "d/s": File(directory=True, mode=0o1777)})),
        },
    ),
    "chown and chmod": Case("FROM scratch\nCOPY --chown=12:34 --chmod=700 src /d/e\n", PLAIN),
    "chown with variables": Case("FROM scratch\nARG U=5\nENV G=6\nCOPY --chown=$U:${G} hello /a\n", HELLO),
    "chown by name and number": Case(
        f"FROM {PARENT}\nCOPY --chown=daemon:77 hello /a\nCOPY --chown=88:mail hello /b\nCOPY --chown=0:0 hello /c\n",
        HELLO,
    ),
    "chown by the largest number": Case("FROM scratch\nCOPY --chown=2147483647:65535 hello /a\n", HELLO),
    "chown into a directory that is there": Case(f"FROM {PARENT}\nCOPY --chown=3:4 src /etc\n", WHOLE),
    # .dockerignore: more forms
    "ignore with two stars": Case("FROM scratch\nCOPY . /d\n", {**TREE, ".dockerignore": File(b"**/c.txt\n**/e*\n")}),
    "ignore below": Case("FROM scratch\nCOPY . /d\n", {**TREE, ".dockerignore": File(b"src/**\n!src/a.txt\n")}),
    "ignore everything but": Case(
        "FROM scratch\nCOPY . /d\n", {**TREE, **HELLO, ".dockerignore": File(b"*\n!hello\n!src/deep/*.txt\n")}
    ),
    "ignore and take back, and again": Case(
        "FROM scratch\nCOPY . /d\n",
        {**TREE, ".dockerignore": File(b"src/*.txt\n!src/a.*\nsrc/[ax].txt\n!**/a.txt\n")},
    ),
    "ignore with slashes, dots and spaces": Case(
        "FROM scratch\nCOPY . /d\n",
        {**TREE, **HELLO, ".dockerignore": File(b"  /src/a.txt  \n./src/b.md\nsrc/x/../empty/\n\t\n")},
    ),
    "ignore a question mark, a comment, a class": Case(
        "FROM scratch\nCOPY . /d\n",
        {"a1": File(b"1"), "b2": File(b"2"), "c#": File(b"3"), ".dockerignore": File(b"#a1\n?2\n[x-z]*\nc[#]\n")},
    ),
    "ignore in other alphabets, with a mark of byte order": Case(
        "FROM scratch\nCOPY . /d\n",
        {"\u00fc": File(b"1"), "\u65e5": File(b"2"), ".dockerignore": File("\ufeff\u00fc\n".encode())},
    ),
    "ignore counts for RUN's binds, too": Case(
        f"FROM {PARENT}\nRUN mkdir /c\nRUN --mount=target=/c ls -A /c > /seen\n",
        {**HELLO, "secret": File(b"1"), ".dockerignore": File(b"secret\n.dockerignore\n")},
        older="",
    ),
}
