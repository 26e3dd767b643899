"""RUN and WORKDIR: what a command leaves behind, as layers tell it."""

from collections.abc import Mapping

from tests.engine.build.cases.materials import HELLO, TREE
from tests.engine.build.cases.shapes import PARENT, Case, File

CASES: Mapping[str, Case] = {
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
    # Two things are not compared, because the kernel decides them: a hard link of a layer below that is written to
    # (overlayfs cuts it, a disk does not), and setuid of a file that is written to (the machine's root keeps it).
    # whiteouts
    "RUN deletes what is layers below": Case(
        f"FROM {PARENT}\nCOPY src /a/b/c\nRUN true\nRUN rm /a/b/c/deep/c.txt /a/b/c/link\nRUN rm -r /a/b\n"
        f"RUN mkdir -p /a/b/c\n",
        TREE,
    ),
    "RUN empties a directory": Case(
        f"FROM {PARENT}\nCOPY src /d\nRUN rm -r /d/* /d/deep/.hidden || true\nRUN rm -rf /var/*\n", TREE
    ),
    "RUN deletes and makes again": Case(
        f"FROM {PARENT}\nCOPY src /d\nRUN rm -r /d && mkdir /d && echo 1 > /d/new\nRUN rm /d/new && "
        f"echo 1 > /d/new\n",
        TREE,
    ),
    "RUN renames a file, over a file": Case(
        f"FROM {PARENT}\nCOPY src /d\nRUN mv /d/a.txt /d/b.md; mv /d/deep/c.txt /moved; mv /d/link /d/link2\n", TREE
    ),
    "RUN renames a directory": Case(
        f"FROM {PARENT}\nCOPY src /d\nRUN mv /d /e\nRUN mv /e/deep /f; mkdir /e/deep\nRUN mv /e /g; mv /f /e\n", TREE
    ),
    "RUN changes kinds": Case(
        f"FROM {PARENT}\nRUN mkdir /d /e; echo 1 > /f; ln -s /d /l; mkfifo /p; echo 1 > /d/x\n"
        "RUN rm -r /d; ln -s /e /d; rmdir /e; echo 2 > /e; rm /f; mkdir /f; rm /l; mkdir /l; rm /p; echo 3 > /p\n"
        "RUN rm /d /e; mkfifo /d; mknod /e c 1 3; rm -r /l; ln -s /f /l\n"
    ),
    # what a change of little leaves
    "RUN changes modes alone": Case(
        f"FROM {PARENT}\nCOPY src /d\nRUN chmod 600 /d/b.md; chmod 755 /d/deep; chmod 7777 /d/empty; "
        f"chmod 0 /d/a.txt\n",
        TREE,
    ),
    "RUN changes owners alone": Case(
        f"FROM {PARENT}\nCOPY src /d\nRUN chown 5:6 /d/deep/c.txt /d/empty; chown -h 7 /d/link; "
        f"chgrp mail /d/b.md; chown -R 9:9 /d/deep\n",
        TREE,
    ),
    "RUN changes times alone": Case(
        f"FROM {PARENT}\nRUN echo 1 > /f; mkdir /d\nRUN touch -d '2001-02-03 04:05:06' /f /d /etc/passwd\n"
    ),
    "RUN changes and changes back": Case(
        f"FROM {PARENT}\nRUN echo 1 > /f; mkdir /d\nRUN echo 2 > /f; echo 1 > /f; touch /d/x; rm /d/x; "
        f"chmod 700 /d; chmod 755 /d\n"
    ),
    "RUN writes the same again": Case(
        f"FROM {PARENT}\nRUN echo 1 > /f\nRUN echo 1 > /f\nRUN cat /f > /g; mv /g /f\n"
    ),
    "RUN appends, truncates and cuts": Case(
        f"FROM {PARENT}\nRUN for i in 1 2 3 4 5 6 7 8; do echo line $i; done > /f; cp /f /g; cp /f /h\n"
        "RUN echo more >> /f; truncate -s 10 /g; : > /h\n"
    ),
    "RUN cuts a hard link": Case(
        f"FROM {PARENT}\nRUN echo 1 > /a; ln /a /b; ln /a /c\nRUN rm /a\nRUN ln /etc/passwd /p\n"
    ),
    "RUN makes a hard link to a symlink": Case(
        f"FROM {PARENT}\nRUN ln -s x /a; ln /a /b 2>/dev/null; mkfifo /p; ln /p /q\n"
    ),
    "RUN makes a sparse file and a large one": Case(
        f"FROM {PARENT}\nRUN truncate -s 30M /s; dd if=/dev/zero of=/z bs=1M count=8; "
        f"yes | head -c 3000001 > /y\nRUN echo x >> /s\n"
    ),
    "RUN makes names and long paths": Case(
        f"FROM {PARENT}\nRUN mkdir /u; cd /u; touch \u65e5\u672c 'a b' -- -x '*' \"$(printf 'n\\n"
        f"l')\" $(printf 'e%.0s' $(seq 250))\n"
        "RUN cd /u; for i in $(seq 30); do mkdir $(printf 'd%.0s' $(seq 50)); cd d*; done; echo 1 > end\n"
    ),
    "RUN makes a name of no alphabet": Case(
        f"FROM {PARENT}\nRUN mkdir /n; touch /n/$(printf '\\377\\376')x; echo 1 > /n/$(printf '\\303')\n"
    ),
    "RUN makes sticky and setgid directories": Case(
        f"FROM {PARENT}\nRUN mkdir -m 1777 /t; mkdir /g; chgrp mail /g; chmod 2775 /g; mkdir /g/in; touch /g/f; "
        f"chown daemon /t\n"
        "USER daemon\nRUN touch /t/mine; mkdir /t/d\n"
    ),
    "chown takes setuid away": Case(f"FROM {PARENT}\nRUN touch /s /t; chmod 6755 /s /t; chown 3:4 /s\n"),
    "umask": Case(f"FROM {PARENT}\nRUN umask; umask 077; touch /f; mkdir /d\nRUN touch /g; mkdir /e\n"),
    # users and groups
    "RUN as a user of the image's passwd": Case(
        f"FROM {PARENT}\nRUN echo 'me:x:77:88::/home/me:/bin/sh' >> /etc/passwd; "
        f"echo 'us:x:99:me,other' >> /etc/group; "
        "mkdir -p -m 700 /home/me; chown 77:88 /home/me\n"
        "USER me\nRUN id > ~/id; echo $HOME >> ~/id; touch /root/x || echo denied >> ~/id\nUSER me:us\n"
        "RUN id > ~/id2\n"
    ),
    "RUN as a number of the image's passwd": Case(
        f"FROM {PARENT}\nUSER 8\nRUN id > /tmp/id; echo $HOME >> /tmp/id\n"
    ),
    "RUN as root may not be refused": Case(
        f"FROM {PARENT}\nCOPY src /d\nRUN chmod 0 /d/a.txt /d/deep; echo x >> /d/a.txt; echo y > /d/deep/y; "
        f"cat /d/a.txt > /d/r\n",
        TREE,
    ),
    "RUN as a user may not do all": Case(
        f"FROM {PARENT}\nCOPY src /d\nUSER daemon\nRUN for f in /d/a.txt /d/empty/x /etc/passwd /new; "
        f"do echo 1 > $f || echo no $f; done "
        "> /tmp/log 2>/dev/null; ls /d/empty >> /tmp/log 2>&1; chown daemon /d/b.md || echo no chown >> /tmp/log\n",
        TREE,
    ),
    "RUN sets another user": Case(f"FROM {PARENT}\nRUN su -s /bin/sh mail -c 'id; touch /tmp/g' > /id2\n"),
    # mounts
    "RUN with mounts": Case(
        f"FROM {PARENT} AS one\nRUN mkdir /o; echo stage > /o/f\nFROM {PARENT}\nRUN mkdir /a /b /c /e\n"
        "RUN --mount=from=one,source=/o,target=/a --mount=type=tmpfs,target=/b --mount=target=/c,source=src "
        "--mount=type=cache,target=/e,id=layerlab-same "
        "cat /a/f /c/b.md > /seen; touch /b/x /e/y; ls -l /b | wc -l >> /seen\n",
        TREE,
    ),
    "RUN with a mount that is written to": Case(
        f"FROM {PARENT}\nRUN mkdir /c\nRUN --mount=target=/c,rw echo 1 > /c/new; ls /c > /seen\n", HELLO
    ),
    "RUN may not write to a mount": Case(
        f"FROM {PARENT}\nRUN mkdir /c\nRUN --mount=target=/c touch /c/new || echo refused > /seen\n", HELLO
    ),
    "RUN with a secret": Case(
        f"FROM {PARENT}\nRUN touch /s\nRUN --mount=type=secret,id=s,target=/s cat /s > /seen; "
        f"ls -ln /s | cut -c1-30 >> /seen\n",
        secrets={"s": b"hush\n"},
    ),
    "RUN without a secret that is not given": Case(
        f"FROM {PARENT}\nRUN mkdir -p /run/secrets\nRUN --mount=type=secret,id=s ls /run/secrets > /seen\n"
    ),
    # heredocs
    "RUN with a heredoc": Case(
        f"FROM {PARENT}\nRUN <<EOF\necho one > /f\nA=two\necho $A >> /f\nEOF\nRUN <<-E cat > /g\n\tx\n\tE\n",
        older=f"FROM {PARENT}\nRUN echo one > /f; A=two; echo $A >> /f\nRUN echo x > /g\n",
    ),
    "COPY with heredocs": Case(
        f"FROM {PARENT}\nENV V=v\nCOPY <<a <<'b' /d/\n1 $V\na\n2 $V\nb\nCOPY --chmod=700 --chown=3:4 <<x /e/f\n"
        f"\u65e5\nx\n",
        older=f"FROM {PARENT}\nENV V=v\nCOPY a b /d/\nCOPY --chmod=700 --chown=3:4 x /e/f\n",
        files={"a": File(b"1 v\n"), "b": File(b"2 $V\n"), "x": File("\u65e5\n".encode())},
    ),
    # RUN, forms
    "RUN in exec form knows no variables": Case(
        f'FROM {PARENT}\nENV A=1\nRUN ["/bin/sh", "-c", "echo $A \\"$0\\" > /f"]\nRUN ["touch", "$A"]\n'
    ),
    "RUN of several lines with quotes": Case(
        f"FROM {PARENT}\nRUN echo 'a  b' \\\n && echo \"c\\\\d\" \\\n   $(echo e) > /f \\\n\n && echo 'x \\\n"
        f"y' >> /f\n"
    ),
    "RUN sees where it is": Case(
        f"FROM {PARENT}\nRUN pwd > /f; hostname >> /f; ls /dev/shm >> /f; "
        f"cat /proc/self/status | grep NoNewPrivs >> /f\n"
    ),
    "RUN in a working directory of a user": Case(
        f"FROM {PARENT}\nUSER daemon\nWORKDIR /w\nRUN ls -ldn /w | cut -c1-20 > /tmp/f; pwd >> /tmp/f\n"
    ),
    # WORKDIR, more
    "WORKDIR with variables, slashes and dots": Case(
        f"FROM {PARENT}\nENV D=x\nWORKDIR /$D/\nWORKDIR ./${{D}}/./y/../z\nRUN pwd > f\n"
    ),
    "WORKDIR relative at first": Case(f"FROM {PARENT}\nWORKDIR a\nWORKDIR 'b c'\nRUN pwd > f\n"),
    "WORKDIR of scratch": Case("FROM scratch\nWORKDIR /\nWORKDIR /a\nCOPY hello .\n", HELLO),
    "WORKDIR that is made between RUNs": Case(
        f"FROM {PARENT}\nRUN true\nWORKDIR /w/x\nRUN touch f\nWORKDIR /w\nRUN touch g\n"
    ),
}
