"""Hypothesis strategies: small trees of entries, close enough to each other that they collide."""

from hypothesis import strategies as st

from kit.layer.tree import Entry, Kind, Tree
from kit.oci.digest import digest_of

NAMES = ("a", "b", "ab", "a.b", "é", "\udcff", "-", " ")
"""Few names, so that two trees share paths; among them what sorts around a slash, and bytes that are no UTF-8."""

CONTENTS = (b"", b"x", b"y" * 513)

CAPABILITY = b"\1\0\0\2\0\4" + bytes(14)
"""cap_net_bind_service=ep, as the kernel keeps it."""

_facts = st.fixed_dictionaries(
    {
        "mode": st.sampled_from([0o755, 0o644, 0o4711, 0]),
        "uid": st.sampled_from([0, 1000, 2**21, 2**31]),
        "gid": st.sampled_from([0, 33]),
        "mtime": st.sampled_from([0.0, 1.0, 2.0**33, -5.0]),
    }
)


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    """Anything but a hard link."""
    kind = draw(st.sampled_from(list(Kind)))
    facts = draw(_facts)
    if kind is Kind.FILE:
        data = draw(st.sampled_from(CONTENTS))
        xattrs = draw(st.sampled_from([(), (("security.capability", CAPABILITY),)]))
        return Entry(kind, size=len(data), digest=digest_of(data), xattrs=xattrs, **facts)
    if kind is Kind.SYMLINK:
        return Entry(kind, target=draw(st.sampled_from(["a", "/b/a", "é/" + "n" * 120])), **{**facts, "mode": 0o777})
    device = (draw(st.integers(0, 4095)), 3) if kind in (Kind.CHARACTER, Kind.BLOCK) else (0, 0)
    return Entry(kind, device=device, **facts)


@st.composite
def trees(draw: st.DrawFn) -> dict[str, Entry]:
    """A tree as a scan gives it: every directory is listed, and a file's first name is the file itself."""
    found: dict[str, Entry] = {}
    for _ in range(draw(st.integers(0, 12))):
        above = draw(st.sampled_from(["", *(path for path, entry in found.items() if entry.kind is Kind.DIRECTORY)]))
        name = draw(st.sampled_from(NAMES))
        path = f"{above}/{name}" if above else name
        if path not in found:
            found[path] = draw(entries())
    return _with_links(draw, found)


def _with_links(draw: st.DrawFn, found: dict[str, Entry]) -> dict[str, Entry]:
    files = sorted(path for path, entry in found.items() if entry.kind is Kind.FILE)
    if len(files) > 1 and draw(st.booleans()):
        names = sorted(draw(st.lists(st.sampled_from(files), min_size=2, unique=True)))
        file = found[names[0]]
        for name in names[1:]:
            found[name] = Entry(
                Kind.FILE, file.mode, file.uid, file.gid, file.size, file.digest, hardlink=names[0],
                xattrs=file.xattrs, mtime=file.mtime,
            )  # fmt: skip
    return dict(sorted(found.items()))


def content_of(tree: Tree, path: str) -> bytes:
    """The bytes that a file of such a tree has."""
    return next(data for data in CONTENTS if digest_of(data) == tree[path].digest)
