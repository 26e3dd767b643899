"""RUN: one command in a root file system, its output while it comes, its exit code at the end.

Standard error is told in red, as the classic builder does; when process 1 has ended, so has everything that it
left running.

Source: Dockerfile reference, "RUN"; moby builder/dockerfile/containerbackend.go; buildkit, executor/oci.
"""

import codecs
import os
import selectors
import threading
from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from kit.dockerfile.steps import RunStep
from kit.engine.build.cancel import Cancel
from kit.engine.build.progress import Progress, Text
from kit.engine.isolators import addresses
from kit.engine.isolators.contract import Isolator, Mount, Process, Running, Sandbox, StartFailed, Stdio
from kit.engine.store.inside import Inside, PathNotFound
from kit.engine.store.rootfs import RootFilesystem
from kit.errors import Invalid, NotFound, StepFailed
from kit.oci.users import Account, resolve

HOSTNAME = "buildkitsandbox"
DEFAULT_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LARGEST_ACCOUNTS = 1 << 20
LONGEST_OUTPUT, LAST_LINES = 8 << 10, 12
"""Characters and lines of the output that an error repeats."""
RED, PLAIN = "\x1b[91m", "\x1b[0m"
_PIECE = 32 << 10


class CommandFailed(StepFailed):
    """The command ran and ended with another code than 0. The words are dockerd's: clients search them.

    ``output``: the last lines that it printed.
    """

    def __init__(self, argv: tuple[str, ...], code: int, output: tuple[str, ...] = ()) -> None:
        super().__init__(f"The command '{' '.join(argv)}' returned a non-zero code: {code}")
        self.argv, self.code, self.output = argv, code, output


class NotStarted(StepFailed):
    """The command could not be executed."""

    def __init__(self, error: StartFailed) -> None:
        super().__init__(
            "failed to create shim task: OCI runtime create failed: runc create failed: "
            f"unable to start container process: {error}"
        )
        self.code = error.code


@dataclass(frozen=True)
class Surroundings:
    """What a build lends to each of its commands.

    ``hosts`` and ``resolver`` are files; ``network`` is what "default" means in this build.
    """

    isolator: Isolator
    hosts: Path
    resolver: Path
    network: str = "default"
    memory: int | None = None
    ulimits: Mapping[str, tuple[int, int]] | None = None


def run(
    step: RunStep,
    rootfs: RootFilesystem,
    surroundings: Surroundings,
    mounts: tuple[Mount, ...],
    env: tuple[str, ...],
    cancel: Cancel,
) -> Generator[Progress, None, None]:
    """Runs the command to its end.

    Raises:
        CommandFailed, NotStarted, Cancelled: what it wrote is still in ``rootfs``.
        UnknownUser: the image has no such USER.
    """
    account = resolve(step.user, _text(rootfs, "/etc/passwd"), _text(rootfs, "/etc/group"))
    _make_directory(rootfs, step.working_dir)
    last = ""
    network = step.network if step.network != "default" else surroundings.network
    with ExitStack() as stack:
        address = addresses.claim()
        stack.callback(address.release)
        lent = (
            Mount(str(surroundings.resolver), "/etc/resolv.conf", read_only=True),
            Mount(str(surroundings.hosts), "/etc/hosts", read_only=True),
        )
        sandbox = Sandbox(
            rootfs=rootfs.path,
            owners=rootfs.owners,
            hostname=HOSTNAME,
            network="none" if network == "none" else "host",
            address=address.text,
            mounts=(*lent, *mounts),
            memory=surroundings.memory,
            ulimits=surroundings.ulimits or {},
        )
        pipes = [os.pipe(), os.pipe()]
        for reader, _ in pipes:
            stack.callback(os.close, reader)
        running = _start(surroundings.isolator, sandbox, _process(step, account, env), [pipe[1] for pipe in pipes])
        stack.callback(running.kill)
        with cancel.stopping(running.kill):
            ended = threading.Thread(target=_end, args=(running,), daemon=True)
            ended.start()
            for text in _output(pipes[0][0], pipes[1][0]):
                last = (last + text)[-LONGEST_OUTPUT:]
                yield Text(text)
            ended.join()
        code = running.wait()
    if code:
        raise CommandFailed(step.argv, code, tuple(_plain(last).splitlines()[-LAST_LINES:]))


def _start(isolator: Isolator, sandbox: Sandbox, process: Process, writers: list[int]) -> Running:
    nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return isolator.start(sandbox, process, Stdio(nothing, *writers))
    except StartFailed as error:
        raise NotStarted(error) from error
    finally:
        for descriptor in (nothing, *writers):
            os.close(descriptor)


def _end(running: Running) -> None:
    """When process 1 has ended, nothing else runs on, and the pipes come to their end."""
    running.wait()
    with suppress(OSError):  # what is gone already can't be asked
        running.kill()


def _process(step: RunStep, account: Account, env: tuple[str, ...]) -> Process:
    given = (*step.env, *env, *step.proxy)
    names = {line.partition("=")[0] for line in given}
    defaults = [line for line in (DEFAULT_PATH, f"HOME={account.home}") if line.partition("=")[0] not in names]
    return Process(
        argv=step.argv,
        env=(*given, *defaults),
        cwd=step.working_dir or "/",
        uid=account.uid,
        gid=account.gid,
        groups=account.groups,
    )


def _output(stdout: int, stderr: int) -> Iterator[str]:
    """What comes, until both ends are closed. A character that is cut in two waits for its other half."""
    with selectors.DefaultSelector() as selector:
        decoders = {reader: codecs.getincrementaldecoder("utf-8")("replace") for reader in (stdout, stderr)}
        for reader in decoders:
            selector.register(reader, selectors.EVENT_READ)
        while selector.get_map():
            for ready, _ in selector.select():
                data = os.read(ready.fd, _PIECE)
                text = decoders[ready.fd].decode(data, final=not data)
                if not data:
                    selector.unregister(ready.fd)
                if text:
                    yield f"{RED}{text}{PLAIN}" if ready.fd == stderr else text


def _plain(text: str) -> str:
    return text.replace(RED, "").replace(PLAIN, "")


def _text(rootfs: RootFilesystem, path: str) -> str:
    try:
        with rootfs.open_file(path) as file:
            return file.read(LARGEST_ACCOUNTS).decode(errors="surrogateescape")
    except (NotFound, Invalid, OSError):
        return ""


def _make_directory(rootfs: RootFilesystem, path: str) -> None:
    """The working directory, should the image not have it."""
    inside = Inside(rootfs.path)
    place = ""
    for part in filter(None, path.split("/")):
        place = f"{place}/{part}"
        try:
            os.close(inside.open(place, os.O_PATH))
        except PathNotFound:
            with inside.parent(place) as (directory, name):
                os.mkdir(name, 0o755, dir_fd=directory)
