"""``tools:1``: a C compiler and its two C libraries, for lessons that need a kitchen beside the dining room.

What only large programs need (link-time optimization, sanitizers, manuals) is left out, and busybox is the shell.
So it is a sixth of what ``apt-get install gcc`` brings.
"""

import re

from kit.lab.unpacked import Unpacked

_LEFT_OUT = re.compile(
    r"(var/(cache|lib|log)|usr/share/(doc|info|lintian|locale|man|gdb|bug)|usr/lib/.*/(gprofng|perl.*|bfd-plugins))/.+"
    r"|usr/libexec/gcc/.*/(lto1|lto-wrapper|g\+\+-mapper-server)|usr/bin/.*(lto-dump|gprofng|gp-|gcov|dwp).*"
    r"|usr/lib/.*/lib(asan|hwasan|lsan|tsan|ubsan|gprofng)[^/]*|usr/include/(drm|sound|rdma|misc|scsi|xen|video)/.+"
    r"|(dev|etc/apt)/.+"
)
APPLETS = (
    *(
        "cat",
        "chmod",
        "cmp",
        "cp",
        "date",
        "echo",
        "env",
        "find",
        "grep",
        "head",
        "id",
        "install",
        "ln",
        "ls",
        "mkdir",
    ),
    *("mv", "printf", "rm", "sed", "sh", "sha256sum", "sleep", "sort", "tail", "test", "touch", "tr", "uname", "wc"),
    *("true", "false", "expr", "seq", "tee", "xargs", "od", "stat"),
)
"""The commands of a small shell."""

TOOLS = Unpacked(
    name="tools:1",
    packages=("base-files", "busybox-static", "gcc", "libc6-dev", "musl-tools"),
    left_out=_LEFT_OUT,
    applets=APPLETS,
).recipe("gcc, glibc and musl from trixie, with busybox")
