"""One loopback address for each container: 127.66.x.y.

So two containers can listen on port 80 at once. Several engines may share a machine, and none knows of the
others; an address is therefore claimed with an abstract unix socket of its name, which the kernel keeps unique
in the same network namespace as the addresses, and gives back when its owner ends in whatever way.

Source: unix(7), "Abstract sockets".
"""

import secrets
import socket

from kit.errors import Unavailable

PREFIX = "127.66"
SUBNET = f"{PREFIX}.0.0/16"
GATEWAY = f"{PREFIX}.0.1"
_COUNT = 254 * 253
_TRIES = 2000


class Address:
    """An address that is ours until ``release``."""

    def __init__(self, text: str, claim: socket.socket) -> None:
        self.text = text
        self._claim = claim

    def release(self) -> None:
        """May be repeated."""
        self._claim.close()


def claim() -> Address:
    """A free address. The search starts at a random place, so that engines rarely meet.

    Raises:
        Unavailable: too many containers run.
    """
    start = secrets.randbelow(_COUNT)
    for step in range(_TRIES):
        high, low = divmod((start + step) % _COUNT, 254)
        text = f"{PREFIX}.{high + 1}.{low + 1}"
        found = _try(text)
        if found is not None:
            return found
    raise Unavailable("no free container address: stop some containers")


def _try(text: str) -> Address | None:
    lock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        lock.bind(f"\0layerlab-address-{text}")
    except OSError:
        lock.close()
        return None
    return Address(text, lock)
