"""The two files that a build lends to its commands: ``/etc/hosts`` and ``/etc/resolv.conf``.

Source: buildkit, executor/oci/hosts.go, resolvconf.go.
"""

from collections.abc import Iterable
from pathlib import Path

from kit.engine.build.running import HOSTNAME
from kit.errors import Invalid

FALLBACK = "nameserver 8.8.8.8\nnameserver 8.8.4.4\n"
MACHINE = "127.0.0.1"


def hosts_file(folder: Path, extra: Iterable[str]) -> Path:
    """``extra``: ``name:address`` as in ``--add-host``; ``host-gateway`` is this machine.

    Raises:
        Invalid: not of that form.
    """
    lines = [f"{MACHINE}\tlocalhost {HOSTNAME}", "::1\tlocalhost ip6-localhost ip6-loopback"]
    for text in extra:
        name, colon, address = text.replace("=", ":", 1).partition(":")
        if not (name and colon and address):
            raise Invalid(f'bad format for add-host: "{text}"')
        lines.append(f"{MACHINE if address == 'host-gateway' else address.strip('[]')}\t{name}")
    return _written(folder / "hosts", "\n".join(lines) + "\n")


def resolver_file(folder: Path, machine: Path = Path("/etc/resolv.conf")) -> Path:
    """The machine's own, or public resolvers where it has none."""
    try:
        text = machine.read_text(errors="replace")
    except OSError:
        text = FALLBACK
    return _written(folder / "resolv.conf", text)


def _written(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o644)
    return path
