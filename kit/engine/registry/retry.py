"""Trying again, with longer and longer pauses, what may work in a moment."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from kit.engine.registry.errors import Passing

T = TypeVar("T")


def patiently(action: Callable[[], T], delays: Sequence[float], wait: Callable[[float], object]) -> T:
    """What ``action`` returns, tried anew after each of ``delays`` (seconds) while its trouble is ``Passing``."""
    for delay in delays:
        try:
            return action()
        except Passing:
            wait(delay)
    return action()
