"""Files that many cases use."""

from tests.engine.build.cases.shapes import File

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

CAPABILITY = bytes.fromhex("0100000200200000000000000000000000000000")
"""``cap_net_raw+ep``, as the kernel keeps it."""
