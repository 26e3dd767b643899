"""Instructions that only say something: the config, its variables, and the history."""

from collections.abc import Mapping

from tests.engine.build.cases.materials import HELLO
from tests.engine.build.cases.shapes import PARENT, TRIGGERS, Case

CASES: Mapping[str, Case] = {
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
    # ONBUILD
    "ONBUILD runs": Case(f"FROM {TRIGGERS}\nRUN echo after >> /log\n", HELLO, quick=True),
    # variables
    "forms of variables": Case(
        f"FROM {PARENT}\nENV A=a E=\n"
        f"ENV B=${{A:-x}} C=${{N:-x}} D=${{A:+y}} F=${{N:+y}} G=${{E:-z}} H=${{N}} I=$A$A\n"
        'ENV J=${A}b K="$A b" L=\'$A b\' M=\\$A N2=${C:-${A}} O=$AB\nRUN env | grep "^[A-Z]2*=" | sort > /f\n'
    ),
    "a variable takes its value before the line": Case(f"FROM {PARENT}\nENV A=1\nENV A=2 B=$A\nENV C=$A\n"),
    "quotes and spaces in ENV": Case(
        f'FROM {PARENT}\nENV A=one\\ two B="th\'ree" C=\'fo"ur\' D="fi\\"ve" E="" F=a=b G=\'a\\b\' '
        f'H="a\\\\b"\nENV I   many   spaces  \n'
        "ENV J=1 \\\n  K=2 \\\n  # a comment\n  L=3\n"
    ),
    "removal and replacement in variables": Case(
        f"FROM {PARENT}\nENV A=a.b.tar.gz\n"
        f"ENV B=${{A%.*}} C=${{A%%.*}} D=${{A#*.}} E=${{A##*.}} F=${{A/./-}} G=${{A//./-}}\n",
        older=f"FROM {PARENT}\nENV A=a.b.tar.gz\nENV B=a.b.tar C=a D=b.tar.gz E=gz F=a-b.tar.gz G=a-b-tar-gz\n",
    ),
    "labels in all forms": Case(
        f'FROM {PARENT}\nLABEL a=1 b="two words" "c d"=\'3\' e="multi\\\nline"\n'
        f"LABEL a=2\nLABEL f $a g\nENV V=v\nLABEL v=$V w=\"${{V}}\" x='$V'\n"
        "LABEL \u00fc=\u65e5\n"
    ),
    "an ARG before FROM": Case(
        f"ARG A=1\nARG IMAGE={PARENT}\nFROM $IMAGE\nARG A\nARG B=$A-2\nRUN echo $A $B > /f\nENV C=${{B}}\n",
        args={"A": "x"},
    ),
    "an ARG before FROM is not seen after it": Case(f"ARG A=1\nFROM {PARENT}\nRUN echo -$A- > /f\nENV B=-$A-\n"),
    "ARG twice": Case(
        f"FROM {PARENT}\nARG A=1\nRUN echo $A > /f\nARG A=2\nRUN echo $A > /g\n",
        why="an ARG that is said twice is told once",
    ),
    "ARG with quotes and spaces": Case(
        f'FROM {PARENT}\nARG A="one two"\nARG B=\'x $A\'\nARG C=\nRUN echo "$A" "$B" "$C" > /f\n', args={"C": "a  b"}
    ),
    "ARG of platforms": Case(
        f"FROM {PARENT}\nARG TARGETPLATFORM\nARG TARGETARCH\nARG BUILDOS\n"
        f"RUN echo $TARGETPLATFORM $TARGETARCH $BUILDOS > /f\n"
        "ENV P=$TARGETPLATFORM\n"
    ),
    "proxies are known without ARG, and stand nowhere": Case(
        f"FROM {PARENT}\nRUN echo $http_proxy $NO_PROXY > /f\n", args={"http_proxy": "http://p:1", "NO_PROXY": "x"}
    ),
    "ENV beats a later ARG": Case(f"FROM {PARENT}\nENV A=env\nARG A=arg\nRUN echo $A > /f\nLABEL a=$A\n"),
    "PATH is changed": Case(f"FROM {PARENT}\nENV PATH=/mine:$PATH\nRUN echo $PATH > /f\n"),
    # config, more
    "nothing of CMD and ENTRYPOINT": Case(
        f'FROM {PARENT} AS a\nENTRYPOINT ["a"]\nCMD ["b"]\nFROM a\nENTRYPOINT []\nCMD []\n'
    ),
    "CMD stays when ENTRYPOINT came first": Case(
        f'FROM {PARENT}\nENTRYPOINT ["a"]\nCMD ["b", "$HOME", "\u65e5", "q\\"r"]\n'
    ),
    "a child's ENTRYPOINT takes the parent's CMD away": Case(
        f'FROM {PARENT} AS a\nCMD ["b"]\nFROM a\nENTRYPOINT ["c"]\n'
    ),
    "what looks like JSON and is none": Case(f"FROM {PARENT}\nCMD ['a', 'b']\nENTRYPOINT [\"a\" \"b\"]\n"),
    "SHELL for CMD and ENTRYPOINT": Case(
        f'FROM {PARENT}\nSHELL ["/bin/ash", "-e", "-c"]\nCMD a b\nENTRYPOINT c "d e"\n'
    ),
    "HEALTHCHECK in all forms": Case(
        f'FROM {PARENT}\nHEALTHCHECK CMD ["a", "b"]\nHEALTHCHECK --timeout=1h2m3.5s CMD a "b c" $D\n'
        "HEALTHCHECK --interval=500ms --retries=1 CMD x\n"
    ),
    "STOPSIGNAL by number and by variable": Case(f"FROM {PARENT}\nSTOPSIGNAL 9\nARG S=SIGUSR1\nSTOPSIGNAL $S\n"),
    "EXPOSE in all forms": Case(f"FROM {PARENT}\nEXPOSE 1 1/tcp 2/UDP 3-5 7-8/udp 1\nEXPOSE 65535/sctp\n"),
    "VOLUME in all forms": Case(
        f'FROM {PARENT}\nENV V=/var\nVOLUME $V/x relative\nVOLUME ["/a b", "$V/y"]\nVOLUME /a/ /a\n'
    ),
    "USER in all forms": Case(
        f"FROM {PARENT} AS a\nUSER daemon\nFROM a AS b\nUSER 12\nFROM b AS c\nUSER 12:mail\nFROM c\n"
        f"ARG U=www-data\nUSER $U:$U\n"
        "RUN id > /tmp/f\n"
    ),
    "ONBUILD is not kept by a child": Case(
        f"FROM {TRIGGERS} AS a\nONBUILD LABEL x=1\nFROM a\nONBUILD LABEL y=2\n", HELLO
    ),
    "words of the Dockerfile in small letters": Case(
        f"from {PARENT} as one\nrun echo 1 > /f\ncopy hello /\nenv a=1\ncmd x\n", HELLO
    ),
    "a Dockerfile of Windows": Case(f"FROM {PARENT}\r\nRUN echo a \\\r\n  b > /f\r\nENV A=1\r\n"),
    "another escape": Case(f"# escape=`\nFROM {PARENT}\nENV A=C:\\x B=`$A\nRUN echo `\n  a > /f\n"),
    "a mark of byte order, tabs and empty lines": Case(
        f"\ufeff\n\n# c\n\tFROM {PARENT}\n\n\t RUN\techo\ta >\t/f  \n\n"
    ),
    "a comment is none within a line": Case(
        f"FROM {PARENT}\nRUN echo a # b > /f; echo c > /g\nENV A=#b\nLABEL c=d#e\n"
    ),
}
