"""ADD: archives are unpacked, all else is copied."""

import gzip
from collections.abc import Mapping

from tests.engine.build.cases.materials import ARCHIVE, CAPABILITY, HELLO, TREE
from tests.engine.build.cases.shapes import PARENT, Case, File, packed

CASES: Mapping[str, Case] = {
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
    "add several": Case(
        "FROM scratch\nADD a.tar hello b.tar.gz /t/\n",
        {"a.tar": File(packed(ARCHIVE)), **HELLO, "b.tar.gz": File(packed({"in": File(b"b")}, "w:gz"))},
    ),
    "add by pattern": Case(
        "FROM scratch\nADD *.tar /t/\n", {"a.tar": File(packed(ARCHIVE)), "b.tar": File(packed({"in": File(b"b")}))}
    ),
    "add a directory": Case("FROM scratch\nADD src /d\n", TREE),
    "add with an owner": Case("FROM scratch\nADD --chown=5:6 src /d\n", TREE),
    "add a tar over a tar": Case(
        f"FROM {PARENT}\nADD a.tar /t\nADD b.tar /t\n",
        {
            "a.tar": File(packed(ARCHIVE)),
            "b.tar": File(packed({"pack": File(directory=True, mode=0o700), "pack/file": File(b"second")})),
        },
    ),
    "add a tar without its directories": Case(
        "FROM scratch\nADD a.tar /t\n", {"a.tar": File(packed({"x/y/z": File(b"1"), "./p/q": File(b"2")}))}
    ),
    "add a tar of devices and pipes": Case(
        "FROM scratch\nADD a.tar /t\n",
        {"a.tar": File(packed({"null": File(device=(1, 3), mode=0o666), "p": File(fifo=True, mode=0o600)}))},
    ),
    "add a tar that replaces kinds": Case(
        f"FROM {PARENT}\nRUN mkdir /t /t/link; echo 1 > /t/dir; ln -s /etc /t/file\nADD a.tar /t\n",
        {
            "a.tar": File(
                packed(
                    {"dir": File(directory=True), "dir/x": File(b"1"), "file": File(b"2"), "other": File(link="dir")}
                )
            )
        },
    ),
    "add a tar in which a file comes twice": Case(
        "FROM scratch\nADD a.tar /t\n",
        {"a.tar": File(packed({"f": File(b"first"), "./f": File(b"the second one", 0o600)}))},
    ),
    "add a tar with absolute names": Case(
        "FROM scratch\nADD a.tar /t\n", {"a.tar": File(packed({"/abs/f": File(b"1"), "a/../b": File(b"2")}))}
    ),
    "add a tar with a capability": Case(
        "FROM scratch\nADD a.tar /t\n",
        {"a.tar": File(packed({"ping": File(b"p", 0o755, xattrs={"security.capability": CAPABILITY})}))},
    ),
    "add a tar with large numbers and odd names": Case(
        "FROM scratch\nADD a.tar /t\n",
        {
            "a.tar": File(
                packed(
                    {
                        "o": File(b"1", owner=(2_000_000, 3_000_000)),
                        "\u65e5\u672c/\u00fc": File(b"2"),
                        "l" * 200: File(b"3"),
                        "s": File(link="\u00fc" * 80),
                    }
                )
            )
        },
    ),
    "add an empty tar": Case("FROM scratch\nADD a.tar /t/\n", {"a.tar": File(packed({}))}),
    "add a tar to a file's name": Case("FROM scratch\nADD a.tar /t/x.tar\n", {"a.tar": File(packed(ARCHIVE))}),
    "add a tar that ends early": Case("FROM scratch\nADD a.bin /t/\n", {"a.bin": File(packed(ARCHIVE)[:400])}),
    "add by a symlink": Case("FROM scratch\nADD l /t/\n", {"a.tar": File(packed(ARCHIVE)), "l": File(link="a.tar")}),
}
