"""What a Dockerfile says: one value for each instruction, before any variable is replaced.

Nothing here knows of images or files. ``kit.dockerfile.parse`` makes these values from text,
``kit.dockerfile.plan`` makes steps (``kit.dockerfile.steps``) of them once the parent is known.

Source: Dockerfile reference, docs.docker.com/reference/dockerfile.
"""

import re
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Range:
    """Where something stands in the file: line and column of its start, its last line. All count from 1."""

    line: int
    column: int
    end_line: int


@dataclass(frozen=True)
class Heredoc:
    """``<<EOF`` and the lines up to ``EOF``.

    ``name`` is the word without quotes. ``expand`` is False when it was quoted: then variables in ``content``
    stay as they are. ``chomp`` is the ``-`` of ``<<-``: leading tabs go (see ``text``). ``fd`` is the number
    before ``<<``, 0 if none.
    """

    name: str
    content: str
    expand: bool = True
    chomp: bool = False
    fd: int = 0

    @property
    def text(self) -> str:
        """The content as it is meant: without leading tabs if chomped."""
        if not self.chomp:
            return self.content
        return re.sub(r"(?m)^\t+", "", self.content)


@dataclass(frozen=True, kw_only=True)
class Instruction:
    """What all instructions have.

    ``name`` is the keyword as written (``RUN``, ``run``). ``text`` is the whole logical line with continuation
    lines joined, without heredoc bodies. ``comments`` are the comment lines right above, without ``#``.
    """

    name: str
    text: str
    at: Range
    comments: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pair:
    """``key=value``. ``legacy`` is True for the form with a space, ``KEY the rest of the line``."""

    key: str
    value: str
    legacy: bool = False

    def __str__(self) -> str:
        return f"{self.key}={self.value}"


@dataclass(frozen=True)
class ArgPair:
    """``name`` or ``name=default``; ``value`` None is a name without a default."""

    key: str
    value: str | None = None


@dataclass(frozen=True)
class Command:
    """A command line: exec form (``["a", "b"]``) as words, shell form as one text in ``words``, () if empty."""

    words: tuple[str, ...]
    shell: bool


@dataclass(frozen=True, kw_only=True)
class From(Instruction):
    """``FROM [--platform=…] base [AS stage]``. ``stage`` is lower case, "" without AS."""

    base: str
    stage: str = ""
    as_word: str = ""
    stage_as_written: str = ""
    platform: str = ""


@dataclass(frozen=True, kw_only=True)
class Run(Instruction):
    """``RUN``. ``mounts`` and ``devices`` are the texts of the flags, to be read when variables are known."""

    command: Command
    heredocs: tuple[Heredoc, ...] = ()
    mounts: tuple[str, ...] = ()
    network: str = "default"
    security: str = "sandbox"
    devices: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Transfer(Instruction):
    """What COPY and ADD share. ``heredocs`` are sources too: small files written in the Dockerfile."""

    sources: tuple[str, ...]
    dest: str
    heredocs: tuple[Heredoc, ...] = ()
    chown: str = ""
    chmod: str = ""
    link: bool = False
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Copy(Transfer):
    """``COPY``. ``from_`` is a stage's name or number, an image or a named context; "" is the build context."""

    from_: str = ""
    parents: bool = False


@dataclass(frozen=True, kw_only=True)
class Add(Transfer):
    """``ADD``. None in ``keep_git_dir`` and ``unpack`` means that the flag wasn't given."""

    checksum: str = ""
    keep_git_dir: bool | None = None
    unpack: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Env(Instruction):
    """``ENV key=value …`` or ``ENV key value``."""

    pairs: tuple[Pair, ...]


@dataclass(frozen=True, kw_only=True)
class Label(Instruction):
    """``LABEL key=value …`` or ``LABEL key value``."""

    pairs: tuple[Pair, ...]


@dataclass(frozen=True, kw_only=True)
class Arg(Instruction):
    """``ARG name[=default] …``."""

    args: tuple[ArgPair, ...]


@dataclass(frozen=True, kw_only=True)
class Workdir(Instruction):
    path: str


@dataclass(frozen=True, kw_only=True)
class User(Instruction):
    user: str


@dataclass(frozen=True, kw_only=True)
class Cmd(Instruction):
    command: Command


@dataclass(frozen=True, kw_only=True)
class Entrypoint(Instruction):
    command: Command


@dataclass(frozen=True, kw_only=True)
class Expose(Instruction):
    """``EXPOSE port[-port][/proto] …``; ``ports`` are sorted, as BuildKit sorts them."""

    ports: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Volume(Instruction):
    paths: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Shell(Instruction):
    words: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class StopSignal(Instruction):
    signal: str


@dataclass(frozen=True, kw_only=True)
class Healthcheck(Instruction):
    """``HEALTHCHECK``. ``test`` starts with NONE, CMD or CMD-SHELL. Times are nanoseconds, 0 if not given."""

    test: tuple[str, ...]
    interval: int = 0
    timeout: int = 0
    start_period: int = 0
    start_interval: int = 0
    retries: int = 0


@dataclass(frozen=True, kw_only=True)
class OnBuild(Instruction):
    """``ONBUILD``. ``trigger`` is the text of the instruction to come, with its heredocs."""

    trigger: str


@dataclass(frozen=True, kw_only=True)
class Maintainer(Instruction):
    maintainer: str


@dataclass(frozen=True)
class Stage:
    """A FROM and what follows it. ``index`` counts from 0."""

    index: int
    start: From
    body: tuple[Instruction, ...] = ()

    @property
    def name(self) -> str:
        """The name after AS, "" if it has none."""
        return self.start.stage


@dataclass(frozen=True)
class Dockerfile:
    """A whole file. ``globals`` are the ARGs before the first FROM."""

    text: str
    filename: str
    escape: str
    stages: tuple[Stage, ...]
    globals: tuple[Arg, ...] = ()
    directives: dict[str, str] = field(default_factory=dict)
    empty_continuations: tuple[Range, ...] = ()
