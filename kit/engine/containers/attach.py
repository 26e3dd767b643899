"""Being attached to a process: its output as it comes, its input, and the keys that let go of it.

Source: Docker Engine API, "ContainerAttach"; dockerd's "attach.go" for what the end of the input means; moby/term
for the detach keys.
"""

from collections.abc import Iterator

from kit.engine.containers.logs import LogLine
from kit.engine.containers.streams import NAMES, STDERR, STDOUT, Console, Frame
from kit.errors import Invalid

DEFAULT_DETACH_KEYS = "ctrl-p,ctrl-q"
_STREAM = {name: number for number, name in NAMES.items()}
_CONTROL = "@abcdefghijklmnopqrstuvwxyz[\\]^_"


def parse_detach_keys(text: str) -> bytes:
    """``ctrl-p,ctrl-q`` or ``a,b`` as the bytes that a terminal sends. "" is Docker's default.

    Raises:
        Invalid
    """
    keys = b""
    for word in (text or DEFAULT_DETACH_KEYS).split(","):
        control = word.lower().removeprefix("ctrl-")
        if len(word) == 1 and word.isascii():
            keys += word.encode()
        elif word.lower().startswith("ctrl-") and len(control) == 1 and control in _CONTROL:
            keys += bytes([_CONTROL.index(control)])
        else:
            raise Invalid(f"Unknown character: '{word}'")
    return keys


class Detached(Exception):
    """The detach keys were typed."""


class KeyWatch:
    """Holds back what may become the detach keys."""

    def __init__(self, keys: bytes) -> None:
        self._keys, self._held = keys, b""

    def pass_on(self, data: bytes) -> bytes:
        """What can go on to the process.

        Raises:
            Detached: the keys are complete; what stood before them is lost, as in Docker.
        """
        passed = b""
        for byte in (data[i : i + 1] for i in range(len(data))):
            self._held += byte
            if self._held == self._keys:
                raise Detached
            while self._held and not self._keys.startswith(self._held):
                passed, self._held = passed + self._held[:1], self._held[1:]
        return passed


class Attachment:
    """One client that is attached. One thread reads ``frames``, another may write.

    ``past`` is told first. ``once``: the end of this client's input is the end of the process's.
    """

    def __init__(
        self,
        console: Console,
        *,
        stdout: bool = True,
        stderr: bool = True,
        once: bool = False,
        keys: bytes = b"",
        past: Iterator[LogLine] = iter(()),
    ) -> None:
        self.terminal = console.terminal
        self._console, self._once, self._past = console, once, past
        self._wanted = {STDOUT: stdout, STDERR: stderr}
        self._queue = console.attach()
        self._watch = KeyWatch(keys) if keys and console.terminal else None

    def frames(self) -> Iterator[Frame]:
        """Output until the process ends or the client lets go."""
        for line in self._past:
            yield Frame(_STREAM[line.stream], line.data)
        while frame := self._queue.get():
            if self._wanted[frame.stream]:
                yield frame

    def write(self, data: bytes) -> bool:
        """Gives input to the process; False when it takes no more, or the client typed the detach keys."""
        try:
            self._console.write(self._watch.pass_on(data) if self._watch else data)
        except BrokenPipeError:
            return False
        except Detached:
            self.close()
            return False
        return True

    def end_input(self) -> None:
        """The client has no more input: the process's stdin ends, or the attachment does."""
        if self._once and not self.terminal:
            self._console.end_input()
        else:
            self.close()

    def close(self) -> None:
        """Lets go; the process goes on. May be repeated."""
        self._console.detach(self._queue)
