"""What EXPOSE takes: ``80``, ``53/udp``, ``8000-8010``.

Source: Dockerfile reference, "EXPOSE"; BuildKit for what it still takes (an address and a port of the host) and
warns about.
"""

import ipaddress
import re
from collections.abc import Callable

from kit.dockerfile.errors import Wrong
from kit.dockerfile.go import quote

Warn = Callable[[str, str], None]  # rule, text


def parse_port(text: str, warn: Warn) -> list[str]:
    """``text`` as a list of ``port/protocol``.

    Raises:
        Wrong: a port or a protocol that there isn't.
    """
    *before, container = text.split(":")
    host = before.pop() if before else ""
    address = ":".join(before)
    container, _, protocol = container.partition("/")
    if not container:
        raise Wrong(f"invalid port: {quote(text)}: no port specified", text)
    if protocol.lower() not in ("", "tcp", "udp", "sctp"):
        raise Wrong(f"invalid port: {quote(text)}: invalid proto: {protocol}", text)
    if protocol != protocol.lower():
        warn("ExposeProtoCasing", f"Defined protocol '{text}' in EXPOSE instruction should be lowercase")
    if address or host:
        what = "EXPOSE instruction should not define an IP address or host-port mapping"
        warn("ExposeInvalidFormat", f"{what}, found '{text}'")
    _check_address(address, text)
    first, last = _range(container, "containerPort", text)
    if host:
        host_first, host_last = _range(host, "hostPort", text)
        if last - first != host_last - host_first and last != first:
            raise Wrong(f"invalid ranges specified for container and host Ports: {container} and {host}", text)
    return [f"{port}/{protocol.lower() or 'tcp'}" for port in range(first, last + 1)]


def _check_address(address: str, near: str) -> None:
    if not address:
        return
    try:
        ipaddress.ip_address(address[1:-1] if address.startswith("[") and address.endswith("]") else address)
    except ValueError as error:
        raise Wrong(f"invalid IP address: {address}", near) from error


def _range(text: str, what: str, near: str) -> tuple[int, int]:
    start, dash, end = text.partition("-")
    first = _number(start)
    last = _number(end) if dash else first
    if first is None or last is None or last < first:
        raise Wrong(f"invalid {what}: {text}", near)
    return first, last


def _number(text: str) -> int | None:
    found = re.fullmatch(r"\+?0*([0-9]{1,5})", text, re.ASCII)
    return int(found[1]) if found and int(found[1]) <= 65535 else None
