"""The builder's door: options and a context in, progress out, an image in the store.

A build is an iterator. It can be ended from any thread at any moment: what it ran is killed, what it made
half is deleted, what it finished stays in the cache.

Source: Docker Engine API, "ImageBuild", "BuildPrune"; moby builder/dockerfile/builder.go for what is printed.
"""

import platform
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from kit.dockerfile.errors import Wrong, excerpt
from kit.dockerfile.instructions import Dockerfile
from kit.dockerfile.plan import PlanOptions, plan
from kit.dockerfile.platforms import parse_platform
from kit.dockerfile.steps import Plan
from kit.engine.build.cache import Cache
from kit.engine.build.cancel import Cancel, Cancelled
from kit.engine.build.earlier import Earlier
from kit.engine.build.files import Files
from kit.engine.build.intake import Intake, take_in
from kit.engine.build.lending import hosts_file, resolver_file
from kit.engine.build.mounting import CacheMounts, Mounting
from kit.engine.build.options import BuildOptions
from kit.engine.build.parents import Missing, Parents, Pull
from kit.engine.build.progress import Built, Explained, Failed, Progress, Shown, Text, short
from kit.engine.build.rewriting import parse_epoch, rewritten
from kit.engine.build.running import CommandFailed, Surroundings
from kit.engine.build.solver import Bench, Solver, StepBroke
from kit.engine.build.workspace import sweep
from kit.engine.isolators.contract import Isolator
from kit.engine.registry.platforms import platform_of
from kit.engine.store.files import remove_tree
from kit.engine.store.store import Store
from kit.errors import Invalid, KitError
from kit.oci.config import ImageConfig
from kit.oci.descriptor import Platform
from kit.oci.digest import ImageID
from kit.oci.reference import Reference, parse_reference

Emit = Callable[[str, str, str, Mapping[str, str]], None]
"""``emit(type, action, id, attributes)``: something that ``docker events`` tells."""
EPOCH = "SOURCE_DATE_EPOCH"


def _silent(kind: str, action: str, id: str, attributes: Mapping[str, str]) -> None:
    return None


class Build(Iterator[Progress]):
    """A build under way."""

    def __init__(self, events: Iterator[Progress], cancel: Cancel) -> None:
        self._events, self._cancel = events, cancel

    def __next__(self) -> Progress:
        return next(self._events)

    def cancel(self) -> None:
        """Ends the build, from any thread. Whoever is waiting for its next event gets the end instead."""
        self._cancel.wish()
        with suppress(ValueError):  # it runs in another thread, and ends there
            self._events.close()  # type: ignore[attr-defined]

    close = cancel


class Builder:
    """Builds images into a store. Several builds may run at once; they share one cache."""

    def __init__(self, store: Store, isolator: Isolator, *, root: Path, pull: Pull, emit: Emit = _silent) -> None:
        """``root`` is this room's own directory. What an earlier engine's builds left is removed."""
        self._store, self._isolator, self._pull, self._emit = store, isolator, pull, emit
        self._folder = root / "builds"
        sweep(store)
        store.images.release([layer.diff_id for layer in store.layers.all()])
        if self._folder.exists():
            remove_tree(self._folder)
        self._folder.mkdir(parents=True)
        self._cache, self._mounts = Cache(store), CacheMounts(root / "caches")
        self._running: set[Build] = set()
        self._lock = threading.Lock()

    def build(self, context: BinaryIO | None, options: BuildOptions) -> Build:
        """Reads the context and the Dockerfile; the iterator then builds.

        Raises:
            Invalid: a context, a Dockerfile, a name or an option that can't be; nothing is built.
            NotFound, Unavailable: a remote context that can't be had.
        """
        tags = [_tag(name) for name in options.tags]
        folder = self._folder / secrets.token_hex(8)
        folder.mkdir(mode=0o700)
        try:
            job = self._job(take_in(context, options, folder), options, tags, folder)
            with suppress(Missing):
                job.make_plan()
        except BaseException:
            remove_tree(folder)
            raise
        build = Build(self._watched(job), job.cancel)
        with self._lock:
            self._running.add(build)
        job.leave = lambda: self._running.discard(build)
        return build

    def _job(self, intake: Intake, options: BuildOptions, tags: list[Reference], folder: Path) -> "_Job":
        here = platform_of(platform.machine())
        wanted = _platform(options.platform, here)
        parents = Parents(self._store, options, wanted, self._pull, folder)
        return _Job(intake, options, tags, folder, parents, here, wanted, intake.context.visible(intake.name))

    def _watched(self, job: "_Job") -> Iterator[Progress]:
        """The events; whatever happens, nothing of the build is left lying about."""
        try:
            yield from _quiet(self._events(job)) if job.options.quiet else self._events(job)
        except Cancelled:
            return
        finally:
            job.intake.context.close()
            remove_tree(job.folder)
            job.leave()

    def _events(self, job: "_Job") -> Iterator[Progress]:
        try:
            yield from self._built(job)
        except StepBroke as broke:
            if isinstance(broke.error, Cancelled):
                raise broke.error from None
            yield Shown(_shown(broke, job.intake.dockerfile))
            code = broke.error.code if isinstance(broke.error, CommandFailed) else None
            yield Failed(str(broke.error), code)
        except Cancelled:
            raise
        except (KitError, OSError) as error:
            yield Failed(str(error))

    def _built(self, job: "_Job") -> Iterator[Progress]:
        while job.plan is None:
            try:
                job.make_plan()
            except Missing as missing:
                yield from job.parents.pull(missing.image)
        solver = Solver(self._bench(job), job.intake.dockerfile, job.plan)
        yield from solver.run()
        stack = solver.results[job.plan.target.stage.index]
        epoch = job.options.build_args.get(EPOCH)
        if epoch:
            stack = rewritten(stack, parse_epoch(epoch), self._store)
        image = self._store.images.put(stack.config(job.plan.target.end))
        for warning in job.plan.warnings:
            yield Text(f"[Warning] {warning}\n")
        yield Built(image)
        yield Text(f"Successfully built {short(image)}\n")
        for reference in job.tags:
            self._store.images.tag(reference, image)
            self._emit("image", "tag", image, {"name": reference.familiar})
            yield Text(f"Successfully tagged {reference.familiar}\n")

    def _bench(self, job: "_Job") -> Bench:
        options = job.options
        surroundings = Surroundings(
            self._isolator,
            hosts_file(job.folder, options.extra_hosts),
            resolver_file(job.folder),
            options.network,
            options.memory or None,
            options.ulimits,
        )
        mounting = Mounting(
            self._store,
            self._isolator.real_owners,
            job.folder,
            self._mounts,
            options.secrets,
            options.ssh,
            job.cancel,
        )
        return Bench(
            self._store,
            self._cache,
            Earlier(tuple(self._images(options.cache_from)), self._store.layers),
            job.parents,
            job.files,
            surroundings,
            mounting,
            job.cancel,
            job.folder,
            place=f"{job.tags[0] if job.tags else ''} {options.target}",
            no_cache=options.no_cache,
            remove=options.remove,
        )

    def _images(self, names: Iterable[str]) -> Iterator[ImageConfig]:
        """Those of the images that are here; what is not here is no cache, and no error."""
        for name in names:
            found = self._store.images.find(name)
            if found is not None:
                yield self._store.images.get(found)

    def usage(self) -> list[dict[str, Any]]:
        """The build cache as ``docker system df`` shows it."""
        return self._cache.rows()

    def prune(self, *, older_than: float = 0.0, keep: int = 0) -> dict[str, Any]:
        """Empties the build cache: ``docker builder prune``. Images keep their layers.

        ``older_than``: what was used within so many seconds stays; ``keep``: bytes that may stay.
        """
        gone, freed = self._cache.prune(older_than=older_than, keep=keep)
        if not older_than and not keep:
            self._mounts.prune()
            self._store.rootfs.spares.clear()
        return {"CachesDeleted": gone or None, "SpaceReclaimed": freed}

    def close(self) -> None:
        """Ends the builds that run."""
        with self._lock:
            running = list(self._running)
        for build in running:
            build.cancel()


@dataclass
class _Job:
    """One build: what it was given and what it has found out."""

    intake: Intake
    options: BuildOptions
    tags: list[Reference]
    folder: Path
    parents: Parents
    here: Platform
    platform: Platform
    files: Files
    cancel: Cancel = field(default_factory=Cancel)
    plan: Plan | None = None
    leave: Callable[[], None] = lambda: None

    def make_plan(self) -> None:
        """
        Raises:
            Missing: pull that image, and try again. DockerfileError
        """
        args = {key: value for key, value in self.options.build_args.items() if value is not None}
        contexts = frozenset(self.options.contexts)
        wanted = PlanOptions(self.options.target, args, self.options.labels, self.platform, self.here, contexts)
        self.plan = plan(self.intake.dockerfile, wanted, self.parents.config)


def _shown(broke: StepBroke, dockerfile: Dockerfile) -> str:
    """As BuildKit shows it: what the command printed last, and the lines of the Dockerfile."""
    at, rows = broke.step.instruction.at, [""]
    if isinstance(broke.error, CommandFailed) and broke.error.output:
        rule = "-" * 6
        rows = [rule, f" > {broke.step.title}:", *broke.error.output, rule, ""]
    return "\n".join(rows) + excerpt(dockerfile.text, f"{dockerfile.filename}:{at.line}", at)


def _tag(name: str) -> Reference:
    reference = parse_reference(name)
    if reference.digest:
        raise Invalid("build tag cannot contain a digest")
    return reference.with_default_tag()


def _platform(text: str, here: Platform) -> Platform:
    try:
        return parse_platform(text, here) if text else here
    except Wrong as wrong:
        raise Invalid(wrong.reason) from wrong


def _quiet(events: Iterable[Progress]) -> Iterator[Progress]:
    """The image's ID alone; or everything, should the build fail."""
    held: list[Progress] = []
    image: ImageID | None = None
    for event in events:
        if isinstance(event, Failed):
            yield from (one for one in held if not isinstance(one, Explained))
            yield event
            return
        held.append(event)
        image = event.image if isinstance(event, Built) else image
    yield Text(f"{image}\n")
