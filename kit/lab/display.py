"""Showing a view while it grows: one HTML output in a notebook, lines in a terminal, nothing in a script."""

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TextIO

from kit.views.blocks import View

INTERVAL = 0.25
"""Seconds between two updates: what a screen reader and a slow browser can follow."""


def shell() -> Any:
    """IPython's shell, if code runs in one; None in a script."""
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython else None


def in_notebook() -> bool:
    """Whether output goes to a kernel's front end rather than to a terminal."""
    return hasattr(shell(), "kernel")


def display(what: Any, **options: Any) -> Any:
    """IPython's ``display``, which is not there in a script."""
    from IPython.display import display as show

    return show(what, **options)  # type: ignore[no-untyped-call]


class Live:
    """A view that is shown while work goes on.

    In a notebook one output is replaced, a few times a second, and the last view stays. In a terminal ``lines``
    of the view that are new are written to standard error. ``show`` may be called as often as you like; work that
    is done at once shows its end only.
    """

    def __init__(self, *, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._next = clock, clock() + INTERVAL
        self._handle: Any = None
        self._stream = stream or sys.stderr
        self._waiting: View | None = None
        self._notebook = in_notebook()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._waiting is not None:
            self._display(self._waiting)

    @property
    def shown(self) -> bool:
        """Whether a front end has the view."""
        return self._handle is not None

    def finish(self, view: View) -> None:
        """The view as it will stay."""
        self._next = 0.0
        self.show(view)

    def vanish(self) -> None:
        """Shows nothing any more: what came out is a value that the cell will show."""
        self._waiting = None
        if self._handle is not None:
            self._handle.update({"text/plain": ""}, raw=True)

    def show(self, view: View) -> None:
        """The view as it is now; shown at once, or soon."""
        if not self._notebook:
            return
        if self._clock() < self._next:
            self._waiting = view
            return
        self._display(view)

    def line(self, text: str) -> None:
        """One more line for a terminal; a notebook has the view."""
        if not self._notebook and self._stream.isatty():
            print(text, file=self._stream, flush=True)

    def _display(self, view: View) -> None:
        self._waiting, self._next = None, self._clock() + INTERVAL
        if self._handle is None:
            self._handle = display(view, display_id=True)
        else:
            self._handle.update(view)
