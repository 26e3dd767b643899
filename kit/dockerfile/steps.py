"""What a build does: one value for each step, with every variable replaced and every path made absolute.

A step carries the ``State`` of its stage *after* it, so whoever executes steps never computes a config: the run
config of the result is ``step.after.run``. Files are changed by ``RunStep``, ``CopyStep`` and ``WorkdirStep``
only; all other instructions are a ``ConfigStep``, whose whole effect is already in ``after``.

Made by ``kit.dockerfile.plan.plan(dockerfile, options, resolve)``, where ``dockerfile`` is what
``kit.dockerfile.parse.parse_dockerfile(text, filename)`` gave, and ``resolve`` is a function of the caller from
``FromImage | NamedContext`` to the parent's ``ImageConfig`` (None: plain files): the only thing that may do I/O.

Source: Dockerfile reference; the texts of ``created_by`` are those that BuildKit writes into the history.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from kit.dockerfile.checks import CheckWarning
from kit.dockerfile.instructions import Instruction, Stage
from kit.oci.config import RunConfig
from kit.oci.descriptor import Platform


@dataclass(frozen=True)
class Scratch:
    """Nothing at all: ``FROM scratch``, a cache mount without ``from``."""


@dataclass(frozen=True)
class BuildContext:
    """The files that came with the build."""


@dataclass(frozen=True)
class NamedContext:
    """A further context, ``--build-context name=…``."""

    name: str


@dataclass(frozen=True)
class FromStage:
    """Another stage of this Dockerfile, by its number. It is built before."""

    index: int


@dataclass(frozen=True)
class FromImage:
    """An image; ``name`` as the Dockerfile has it, variables replaced. ``platform`` None is the target's."""

    name: str
    platform: Platform | None = None


Source = Scratch | BuildContext | NamedContext | FromStage | FromImage


@dataclass(frozen=True)
class State:
    """A stage between two steps.

    ``run`` is the image's run config so far. ``env`` is what RUN sees and variables are replaced from: ``run.env``
    and the ARGs in scope, ``KEY=value`` in order. ``args`` are the ARGs in scope alone, which stand in
    RUN's history line.
    """

    run: RunConfig
    platform: Platform
    env: tuple[str, ...] = ()
    args: tuple[tuple[str, str | None], ...] = ()
    author: str = ""
    workdir_set: bool = False

    def with_run(self, run: RunConfig) -> "State":
        return replace(self, run=run)


@dataclass(frozen=True, kw_only=True)
class Step:
    """What all steps have.

    ``title`` is the line for the progress display, variables replaced (``RUN apt-get install figlet``).
    ``created_by`` is the history line, "" for none at all (ONBUILD). ``on_build`` says that the instruction
    came from the parent's triggers.
    """

    instruction: Instruction
    title: str
    created_by: str
    after: State
    on_build: bool = False


@dataclass(frozen=True, kw_only=True)
class ConfigStep(Step):
    """Only the config changes: an empty layer in the history."""


@dataclass(frozen=True, kw_only=True)
class WorkdirStep(Step):
    """Makes directory ``path`` (and its parents) with mode 0755, owned by ``user`` ("" is root), if it is missing.

    Not planned for ``/``, which is a ``ConfigStep``.
    """

    path: str
    user: str = ""


@dataclass(frozen=True)
class Mount:
    """One ``RUN --mount``, resolved.

    ``target`` is absolute ("" only for a secret that is an environment variable and for ssh's default socket).
    ``source`` is a path inside ``from_``, or the secret's id. ``id`` names the cache, secret or ssh agent.
    ``size`` is in bytes, 0 for no limit. ``mode``, ``uid`` and ``gid`` are None when not given.
    """

    type: Literal["bind", "cache", "tmpfs", "secret", "ssh"]
    target: str = ""
    from_: Source = Scratch()
    source: str = "/"
    id: str = ""
    readonly: bool = True
    sharing: Literal["shared", "private", "locked"] = "shared"
    required: bool = False
    size: int = 0
    env: str | None = None
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None


@dataclass(frozen=True)
class Device:
    """One ``RUN --device``."""

    name: str
    required: bool = False


@dataclass(frozen=True)
class InlineFile:
    """A small file from a heredoc. ``mode`` is what it gets when no ``--chmod`` says otherwise."""

    name: str
    data: str
    mode: int = 0o644


@dataclass(frozen=True, kw_only=True)
class RunStep(Step):
    """Runs ``argv`` in the stage's files; what it changes is a layer.

    ``env`` is the whole environment. ``proxy`` are further variables that must not enter the cache key.
    ``script`` is a heredoc with a shebang: it stands read-only at ``/dev/pipes/<name>``, which is ``argv[0]``.
    """

    argv: tuple[str, ...]
    env: tuple[str, ...]
    working_dir: str
    user: str
    mounts: tuple[Mount, ...] = ()
    network: Literal["default", "none", "host"] = "default"
    security: Literal["sandbox", "insecure"] = "sandbox"
    devices: tuple[Device, ...] = ()
    proxy: tuple[str, ...] = ()
    script: InlineFile | None = None


@dataclass(frozen=True, kw_only=True)
class CopyStep(Step):
    """Copies ``sources`` out of ``from_``, and ``files``, to ``dest``: COPY, and ADD if ``add``.

    ``sources`` are as written: paths and patterns relative to ``from_``; for ADD also URLs and git references
    (``kind_of`` tells them apart). ``dest`` is absolute and keeps its trailing slash. ``chmod`` is octal or
    symbolic text, ``chown`` is ``user[:group]``. ``unpack`` None is the default: local archives of ADD are unpacked,
    remote ones aren't.
    """

    from_: Source
    sources: tuple[str, ...]
    dest: str
    files: tuple[InlineFile, ...] = ()
    chown: str = ""
    chmod: str = ""
    link: bool = False
    parents: bool = False
    exclude: tuple[str, ...] = ()
    add: bool = False
    checksum: str = ""
    keep_git_dir: bool | None = None
    unpack: bool | None = None


@dataclass(frozen=True)
class StagePlan:
    """One stage, ready to be built: take ``parent``, do ``steps``.

    ``start`` is the state before the first step, ``end`` what the image of the stage gets: with ``labels``, which
    the client wants on the target and which no history tells of.
    """

    stage: Stage
    parent: Source
    start: State
    steps: tuple[Step, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def end(self) -> State:
        state = self.steps[-1].after if self.steps else self.start
        if not self.labels:
            return state
        return state.with_run(replace(state.run, labels={**state.run.labels, **self.labels}))


@dataclass(frozen=True)
class Plan:
    """A whole build: the stages that the target needs, in an order in which they can be built; the target is last."""

    stages: tuple[StagePlan, ...]
    warnings: tuple[CheckWarning, ...] = field(default=())

    @property
    def target(self) -> StagePlan:
        return self.stages[-1]
