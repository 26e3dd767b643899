"""The isolator, promised: the engine answers at once, and the first container waits until the machine was tried.

Source: trying takes a tenth of a second per isolator; a client that only lists images need not wait for it.
"""

import threading
from collections.abc import Callable

from kit.engine.isolators import choose
from kit.engine.isolators.contract import Isolator, Process, Running, Sandbox, Stdio
from kit.engine.system.about import Isolation
from kit.errors import Invalid, KitError, Unavailable


class PromisedIsolator:
    """The isolator ``wanted``, or the best that works. Implements ``isolators.contract.Isolator``."""

    def __init__(self, wanted: str, told: Callable[[Isolation], None] = lambda _: None) -> None:
        """``told`` is called once the choice is made, in another thread.

        Raises:
            Invalid: no isolator has that name.
        """
        names = [row.name for row in choose.ROWS]
        if wanted and wanted not in names:
            raise Invalid(f"no isolator is called {wanted!r}: there are {', '.join(names)}")
        self._wanted, self._told = wanted, told
        self._isolator: Isolator | None = None
        self._isolation = Isolation("")
        self._chooser = threading.Thread(target=self._choose, name="isolator", daemon=True)
        self._chooser.start()

    def _choose(self) -> None:
        try:
            self._isolator, probes = choose.choose(self._wanted)
            self._isolation = Isolation(self._isolator.name, tuple(probes))
        except (KitError, OSError) as error:
            self._isolation = Isolation("", why=str(error))
        self._told(self._isolation)

    @property
    def isolation(self) -> Isolation:
        """What was chosen; waits for it."""
        self._chooser.join()
        return self._isolation

    def _chosen(self) -> Isolator:
        self._chooser.join()
        if self._isolator is None:
            raise Unavailable(self._isolation.why)
        return self._isolator

    @property
    def name(self) -> str:
        return self._chosen().name

    @property
    def real_owners(self) -> bool:
        return self._chosen().real_owners

    def start(self, sandbox: Sandbox, process: Process, stdio: Stdio) -> Running:
        return self._chosen().start(sandbox, process, stdio)

    def close(self) -> None:
        self._chooser.join()
        if self._isolator is not None:
            self._isolator.close()
