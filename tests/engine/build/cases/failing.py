"""Dockerfiles that give no image, there or here. Our words are tested elsewhere; here only that both refuse.

We refuse more than dockerd 20.10: a ``--chown`` to a name that the image does not know (there it is root), a
``--chmod`` that is no mode, and an archive in which a path leaves its root (there it is cut off at the root).
"""

from collections.abc import Mapping

from tests.engine.build.cases.materials import HELLO, TREE
from tests.engine.build.cases.shapes import PARENT, Case, File

FAILING: Mapping[str, Case] = {
    "no instruction": Case("# nothing\n"),
    "an unknown instruction": Case("FROM scratch\nFOO bar\n"),
    "an unknown flag": Case("FROM scratch\nCOPY --foo=1 hello /\n", HELLO),
    "COPY of one word": Case("FROM scratch\nCOPY hello\n", HELLO),
    "COPY of what is not there": Case("FROM scratch\nCOPY gone /\n", HELLO),
    "COPY of what is ignored": Case("FROM scratch\nCOPY hello /\n", {**HELLO, ".dockerignore": File(b"hello\n")}),
    "COPY of two to no directory": Case("FROM scratch\nCOPY hello src /d\n", {**HELLO, **TREE}),
    "COPY of a file over a directory": Case(f"FROM {PARENT}\nRUN mkdir -p /d/hello\nCOPY hello /d/\n", HELLO),
    "COPY below a file": Case(f"FROM {PARENT}\nCOPY hello /etc/passwd/x\n", HELLO),
    "COPY from itself": Case("FROM scratch AS a\nCOPY --from=a /x /y\n"),
    "COPY of what a stage has not": Case(f"FROM {PARENT} AS a\nRUN true\nFROM scratch\nCOPY --from=a /gone /\n"),
    "RUN that fails": Case(f"FROM {PARENT}\nRUN exit 3\n"),
    "RUN of what is not there": Case(f'FROM {PARENT}\nRUN ["/nothing"]\n'),
    "RUN without a shell": Case("FROM scratch\nRUN true\n"),
    "RUN as an unknown user": Case(f"FROM {PARENT}\nUSER nobody-here\nRUN true\n"),
    "WORKDIR over a file": Case(f"FROM {PARENT}\nWORKDIR /etc/passwd\n"),
    "an unknown target": Case("FROM scratch\nCOPY hello /\n", HELLO, target="nowhere"),
    "ENV without a value": Case("FROM scratch\nENV A\n"),
    "ENV without its closing quote": Case('FROM scratch\nENV A="b\n'),
    "LABEL without a word": Case("FROM scratch\nLABEL\n"),
    "EXPOSE of no port": Case("FROM scratch\nEXPOSE http\n"),
    "HEALTHCHECK of an unknown kind": Case("FROM scratch\nHEALTHCHECK SOMETIMES true\n"),
    "HEALTHCHECK with a time that is none": Case("FROM scratch\nHEALTHCHECK --interval=soon CMD true\n"),
    "SHELL in shell form": Case("FROM scratch\nSHELL /bin/sh -c\n"),
    "VOLUME without a name": Case('FROM scratch\nVOLUME [""]\n'),
    "ONBUILD of FROM": Case("FROM scratch\nONBUILD FROM scratch\n"),
    "ONBUILD of ONBUILD": Case("FROM scratch\nONBUILD ONBUILD RUN true\n"),
    "two stages of one name": Case("FROM scratch AS a\nFROM scratch AS 1a\n"),
    "a variable of an unknown form": Case("FROM scratch\nENV A=${B:!c}\n"),
    "an ARG in FROM that is empty": Case("ARG A\nFROM $A\n"),
}
