"""A Jupyter kernel in a sandbox: ``layerlab-sandbox`` of the entry points ``jupyter_client.kernel_provisioners``.

A kernel specification asks for it in its metadata, and says which box:

    {"kernel_provisioner": {"provisioner_name": "layerlab-sandbox", "config": {"booth": "/tmp/…"}}}

The kernel speaks over unix sockets in a directory of the box, and is interrupted by message: signals do not reach
into its namespaces.

Source: jupyter_client, "Kernel provisioning".
"""

import os
from pathlib import Path
from typing import Any

from jupyter_client.provisioning import LocalProvisioner
from traitlets import Unicode

from graders.course.booth import Booth
from graders.course.sandbox import give


class SandboxProvisioner(LocalProvisioner):  # type: ignore[misc]
    """Starts a kernel as ``LocalProvisioner`` does, but inside. ``booth`` is the directory of a ``Booth``."""

    booth = Unicode("", help="the directory of the booth that the kernel runs in").tag(config=True)

    async def pre_launch(self, **words: Any) -> dict[str, Any]:
        """
        Raises:
            Invalid: no booth was laid out there.
        """
        booth = Booth.read(Path(self.booth))
        manager = self.parent
        manager.transport, manager.ip = "ipc", str(booth.run / "ipc")
        manager.connection_file = str(booth.run / "kernel.json")
        words = await super().pre_launch(**words)
        give(booth.run / "kernel.json", booth.user)
        words["cmd"] = booth.command(words["cmd"])
        words["env"] = {"PATH": os.environ.get("PATH", os.defpath)} | booth.outside
        words["cwd"] = str(booth.root)
        return words
