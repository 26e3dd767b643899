"""The isolator ``userns``: namespaces of an ordinary user, where the kernel lets everybody make their own.

In a user namespace the engine's user is root, and there is nobody else. So containers are walled off by the kernel
as those of ``root`` are, paths and programs are the kernel's business, and files are the engine's own on the
disk. Who a process is and who owns a file is recorded and answered by a supervisor (``namespaces.recorded``).
"""

from kit.engine.isolators.contract import Probe
from kit.engine.isolators.namespaces import client
from kit.engine.isolators.supervisor.addresses import SHIFT


class Userns(client.Containers):
    """Runs containers in user namespaces. Implements ``contract.Isolator``."""

    name = "userns"
    real_owners = False
    shift = SHIFT


def probe() -> Probe:
    """Whether this process may make user namespaces, mount in them, and answer calls."""
    return client.probe("userns")
