"""The picture of a large image stays small: what it shows is bounded, what it does not show is counted."""

import json
import tracemalloc

from kit.layer.changeset import Changeset
from kit.layer.tree import Entry, Kind
from kit.oci.config import ImageConfig
from kit.oci.digest import digest_of
from kit.views.models.stack import Stack

FILES = 30_000
EACH = 80_000
"""Bytes of a file: over two gigabytes in all."""


def config(layers: int) -> ImageConfig:
    diff_ids = [digest_of(b"%d" % number) for number in range(layers)]
    rootfs = {"type": "layers", "diff_ids": diff_ids}
    return ImageConfig.parse(json.dumps({"architecture": "amd64", "os": "linux", "rootfs": rootfs}).encode())


def large() -> Changeset:
    one = digest_of(b"")
    paths = (f"usr/{number // 100}/{number}.so" for number in range(FILES))
    return Changeset({path: Entry(Kind.FILE, 0o644, size=EACH, digest=one) for path in paths})


def test_gigabytes_in_thousands_of_files_are_a_page() -> None:
    below = large()
    gone = frozenset(list(below.entries)[: FILES // 2])
    tracemalloc.start()
    stack = Stack.of("large:1", config(2), [below, Changeset(removed=gone)])
    text, html = stack.text(), stack.html()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(html) < 30_000 and len(text) < 10_000
    assert peak < 1000 * FILES, "less than a kilobyte a file, while it is made"
    for page in (text, html):
        assert "30,000 changes, 2.4 GB" in page and "… and 29,992 more" in page
        assert "15,000 changes, 0 B" in page and "1.2 GB that you ship and nobody can see" in page
        assert "… and 14,995 more" in page
