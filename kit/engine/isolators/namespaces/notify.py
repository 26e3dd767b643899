"""System calls that wait for an answer: the loop that takes them from a container's filters.

Every process that is started in a container brings a filter of its own, whose listener arrives on a socket. The
loop ends when that socket is closed, which is when the keeper has ended.

Source: seccomp_unotify(2).
"""

import errno
import os
import select
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress

from kit.engine.isolators.supervisor import kernel


class Asked:
    """One call that waits. Exactly one of ``go_on``, ``answer``, ``refuse`` and ``give`` must follow."""

    __slots__ = ("arguments", "identity", "listener", "pid", "what")

    def __init__(self, listener: int, identity: int, pid: int, what: int, arguments: Sequence[int]) -> None:
        self.listener, self.identity, self.pid, self.what, self.arguments = listener, identity, pid, what, arguments

    def number(self, index: int) -> int:
        """An ``int`` argument."""
        value = self.arguments[index] & 0xFFFFFFFF
        return value - (1 << 32) if value >> 31 else value

    def unsigned(self, index: int) -> int:
        return self.arguments[index] & 0xFFFFFFFF

    def waits(self) -> bool:
        """Whether it still does: else the process was killed, and its number may be another's by now."""
        return kernel.still_waits(self.listener, self.identity)

    def go_on(self) -> None:
        """The kernel does it."""
        with suppress(OSError):
            kernel.let_go_on(self.listener, self.identity)

    def answer(self, result: int) -> None:
        with suppress(OSError):
            kernel.answer(self.listener, self.identity, result)

    def refuse(self, problem: OSError) -> None:
        with suppress(OSError):
            kernel.answer(self.listener, self.identity, 0, problem.errno or errno.EINVAL)

    def give(self, descriptor: int, *, close_on_exec: bool) -> None:
        """Answers with a duplicate of the descriptor, which stays the caller's to close."""
        with suppress(OSError):
            kernel.answer_with_descriptor(self.listener, self.identity, descriptor, close_on_exec=close_on_exec)


def serve(
    arrivals: socket.socket, handle: Callable[[Asked], None], welcome: Callable[[bytes, Sequence[int]], None]
) -> None:
    """Answers until ``arrivals`` is closed. ``welcome`` gets what each message brings: first of all a listener."""
    poll = select.poll()
    poll.register(arrivals, select.POLLIN)
    while True:
        for descriptor, events in poll.poll():
            if descriptor == arrivals.fileno():
                message, brought, _, _ = socket.recv_fds(arrivals, 1 << 16, 2)
                if not brought:
                    return
                kernel.wake_up_synchronously(brought[0])
                welcome(message, brought)
                poll.register(brought[0], select.POLLIN)
            elif events & select.POLLIN:
                if (question := _receive(descriptor)) is not None:
                    handle(question)
            else:
                poll.unregister(descriptor)
                os.close(descriptor)


def _receive(listener: int) -> Asked | None:
    """The next call; None if its process was killed before we looked."""
    try:
        identity, task, _, number, _, _, *arguments = kernel.receive(listener)
    except OSError:
        return None
    return Asked(listener, identity, task, number, arguments)
