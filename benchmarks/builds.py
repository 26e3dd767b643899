"""Builds of all sizes, against both of dockerd's builders: the classic one, and BuildKit by the docker command."""

import io
import tarfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache

from benchmarks.peers import Peer
from benchmarks.table import by_turns, head, row

PARENT = "bench-debian:13"
APT = "RUN apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "
HELLO = 'FROM scratch\nCOPY hello /\nCMD ["/hello"]\n'
TEN_COPIES = f"FROM {PARENT}\n" + "".join(f"ENV V{n}={n}\nCOPY f{n} /srv/f{n}\n" for n in range(5))
TEN_RUNS = f"FROM {PARENT}\n" + "".join(f"RUN echo {n} > /srv/{n}\n" for n in range(10))
TWO_COPIES = f"FROM {PARENT}\nCOPY f0 /srv/f0\nCOPY f1 /srv/f1\nRUN cat /srv/f0 /srv/f1 > /srv/both\n"
FILES = 20_000


@dataclass(frozen=True)
class Case:
    """A build. ``context`` makes its tar: what is built is new where the number is."""

    name: str
    context: Callable[[int], bytes]
    cache: bool = False
    at_once: int = 1

    def ready(self, peer: Peer, number: int) -> Callable[[], object]:
        """The build (or builds), with its context made."""
        contexts = [self.context(100 * number + which) for which in range(self.at_once)]

        def run() -> None:
            with ThreadPoolExecutor(self.at_once) as pool:
                list(pool.map(lambda context: peer.build(context, cache=self.cache), contexts))

        return run


def context(dockerfile: str, files: Mapping[str, bytes] = {}) -> bytes:
    """A build context as a tar."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in {"Dockerfile": dockerfile.encode(), **files}.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o755
            tar.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def numbered(dockerfile: str, count: int) -> Callable[[int], bytes]:
    """Contexts with the files ``f0`` …, which hold the number."""
    return lambda number: context(dockerfile, {f"f{n}": b"%d" % number for n in range(count)})


@cache
def many_files(number: int) -> bytes:
    """A context of 20,000 small files; one of them holds the number."""
    files = {f"{n // 100}/{n}": b"%d\n" % n * 100 for n in range(FILES)}
    return context("FROM scratch\nCOPY . /srv/\n", files | {"7/777": b"%d" % number})


SMALL = (
    Case("hello, cold", lambda number: context(HELLO, {"hello": b"\x7fELF%d" % number})),
    Case("hello, cached", lambda _: context(HELLO, {"hello": b"\x7fELF"}), cache=True),
    Case("ten COPY and ENV", numbered(TEN_COPIES, 5)),
    Case("ten small RUN", lambda _: context(TEN_RUNS)),
    Case("RUN after two COPY", numbered(TWO_COPIES, 2)),
    Case("eight of these at once", numbered(TWO_COPIES, 2), at_once=8),
)
LARGE_CONTEXT = (
    Case("20,000 files, unchanged", lambda _: many_files(0), cache=True),
    Case("20,000 files, one changed", many_files, cache=True),
)
INSTALLING = (Case("apt-get install figlet", lambda _: context(f"FROM {PARENT}\n{APT}figlet\n")),)


def small(others: Sequence[Peer], ours: Sequence[Peer]) -> None:
    _table("builds", SMALL, 5, others, ours)


def large_context(others: Sequence[Peer], ours: Sequence[Peer]) -> None:
    _table("context", LARGE_CONTEXT, 3, others, ours[:1])


def installing(others: Sequence[Peer], ours: Sequence[Peer]) -> None:
    _table("installing", INSTALLING, 3, others, ours)


def _table(title: str, cases: Iterable[Case], times: int, others: Sequence[Peer], ours: Sequence[Peer]) -> None:
    head(title, [peer.name for peer in others], [peer.name for peer in ours])
    for case in cases:
        runs = {
            peer.name: (lambda number, case=case, peer=peer: case.ready(peer, number)) for peer in (*others, *ours)
        }
        taken = by_turns(runs, times)
        row(
            case.name,
            {peer.name: taken[peer.name] for peer in others},
            {peer.name: taken[peer.name] for peer in ours},
        )
