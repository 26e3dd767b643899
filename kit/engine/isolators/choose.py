"""Which isolator this machine allows: found by trying, best first.

``root`` where the engine is real root, ``userns`` where an ordinary user may make namespaces, ``seccomp``
everywhere else.
"""

from collections.abc import Callable
from typing import NamedTuple

from kit.engine.isolators import root, seccomp, userns
from kit.engine.isolators.contract import Isolator, Probe
from kit.errors import Invalid, Unavailable


class Row(NamedTuple):
    """One isolator: how to try it, and how to make one."""

    name: str
    probe: Callable[[], Probe]
    make: Callable[[], Isolator]


ROWS: tuple[Row, ...] = (
    Row("root", root.probe, root.Root),
    Row("userns", userns.probe, userns.Userns),
    Row("seccomp", seccomp.probe, seccomp.Seccomp),
)


def probe() -> list[Probe]:
    """What each isolator says of this machine, in the order of choice."""
    return [row.probe() for row in ROWS]


def choose(wanted: str | None = None) -> tuple[Isolator, list[Probe]]:
    """The isolator that is wanted, or else the first that works; and what those tried have said.

    Raises:
        Invalid: no isolator has that name.
        Unavailable: it, or every one, does not work here; the text says why.
    """
    rows = [row for row in ROWS if wanted in (None, "", row.name)]
    if not rows:
        raise Invalid(f"no isolator is called {wanted!r}: there are {', '.join(row.name for row in ROWS)}")
    tried: list[Probe] = []
    for row in rows:
        tried.append(row.probe())
        if tried[-1].works:
            return row.make(), tried
    raise Unavailable("no isolator works here: " + "; ".join(f"{found.name}: {found.why}" for found in tried))
