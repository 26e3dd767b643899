"""A learner's notebook is run once more, by a kernel in a sandbox; what it claims about points is not asked.

Grade cells do not run. Where one stands, the kernel is asked for the values of the cell's ``answers``, as JSON. All
else that comes back are outputs, to be looked at by people: so many bytes, and no HTML.

Source: nbclient; Jupyter's messaging protocol, "user_expressions".
"""

import ast
import asyncio
import json
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import new_output

from graders.course.booth import Booth

LARGEST_OUTPUT = 200_000
"""Bytes of a notebook's outputs that are kept: a person reads a hundredth of it."""
LARGEST_ANSWER = 100_000
LARGEST_FOLDER = 512 << 20
"""Bytes that the submission's directory may grow to, until its kernel ends."""
_KINDS = ("text/plain", "image/png")
_BLOCK = 512


@dataclass(frozen=True)
class Patience:
    """Seconds: for a cell, for all cells, for an answer."""

    cell: float = 60.0
    notebook: float = 300.0
    answer: float = 10.0


@dataclass
class Outcome:
    """``outputs``: cell number to nbformat's outputs. ``answers``: grade cell's number to what its expression is."""

    outputs: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    answers: dict[int, dict[str, Any]] = field(default_factory=dict)
    trouble: str = ""


def rerun(notebook: NotebookNode, asked: Mapping[int, str], booth: Booth, patience: Patience) -> Outcome:
    """Runs the code cells in order. ``asked``: the number of each grade cell, and an expression that gives a dict.

    Never raises for what the learner's code does; ``Outcome.trouble`` tells what ended it early.
    """
    return asyncio.run(_Rerun(notebook, asked, booth, patience).run())


class _Client(NotebookClient):  # type: ignore[misc]
    """Keeps outputs within bounds."""

    size = 0

    def output(self, outs: list[NotebookNode], msg: dict[str, Any], display_id: str, cell_index: int) -> Any:
        self.size += len(json.dumps(msg.get("content", {}), default=str))
        if self.size > LARGEST_OUTPUT:
            return None
        return super().output(outs, msg, display_id, cell_index)


class _Rerun:
    def __init__(self, notebook: NotebookNode, asked: Mapping[int, str], booth: Booth, patience: Patience) -> None:
        self._notebook, self._asked, self._booth, self._patience = notebook, asked, booth, patience
        self._outcome = Outcome()
        self._late = 0

    async def run(self) -> Outcome:
        manager = AsyncKernelManager()
        manager._kernel_spec = KernelSpec(
            argv=["python", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
            language="python",
            interrupt_mode="message",
            metadata={
                "kernel_provisioner": {
                    "provisioner_name": "layerlab-sandbox",
                    "config": {"booth": str(self._booth.root)},
                }
            },
        )
        client = _Client(
            self._notebook,
            km=manager,
            timeout=int(self._patience.cell),
            interrupt_on_timeout=True,
            allow_errors=True,
            startup_timeout=120,
        )
        try:
            async with client.async_setup_kernel():
                watch = asyncio.create_task(self._watch(manager))
                try:
                    await asyncio.wait_for(self._cells(client), self._patience.notebook)
                finally:
                    watch.cancel()
        except TimeoutError:
            self._outcome.trouble = f"the notebook took more than {self._patience.notebook:g} seconds"
        finally:
            await manager.shutdown_kernel(now=True)
        return self._outcome

    async def _watch(self, manager: AsyncKernelManager) -> None:
        """Ends the kernel when its directory is full."""
        while await asyncio.to_thread(size_of, self._booth.work) <= LARGEST_FOLDER:
            await asyncio.sleep(0.5)
        self._outcome.trouble = "its files take more room than there is"
        await manager.provisioner.kill()

    async def _cells(self, client: NotebookClient) -> None:
        for number, cell in enumerate(self._notebook.cells):
            if number in self._asked:
                self._outcome.answers[number] = await self._ask(client, self._asked[number])
            elif cell.cell_type == "code" and cell.source.strip() and not await self._cell(client, number, cell):
                return

    async def _cell(self, client: NotebookClient, number: int, cell: NotebookNode) -> bool:
        """Whether the kernel can go on."""
        begin = time.monotonic()
        try:
            await client.async_execute_cell(cell, number)
        except (DeadKernelError, CellTimeoutError) as error:
            self._outcome.trouble = self._outcome.trouble or str(error).strip().partition("\n")[0]
        except asyncio.CancelledError:
            raise
        except Exception as error:  # the learner's kernel may send anything at all
            self._outcome.trouble = f"the kernel sent what is no message: {type(error).__name__}"
        self._outcome.outputs[number] = [found for found in map(plain, cell.outputs) if found]
        self._late += time.monotonic() - begin >= self._patience.cell
        return self._late < 2 and await _lives(client)

    async def _ask(self, client: NotebookClient, expression: str) -> dict[str, Any]:
        """The dict as plain values; an empty one, if the kernel gives no such."""
        with suppress(Exception):  # likewise: no answer is no points, and never an error of ours
            text = await asyncio.wait_for(self._text(client, expression), self._patience.answer)
            found = json.loads(text) if len(text) <= LARGEST_ANSWER else None
            return found if isinstance(found, dict) else {}
        return {}

    async def _text(self, client: NotebookClient, expression: str) -> str:
        wanted = {"asked": f"__import__('json').dumps({expression})"}
        key = client.kc.execute("", silent=True, store_history=False, user_expressions=wanted)
        while True:
            reply = await client.kc.get_shell_msg()
            if reply["parent_header"].get("msg_id") == key:
                shown = reply["content"]["user_expressions"]["asked"]["data"]["text/plain"]
                if len(shown) > 2 * LARGEST_ANSWER:
                    return ""
                return str(ast.literal_eval(shown))


async def _lives(client: NotebookClient) -> bool:
    return bool(await client.km.is_alive())


def plain(output: NotebookNode) -> dict[str, Any] | None:
    """An output without what a browser would run; None if nothing is left."""
    kind = output.get("output_type")
    if kind == "stream":
        name = "stderr" if output.get("name") == "stderr" else "stdout"
        return dict(new_output("stream", name=name, text=str(output.get("text", ""))))
    if kind == "error":
        trace = [str(line) for line in output.get("traceback", ())]
        return dict(
            new_output("error", ename=str(output.get("ename")), evalue=str(output.get("evalue")), traceback=trace)
        )
    if kind in ("execute_result", "display_data"):
        data = {name: str(text) for name, text in output.get("data", {}).items() if name in _KINDS}
        return dict(new_output("display_data", data=data)) if data else None
    return None


def size_of(directory: Path) -> int:
    """Bytes on disk below ``directory``; no symlink is followed."""
    size = 0
    for path in directory.rglob("*"):
        with suppress(OSError):
            size += path.lstat().st_blocks * _BLOCK
    return size
