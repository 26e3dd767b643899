"""The isolator ``root``: namespaces made by a process that really is root.

Files in the root file system carry their real owners, devices and capabilities, and programs with the set-id
bit work as they do in Docker. (Through bubblewrap they would not: it sets ``no_new_privs`` for good.)
"""

from kit.engine.isolators.contract import Probe
from kit.engine.isolators.namespaces import client


class Root(client.Containers):
    """Runs containers as real root. Implements ``contract.Isolator``."""

    name = "root"
    real_owners = True


def probe() -> Probe:
    """Whether this process is root and may make namespaces and mount in them."""
    return client.probe("root")
