"""A Jupyter kernel in a sandbox: ``layerlab-sandbox`` of the entry points ``jupyter_client.kernel_provisioners``.

A kernel specification asks for it in its metadata, and says which box:

    {"kernel_provisioner": {"provisioner_name": "layerlab-sandbox", "config": {"booth": "/tmp/…"}}}

The kernel speaks over unix sockets in a directory of the box, and is interrupted by message: signals do not reach
into its namespaces.

Source: jupyter_client, "Kernel provisioning".
"""

import asyncio
import os
import select
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

from jupyter_client.provisioning import LocalProvisioner
from traitlets import Unicode

from graders.course.booth import Booth
from graders.course.sandbox import Kind, give

PATIENCE = 30.0
"""Seconds for a sandbox to end; it takes a hundredth of one."""


class SandboxProvisioner(LocalProvisioner):  # type: ignore[misc]
    """Starts a kernel as ``LocalProvisioner`` does, but inside. ``booth`` is the directory of a ``Booth``."""

    kind = Kind.NONE
    booth = Unicode("", help="the directory of the booth that the kernel runs in").tag(config=True)

    async def pre_launch(self, **words: Any) -> dict[str, Any]:
        """
        Raises:
            Invalid: no booth was laid out there.
        """
        booth = Booth.read(Path(self.booth))
        self.kind, manager = booth.kind, self.parent
        manager.transport, manager.ip = "ipc", str(booth.run / "ipc")
        manager.connection_file = str(booth.run / "kernel.json")
        words = await super().pre_launch(**words)
        give(booth.run / "kernel.json", booth.user)
        words["cmd"] = booth.command(words["cmd"])
        words["env"] = {"PATH": os.environ.get("PATH", os.defpath)} | booth.outside
        words["cwd"] = str(booth.root)
        return words

    async def kill(self, restart: bool = False) -> None:
        """Ends all that runs in the sandbox: when this returns, nobody there can do anything any more.

        A namespace's first process is gone only when every other one of it is; the supervisor tells its end likewise.
        """
        if self.process and self.kind is Kind.SUPERVISOR:
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(self.process.wait, PATIENCE)
        elif self.process:
            for descriptor in first_of(self.process.pid):
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                await asyncio.to_thread(select.select, [descriptor], [], [], PATIENCE)
                os.close(descriptor)
        await super().kill(restart)


def first_of(pid: int) -> list[int]:
    """The processes that ``pid`` has started, as pidfds."""
    found = []
    with suppress(OSError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            with suppress(OSError):
                found.append(os.pidfd_open(int(child)))
    return found
