"""The three files that the engine lends to a container: ``/etc/hosts``, ``/etc/hostname``, ``/etc/resolv.conf``.

Source: the files that dockerd 20.10 writes.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

_LOCAL = """\
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
ff00::0\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
"""
FALLBACK = "nameserver 8.8.8.8\nnameserver 8.8.4.4\n"
"""What dockerd gives when the host has no resolver."""


def hosts_text(own: Sequence[tuple[str, str]], others: Iterable[tuple[str, Sequence[str]]]) -> str:
    """``/etc/hosts``. ``own``: address and names as one text; ``others``: address and its names."""
    lines = [f"{address}\t{names}\n" for address, names in own]
    lines += [f"{address}\t{' '.join(dict.fromkeys(names))}\n" for address, names in others if names]
    return _LOCAL + "".join(lines)


def resolv_text(host: Mapping[str, Any], machine: Path = Path("/etc/resolv.conf")) -> str:
    """``/etc/resolv.conf``: the machine's own, with what HostConfig ``host`` sets in its place."""
    try:
        lines = machine.read_text(errors="replace").splitlines()
    except OSError:
        lines = FALLBACK.splitlines()
    if host.get("Dns"):
        lines = _without(lines, "nameserver") + [f"nameserver {server}" for server in host["Dns"]]
    if host.get("DnsSearch"):
        lines = [*_without(lines, "search", "domain"), f"search {' '.join(host['DnsSearch'])}"]
    if host.get("DnsOptions"):
        lines = [*_without(lines, "options"), f"options {' '.join(host['DnsOptions'])}"]
    return "".join(f"{line}\n" for line in lines)


def _without(lines: Iterable[str], *words: str) -> list[str]:
    return [line for line in lines if line.split(None, 1)[:1] not in [[word] for word in words]]


def write_in_place(path: Path, text: str) -> None:
    """Writes ``text`` over the same file, because a running container holds on to it."""
    with open(path, "r+" if path.exists() else "w") as file:
        file.write(text)
        file.truncate()
    path.chmod(0o644)
