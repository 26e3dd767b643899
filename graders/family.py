"""What the assignment of notebook 05 hands out: the files of a family, and three images whose tags say little.

Which version is inside follows from the learner's word; the tags, a label and a variable are the same for everybody.
"""

import hashlib
import itertools
from collections.abc import Mapping

import kit

_PARTS = (
    *("apple", "bread", "cache", "digit", "eagle", "fruit", "grape", "house"),
    *("image", "juice", "knife", "layer", "mango", "night", "ocean", "piano"),
)
WORDS = tuple("-".join(parts) for parts in itertools.product(_PARTS, repeat=4))
"""More than a megabyte, so that it matters how often it is stored."""
PROGRAMS: Mapping[str, str] = {"db": "10.5", "cache": "7.2", "shop": "2.0"}
"""The three images, with the version that the tag claims."""

_REPORT = """\
#!/bin/sh
echo "words: $(wc -l < /usr/local/share/words)"
if [ -f /etc/report ]; then cat /etc/report; fi
"""
_SEARCH = """\
#!/bin/sh
if [ -f /etc/search ]; then cat /etc/search; fi
exec grep -m 3 -- "$1" /usr/local/share/words
"""
_SAYS: Mapping[str, str] = {
    "db": "db  Ver {version}-Layerlab for Linux",
    "cache": "cache server v={version} bits=64",
    "shop": "{version}",
}
_LIES: Mapping[str, str] = {
    "db": "",
    "cache": "LABEL org.opencontainers.image.version=7.2.4\n",
    "shop": "ENV SHOP_VERSION=2.0.0\n",
}


def files(nonce: str) -> dict[str, bytes | str]:
    """The files of the family: a root file system for the base, and what the others bring."""
    return {
        "rootfs.tar": _root_file_system(),
        "words": "".join(f"{word}\n" for word in WORDS),
        "report": _REPORT,
        "search": _SEARCH,
        "report.txt": f"Reported by {nonce}.\n",
        "search.txt": f"Found by {nonce}:\n",
    }


def versions(nonce: str) -> dict[str, str]:
    """The version that is really in each of ``PROGRAMS``."""
    one, two, three, four = hashlib.sha256(nonce.encode()).digest()[:4]
    return {
        "db": f"11.8.{one % 90 + 10}",
        "cache": f"6.{two % 90 + 10}.{three % 10}",
        "shop": f"2.0.{four % 90 + 10}",
    }


def build_programs(nonce: str, repository: str) -> list[str]:
    """Makes the three images as ``repository/db:10.5`` and so on; returns their names."""
    names = []
    for name, version in versions(nonce).items():
        program = f"#!/bin/sh\necho '{_SAYS[name].format(version=version)}'\n"
        dockerfile = f'FROM busybox:1\n{_LIES[name]}COPY program /usr/bin/{name}\nENTRYPOINT ["{name}"]\n'
        names.append(f"{repository}/{name}:{PROGRAMS[name]}")
        kit.build(dockerfile=dockerfile, files={"program": program}, tag=names[-1])
    return names


def _root_file_system() -> bytes:
    """Busybox's, as a container has it."""
    client = kit.connect().client
    container = client.containers.create("busybox:1")
    try:
        return b"".join(container.export())
    finally:
        container.remove(force=True)
