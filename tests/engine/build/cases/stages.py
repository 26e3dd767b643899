"""Stages: what one takes from another, and which are built."""

from collections.abc import Mapping

from tests.engine.build.cases.materials import CAPABILITY, HELLO, TREE
from tests.engine.build.cases.shapes import PARENT, Case, File, packed

CASES: Mapping[str, Case] = {
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
    "patterns in a stage": Case(
        f"FROM {PARENT} AS one\nRUN mkdir /o; touch /o/a1 /o/a2 /o/b1; ln -s a1 /o/a3\n"
        "FROM scratch\nCOPY --from=one /o/a* /p/\nCOPY --from=one o/?1 /q/\n"
    ),
    "through a stage's symlink": Case(
        f"FROM {PARENT} AS one\nRUN mkdir -p /o/d; echo 1 > /o/d/f; ln -s /o/d /l; ln -s d/f /o/g; ln -s .. /o/d/up\n"
        "FROM scratch\nCOPY --from=one /l/f /a\nCOPY --from=one /l /b\nCOPY --from=one /o/g /c\nCOPY "
        "--from=one /o /e\n"
    ),
    "a stage's owners are kept": Case(
        f"FROM {PARENT} AS one\nRUN mkdir /o; touch /o/f /o/g; chown 5:6 /o/f; chown 7:8 /o; chmod 2750 /o; "
        f"chmod 4711 /o/g\n"
        "FROM scratch\nCOPY --from=one /o /made/o\nCOPY --from=one /o/f /f\n"
    ),
    "a stage's owners are changed": Case(
        f"FROM {PARENT} AS one\nRUN mkdir /o; touch /o/f; chown 5:6 /o/f\nFROM {PARENT}\n"
        "COPY --from=one --chown=daemon:mail /o /p\n"
    ),
    "a stage's special files": Case(
        f"FROM {PARENT} AS one\nRUN mkdir /o; mkfifo /o/p; mknod -m 640 /o/c c 1 5; ln -s /dev/null /o/l\n"
        "FROM scratch\nCOPY --from=one /o /o\n",
        older="FROM scratch\nADD o.tar /\n",
        instead={
            "o.tar": File(
                packed(
                    {
                        "o": File(directory=True),
                        "o/p": File(fifo=True),
                        "o/c": File(device=(1, 5), mode=0o640),
                        "o/l": File(link="/dev/null"),
                    }
                )
            )
        },
    ),
    "a stage's hard links": Case(
        f"FROM {PARENT} AS one\nRUN mkdir -p /o/s; echo x > /o/a; ln /o/a /o/s/b; ln /o/a /c\n"
        "FROM scratch\nCOPY --from=one /o /o\nCOPY --from=one /c /c\n"
    ),
    "what a stage has deleted does not come": Case(
        f"FROM {PARENT} AS one\nCOPY src /o\nRUN rm -r /o/deep /o/a.txt\nRUN mkdir /o/deep\n"
        "FROM scratch\nCOPY --from=one /o /o\n",
        TREE,
    ),
    "a stage's capability": Case(
        "FROM scratch AS one\nADD a.tar /o/\nFROM scratch\nCOPY --from=one /o /p\n",
        {"a.tar": File(packed({"ping": File(b"p", 0o755, xattrs={"security.capability": CAPABILITY})}))},
    ),
    "the whole of a stage": Case(
        f"FROM {PARENT} AS one\nRUN echo 1 > /f; rm -r /home; chmod 700 /root\nFROM scratch\nCOPY --from=one / /\n"
    ),
    "names of stages have no case": Case(
        "FROM scratch AS One\nCOPY hello /a\nFROM scratch\nCOPY --from=oNE /a /b\n", HELLO
    ),
    "a stage by its name hides its number": Case(
        "FROM scratch AS x\nCOPY hello /a\nFROM scratch AS y\nCOPY hello /b\nFROM scratch\nCOPY --from=1 /b /c\n",
        HELLO,
    ),
    "one stage for two": Case(
        f"FROM {PARENT} AS base\nRUN echo base > /base\nFROM base AS a\nRUN echo a > /a\nFROM base AS b\n"
        f"RUN echo b > /b\n"
        "FROM base\nCOPY --from=a /a /x\nCOPY --from=b /b /y\n"
    ),
    "a target in the middle with config": Case(
        'FROM scratch AS one\nCMD ["one"]\nCOPY hello /a\nFROM one AS two\nENV A=2\nFROM two\nENV A=3\n',
        HELLO,
        target="two",
    ),
    "a stage inherits config, an ARG does not": Case(
        f'FROM {PARENT} AS one\nARG A=1\nENV E=$A\nUSER daemon\nWORKDIR /tmp\nENTRYPOINT ["a"]\nFROM one\n'
        'RUN echo -$A- $E > f\nCMD ["b"]\n',
        why="a stage inherits the ARGs of the stage below, and names them",
    ),
    "a stage's ONBUILD runs in the next": Case(
        f"FROM {PARENT} AS one\nONBUILD RUN echo triggered > /t\nONBUILD ENV T=1\nFROM one\nRUN echo $T > /u\n"
    ),
}
