"""What engine and keepers say to each other: JSON in a descriptor, on a socket that keeps messages apart.

On the control socket arrives one message per request: a byte and the descriptors request, stdin, stdout, stderr,
status (or request and status). The answers go to the request's own status socket.

Source: unix(7), SCM_RIGHTS and SOCK_SEQPACKET.
"""

import json
import os
import socket
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from kit.engine.isolators.contract import Mount, Process, Sandbox, Stdio


class Request(NamedTuple):
    """``body`` has "process" (and "sandbox" for the first); for a supervisor also "processes", "pause" or "kill"."""

    body: Mapping[str, Any]
    stdio: Stdio | None
    status: socket.socket


def send(control: socket.socket, body: Mapping[str, Any], stdio: Stdio | None) -> socket.socket:
    """Sends a request; the socket on which it is answered."""
    status, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with open(os.memfd_create("request"), "wb") as file, theirs:
        file.write(json.dumps(body).encode())
        file.flush()
        try:
            socket.send_fds(control, [b"+"], [file.fileno(), theirs.fileno(), *(stdio or ())])
        except OSError:
            status.close()
            raise
    return status


def receive(control: socket.socket) -> Request | None:
    """The next request, or None when the engine has gone."""
    data, descriptors, _, _ = socket.recv_fds(control, 1, 5)
    if not data:
        return None
    with open(descriptors[0], "rb") as file:
        file.seek(0)
        body = json.load(file)
    stdio = Stdio(*descriptors[2:5]) if len(descriptors) == 5 else None
    return Request(body, stdio, socket.socket(fileno=descriptors[1]))


def from_process(process: Process) -> dict[str, Any]:
    return asdict(process)


def to_process(values: Mapping[str, Any]) -> Process:
    return Process(**{**values, **{name: tuple(values[name]) for name in ("argv", "env", "groups")}})


def from_sandbox(sandbox: Sandbox) -> dict[str, Any]:
    paths = {"rootfs": str(sandbox.rootfs.absolute()), "owners": str(sandbox.owners.absolute())}
    return asdict(sandbox) | paths


def to_sandbox(values: Mapping[str, Any]) -> Sandbox:
    paths = {name: Path(values[name]) for name in ("rootfs", "owners")}
    mounts = tuple(Mount(**mount) for mount in values["mounts"])
    ulimits = {name: (soft, hard) for name, (soft, hard) in values["ulimits"].items()}
    return Sandbox(**{**values, **paths, "mounts": mounts, "ulimits": ulimits})
