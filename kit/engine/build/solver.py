"""A plan carried out: stage by stage, step by step, each from the cache or done.

What a step depends on becomes its key; what it gives is a layer. Steps that only say something (ENV, CMD …)
are already in the plan's states and cost a line of history.

Source: moby builder/dockerfile/dispatchers.go for the lines that are printed; buildkit's solver for the rest.
"""

import json
import secrets
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from kit.dockerfile.instructions import Dockerfile
from kit.dockerfile.steps import (
    BuildContext,
    ConfigStep,
    CopyStep,
    FromImage,
    FromStage,
    NamedContext,
    Plan,
    RunStep,
    Scratch,
    Source,
    StagePlan,
    State,
    Step,
    WorkdirStep,
)
from kit.engine.build.accounts import owner_of
from kit.engine.build.cache import Cache, Key, Record
from kit.engine.build.cancel import Cancel
from kit.engine.build.draft import Draft
from kit.engine.build.earlier import Earlier
from kit.engine.build.files import Files, LayeredFiles, PooledFiles, find_real
from kit.engine.build.history import Stack
from kit.engine.build.keys import digest_of_files, parts_of_run
from kit.engine.build.mounting import Mounting
from kit.engine.build.parents import Missing, Parents
from kit.engine.build.pool import Pool
from kit.engine.build.progress import Explained, Progress, Text, short
from kit.engine.build.running import Surroundings, run
from kit.engine.build.transfer import prepare
from kit.engine.build.why import Paths, reasons
from kit.engine.build.workspace import Workspace
from kit.engine.store.layers import FileNotInLayers
from kit.engine.store.store import Store
from kit.errors import Invalid
from kit.layer.changeset import Changeset
from kit.layer.tree import Entry, Kind
from kit.oci.digest import DiffID, chain_id, digest_of


@dataclass(frozen=True)
class Bench:
    """What one build works with. ``folder`` is its own; ``place`` names it, for comparing with the last time."""

    store: Store
    cache: Cache
    earlier: Earlier
    parents: Parents
    context: Files | None
    surroundings: Surroundings
    mounting: Mounting
    cancel: Cancel
    folder: Path
    place: str
    no_cache: bool = False
    remove: bool = True
    clock: Callable[[], float] = time.time


class StepBroke(Exception):
    """A step failed: the error, and where it stands in the Dockerfile."""

    def __init__(self, step: Step, error: Exception) -> None:
        super().__init__(str(error))
        self.step, self.error = step, error


@dataclass
class Solver:
    """One build's walk through its plan. ``results`` are the stages that are done, by their number."""

    bench: Bench
    dockerfile: Dockerfile
    plan: Plan
    results: dict[int, Stack] = field(default_factory=dict)
    _number: int = 0
    _stack: Stack = field(default_factory=Stack)
    _inherited: int = 0
    """Layers that the stage began with."""
    _ground: int = 0
    """Layers, from the bottom, that the stage began with or that its commands made."""

    def run(self) -> Iterator[Progress]:
        """Carries out the plan; afterwards ``results`` has the target.

        Raises:
            StepBroke, Cancelled, and what a pull raises.
        """
        for instruction in self.dockerfile.globals:
            yield from self._title(instruction.text)
            yield Text(" ---> \n")
        for stage in self.plan.stages:
            yield from self._stage(stage)

    @property
    def _total(self) -> int:
        own = sum(1 + sum(not step.on_build for step in stage.steps) for stage in self.plan.stages)
        return len(self.dockerfile.globals) + own

    def _title(self, text: str) -> Iterator[Progress]:
        self._number += 1
        yield Text(f"Step {self._number}/{self._total} : {text}")
        yield Text("\n")

    def _stage(self, stage: StagePlan) -> Iterator[Progress]:
        yield from self._title(stage.stage.start.text)
        self._stack = self._start(stage)
        self._inherited = self._ground = len(self._stack.diff_ids)
        state = stage.start
        yield Text(f" ---> {self._parent_id(stage)}\n")
        triggers = sum(step.on_build for step in stage.steps)
        if triggers:
            yield Text(f"# Executing {triggers} build trigger{'s' * (triggers > 1)}\n")
        with closing(Workspace(self.bench.store, real_owners=self.bench.mounting.real_owners)) as workspace:
            for step in stage.steps:
                self.bench.cancel.check()
                if not step.on_build:
                    yield from self._title(step.instruction.text)
                try:
                    yield from self._step(step, workspace)
                except (Missing, GeneratorExit):
                    raise
                except Exception as error:
                    raise StepBroke(step, error) from error
                state = step.after
                yield Text(f" ---> {self._id(state)}\n")
        self.results[stage.stage.index] = self._stack

    def _id(self, state: State) -> str:
        return short(self._stack.config(state).id)

    def _parent_id(self, stage: StagePlan) -> str:
        """Of an image its own; "" for scratch."""
        if isinstance(stage.parent, FromImage):
            return short(self.bench.parents.image(stage.parent))
        return "" if isinstance(stage.parent, Scratch) else self._id(stage.start)

    # Parents

    def _start(self, stage: StagePlan) -> Stack:
        parent = stage.parent
        if isinstance(parent, FromStage):
            return self.results[parent.index]
        if isinstance(parent, Scratch | BuildContext):
            return Stack()
        config = self.bench.parents.config(parent)
        if config is not None:
            return Stack.of_parent(config)
        assert isinstance(parent, NamedContext)
        return self._stack_of_files(parent)

    def _stack_of_files(self, parent: NamedContext) -> Stack:
        """A named context of plain files as a stage's parent: one layer with all of it."""
        files = self.bench.parents.files(parent)
        paths = [path for path, entry in files.tree.items() if entry.kind is Kind.FILE]
        layer = self.bench.store.layers.put(Changeset(files.tree), files.opener(paths))
        return Stack().with_layer(layer.diff_id, f"FROM {parent.name}", self._now())

    def files_of(self, source: Source) -> Files:
        """What COPY --from and RUN --mount=from take from."""
        match source:
            case FromStage(index):
                return LayeredFiles(self.results[index].diff_ids, self.bench.store.layers, self.bench.folder)
            case BuildContext():
                if self.bench.context is None:
                    raise Invalid("COPY failed: no source files were specified")
                return self.bench.context
            case FromImage() | NamedContext():
                return self.bench.parents.files(source)
            case Scratch():
                return PooledFiles({}, Pool(self.bench.folder))

    # Steps

    def _step(self, step: Step, workspace: Workspace) -> Iterator[Progress]:
        match step:
            case RunStep():
                yield from self._run(step, workspace)
            case CopyStep():
                yield from self._copy(step)
            case WorkdirStep():
                yield from self._workdir(step)
            case ConfigStep():
                yield from self._config(step)

    def _config(self, step: ConfigStep) -> Iterator[Progress]:
        state = json.dumps([step.after.run.to_json(), step.after.args, step.after.author], sort_keys=True)
        key = self._key(step, {"config": digest_of(state.encode())})
        known = self.bench.cache.seen(key) and not self.bench.no_cache
        yield self._explained(key, cached=known)
        if known:
            yield Text(" ---> Using cache\n")
        if step.created_by:
            self._stack = self._stack.with_line(step.created_by)

    def _copy(self, step: CopyStep) -> Iterator[Progress]:
        owner = owner_of(step.chown, self._text) if step.chown else None
        transfer = prepare(
            step, files_of=self.files_of, owner=owner, folder=self.bench.folder, now=self.bench.clock()
        )
        asked = {"dest": step.dest, "owner": str(owner), "chmod": step.chmod, "unpack": str((step.add, step.unpack))}
        key = self._key(step, {**asked, "copied": transfer.digest}, alone=step.link)
        yield from self._layer(step, key, lambda: transfer.draft(self._tree()), transfer.listing)

    def _workdir(self, step: WorkdirStep) -> Iterator[Progress]:
        uid, gid = owner_of(step.user, self._text) if step.user else (0, 0)

        def make() -> Draft:
            draft = Draft(self._tree())
            like = Entry(Kind.DIRECTORY, 0o755, uid, gid, mtime=self.bench.clock())
            draft.make_directories(draft.real(step.path), like)
            return draft

        yield from self._layer(step, self._key(step, {"directory": f"{step.path} {uid}:{gid}"}), make)

    def _run(self, step: RunStep, workspace: Workspace) -> Iterator[Progress]:
        key = self._key(step, dict(parts_of_run(step)) | self._mounted(step))
        with self.bench.cache.alone(key, self.bench.cancel.check):
            known = self._found(key)
            found = known
            if found is None and not step.mounts and not self.bench.no_cache:
                found = self.bench.earlier.find_run(self._stack, step.created_by)
            yield self._explained(key, cached=found is not None)
            if found is not None:
                yield Text(" ---> Using cache\n")
            else:
                found = yield from self._executed(step, workspace)
            self._add(step, found, new_key=None if known else key)
            self._ground = len(self._stack.diff_ids)

    def _executed(self, step: RunStep, workspace: Workspace) -> Generator[Progress, None, Record]:
        container = secrets.token_hex(6)
        yield Text(f" ---> Running in {container}\n")
        rootfs = workspace.ready(self._stack.diff_ids, self._ground)
        try:
            with self.bench.mounting.ready(step, rootfs, self.files_of) as (mounts, env):
                yield from run(step, rootfs, self.bench.surroundings, mounts, env, self.bench.cancel)
            layer = rootfs.commit()
        except BaseException:
            workspace.close()
            raise
        if self.bench.remove:
            yield Text(f"Removing intermediate container {container}\n")
        diff_id = layer.diff_id if layer is not None else self._put(Draft({}))
        return Record(diff_id, self._now())

    def _layer(
        self, step: Step, key: Key, make: Callable[[], Draft], listing: Callable[[], Paths] = tuple
    ) -> Iterator[Progress]:
        """A step that is computed; ``listing``: the files that it reads."""
        with self.bench.cache.alone(key, self.bench.cancel.check):
            known = self._found(key)
            found, draft = known, Draft({})
            if known is None:
                draft = make()
                if not self.bench.no_cache:
                    found = self.bench.earlier.find_same(self._stack, step.created_by, draft.changeset())
            yield self._explained(key, cached=found is not None, listing=listing)
            if found is not None:
                yield Text(" ---> Using cache\n")
            self._add(step, found or Record(self._put(draft), self._now()), new_key=None if known else key)

    # Keys and layers

    def _key(self, step: Step, parts: Mapping[str, str], *, alone: bool = False) -> Key:
        """``alone``: the files below don't matter."""
        below = "" if alone else str(chain_id(self._stack.diff_ids))
        return Key({"step": type(step).__name__, "files": below, "instruction": step.created_by, **parts})

    def _found(self, key: Key) -> Record | None:
        return None if self.bench.no_cache else self.bench.cache.find(key)

    def _explained(self, key: Key, *, cached: bool, listing: Callable[[], Paths] = tuple) -> Explained:
        now, earlier = self.bench.cache.compare(f"{self.bench.place} {self._number}", key, listing)
        differs = None if earlier is None else now.differences(earlier)
        why: tuple[str, ...] = ()
        if self.bench.no_cache:
            why = ("the cache was not to be used",)
        elif not cached:
            why = tuple(reasons(now, earlier, on_parent=len(self._stack.diff_ids) == self._inherited))
        return Explained(self._number, key.digest, cached, key.parts, differs, why)

    def _add(self, step: Step, record: Record, new_key: Key | None) -> None:
        """The layer on top of the stack; ``new_key`` is what the cache did not know it by."""
        if new_key is not None:
            self.bench.cache.remember(new_key, record, step.title)
        self._stack = self._stack.with_layer(record.diff_id, step.created_by, record.created)

    def _put(self, draft: Draft) -> DiffID:
        def contents(path: str) -> BinaryIO:
            return draft.contents[path]()

        return self.bench.store.layers.put(draft.changeset(), contents).diff_id

    def _tree(self) -> Mapping[str, Entry]:
        return self.bench.store.layers.tree(self._stack.diff_ids)

    def _text(self, path: str) -> str:
        """A small file of the stage, "" where it is missing."""
        real = find_real(self._tree().get, path)
        with suppress(FileNotInLayers), self.bench.store.layers.open_file(self._stack.diff_ids, real) as file:
            return file.read().decode(errors="surrogateescape")
        return ""

    def _mounted(self, step: RunStep) -> dict[str, str]:
        """The digests of what the step's binds show."""
        found = {}
        for mount in step.mounts:
            if mount.type == "bind":
                found[f"mount {mount.target}"] = digest_of_files(self.files_of(mount.from_), mount.source)
        return found

    def _now(self) -> str:
        return datetime.fromtimestamp(self.bench.clock(), UTC).isoformat().replace("+00:00", "Z")
