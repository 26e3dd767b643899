"""From instructions to a plan: which stages are needed, what each of their steps does.

Nothing is touched. The one thing a plan must ask for is the config of a parent image; whoever calls gives a
function for that. So a whole build can be shown, tested and keyed before its first step runs.

Source: Dockerfile reference, "FROM", "ONBUILD"; docs.docker.com/build/building/multi-stage.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

from kit.dockerfile import instructions as say
from kit.dockerfile.checks import Findings, parse_check_options
from kit.dockerfile.configure import under, with_env
from kit.dockerfile.errors import DockerfileError, Wrong
from kit.dockerfile.go import quote
from kit.dockerfile.instructions import Range
from kit.dockerfile.lint import check_text
from kit.dockerfile.mounts import check_mount
from kit.dockerfile.parse import parse_instructions
from kit.dockerfile.platforms import parse_platform
from kit.dockerfile.steps import FromImage, FromStage, NamedContext, Plan, Scratch, Source, StagePlan, State, Step
from kit.dockerfile.suggest import hint, nearest
from kit.dockerfile.variables import Expanded, Lexer
from kit.dockerfile.walk import MOST_TEXT, Surroundings, Walk
from kit.oci.config import ImageConfig, RunConfig
from kit.oci.descriptor import Platform
from kit.oci.reference import InvalidReference, parse_reference

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

Resolve = Callable[[FromImage | NamedContext], ImageConfig | None]


@dataclass(frozen=True)
class PlanOptions:
    """What the client asks for. ``platform`` None is the machine's own, ``build_platform``; ``contexts`` are the
    names of further build contexts; ``labels`` go on the target."""

    target: str = ""
    build_args: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    platform: Platform | None = None
    build_platform: Platform = field(default_factory=Platform)
    contexts: frozenset[str] = frozenset()


def plan(dockerfile: say.Dockerfile, options: PlanOptions, resolve: Resolve) -> Plan:
    """The plan of a build. ``resolve`` is asked for each parent that is needed, before any stage is walked.

    Raises:
        DockerfileError: with file, line and column; and whatever ``resolve`` raises.
    """
    return _Planner(dockerfile, options, resolve).plan()


@dataclass
class _Head:
    """A stage with what is found out about it: where it starts from, what it does, in the end its plan."""

    stage: say.Stage
    parent: Source
    platform: Platform | None
    body: tuple[tuple[say.Instruction, bool], ...]  # and whether it is a trigger of the parent
    config: ImageConfig | None = None
    done: StagePlan | None = None

    @property
    def title(self) -> str:
        return self.stage.name or f"stage-{self.stage.index}"


class _Planner:
    def __init__(self, dockerfile: say.Dockerfile, options: PlanOptions, resolve: Resolve) -> None:
        self.dockerfile, self.options, self.resolve = dockerfile, options, resolve
        self.target_platform = options.platform or options.build_platform
        self.lexer = Lexer(dockerfile.escape)
        self.findings = self._findings()
        self.names: dict[str, int] = {}
        self.heads: list[_Head] = []

    def plan(self) -> Plan:
        check_text(self.dockerfile, self.findings)
        self._check_default_bases()
        args = self._global_args(self.options.build_args)
        self.around = Surroundings(
            self.dockerfile.escape, args, self.options.build_args, self.findings, budget=[MOST_TEXT]
        )
        for stage in self.dockerfile.stages:
            with self._at(stage.start):
                self.heads.append(self._head(stage, args))
            if stage.name:
                self.names[stage.name] = stage.index
        target = self._target()
        self._refuse_circles()
        stages = [self._walked(self.heads[index]) for index in sorted(self._needed(target))]
        stages[-1] = replace(stages[-1], labels=self.options.labels)
        if refusal := self.findings.refusal():
            raise self._error(refusal, None)
        return Plan(tuple(stages), tuple(self.findings.found))

    # Errors

    def _error(self, wrong: Wrong, at: Range | None) -> DockerfileError:
        return DockerfileError(wrong, text=self.dockerfile.text, filename=self.dockerfile.filename, at=at)

    @contextmanager
    def _at(self, instruction: say.Instruction) -> Iterator[None]:
        """What goes wrong inside is wrong with ``instruction``."""
        try:
            yield
        except Wrong as wrong:
            raise self._error(wrong, instruction.at) from wrong

    def _findings(self) -> Findings:
        try:
            return Findings(parse_check_options(self.dockerfile.directives.get("check", "").partition(" ")[0]))
        except Wrong as wrong:
            raise self._error(Wrong(f"failed to parse check options: {wrong.reason}"), Range(1, 1, 1)) from wrong

    # Before the first FROM

    def _global_args(self, given: Mapping[str, str]) -> dict[str, str]:
        """The platform ARGs that always exist, and those before the first FROM; ``given`` wins over defaults."""
        args = {key: given.get(key, value) for key, value in self._predefined().items()}
        for instruction in self.dockerfile.globals:
            for arg in instruction.args:
                if arg.key in given:
                    args[arg.key] = given[arg.key]
                elif arg.value is not None:
                    with self._at(instruction):
                        args[arg.key] = self.lexer.expand(arg.value, args).text
        return args

    def _predefined(self) -> dict[str, str]:
        build, target = self.options.build_platform, self.target_platform
        return {
            "BUILDPLATFORM": str(build),
            "BUILDOS": build.os,
            "BUILDOSVERSION": "",
            "BUILDARCH": build.architecture,
            "BUILDVARIANT": build.variant,
            "TARGETPLATFORM": str(target),
            "TARGETOS": target.os,
            "TARGETOSVERSION": "",
            "TARGETARCH": target.architecture,
            "TARGETVARIANT": target.variant,
            "TARGETSTAGE": self.options.target or self.dockerfile.stages[-1].name or "default",
        }

    def _check_default_bases(self) -> None:
        """InvalidDefaultArgInFrom: does every FROM name an image when the client gives no ARG?"""
        try:
            args = self._global_args({})
            bases = [(s.start, self.lexer.expand(s.start.base, args).text) for s in self.dockerfile.stages]
        except (Wrong, DockerfileError):
            return  # it is told again, where it matters
        for start, base in bases:
            try:
                parse_reference(base)
            except InvalidReference:
                text = f"Default value for ARG {start.base} results in empty or invalid base image name"
                self._warn("InvalidDefaultArgInFrom", text, start)

    def _warn(self, rule: str, text: str, at: say.Instruction) -> None:
        self.findings.add(rule, text, at.at.line, at.comments)

    # FROM

    def _head(self, stage: say.Stage, args: Mapping[str, str]) -> _Head:
        start = stage.start
        base = self._in_from(start, start.base, args).text
        if not base:
            raise Wrong(f"base name ({start.base}) should not be blank", start.base)
        platform = self._platform(start, args) if start.platform else None
        if stage.name in self.options.contexts:
            return _Head(stage, NamedContext(stage.name), platform, ())
        body = tuple((instruction, False) for instruction in stage.body)
        if base in self.names:
            return _Head(stage, FromStage(self.names[base]), platform, body)
        return _Head(stage, self._outside(base, platform), platform, body)

    def _in_from(self, start: say.From, text: str, args: Mapping[str, str]) -> Expanded:
        found = self.lexer.expand(text, args)
        known = {*args, *(arg.key for instruction in self.dockerfile.globals for arg in instruction.args)}
        for name in sorted(found.unmatched - known):
            near = nearest(name, known)
            hinted = f" (did you mean {near}?)" if near else ""
            self._warn("UndefinedArgInFrom", f"FROM argument '{name}' is not declared{hinted}", start)
        return found

    def _platform(self, start: say.From, args: Mapping[str, str]) -> Platform:
        found = self._in_from(start, start.platform, args)
        if not found.text:
            options = hint(next(iter(sorted(found.unmatched)), ""), args)
            raise Wrong(f"empty platform value from expression {start.platform}{options}", "--platform")
        if found.matched == {"TARGETPLATFORM"} and not found.unmatched and found.text == args["TARGETPLATFORM"]:
            text = f"Setting platform to predefined {start.platform} in FROM is redundant as this is the default"
            self._warn("RedundantTargetPlatform", f"{text} behavior", start)
        try:
            platform = parse_platform(found.text, self.target_platform)
        except Wrong as wrong:
            raise Wrong(f"failed to parse platform {start.platform}: {wrong.reason}", "--platform") from wrong
        constant = not found.matched and not found.unmatched
        if constant and platform.os not in start.stage and platform.architecture not in start.stage:
            text = f"FROM --platform flag should not use constant value {quote(found.text)}"
            self._warn("FromPlatformFlagConstDisallowed", text, start)
        return platform

    def _outside(self, name: str, platform: Platform | None = None) -> Source:
        """What ``name`` is when it is no stage."""
        if name == "scratch":
            return Scratch()
        familiar = {name, name.removesuffix(":latest")}
        with suppress(InvalidReference):  # whoever pulls it will say so
            familiar.add(parse_reference(name).with_default_tag().familiar.removesuffix(":latest"))
        context = next((c for c in sorted(self.options.contexts) if c in familiar), None)
        return NamedContext(context) if context else FromImage(name, platform)

    # Which stages

    def _target(self) -> int:
        name = self.options.target
        if not name:
            return self.heads[-1].stage.index
        if name.lower() not in self.names:
            near = hint(name, (head.title for head in self.heads))
            raise self._error(Wrong(f"target stage {quote(name)} could not be found{near}"), None)
        return self.names[name.lower()]

    def _refuse_circles(self) -> None:
        """A stage may need earlier stages only; a later one that needs it in turn is a circle."""
        after = [self._dependencies(head) for head in self.heads]
        for head in self.heads:
            todo = list(after[head.stage.index])
            seen: set[int] = set()
            if all(index < head.stage.index for index in todo):
                continue
            while todo:
                index = todo.pop()
                if index == head.stage.index:
                    raise self._error(
                        Wrong(f"circular dependency detected on stage: {head.title}"), head.stage.start.at
                    )
                if index not in seen:
                    seen.add(index)
                    todo += after[index]

    def _dependencies(self, head: _Head) -> set[int]:
        found = {head.parent.index} if isinstance(head.parent, FromStage) else set()
        for instruction, _ in head.body:
            with self._at(instruction):
                sources = (self._source(name, instruction) for name in _from_names(instruction))
                found |= {source.index for source in sources if isinstance(source, FromStage)}
        return found

    def _source(self, name: str, instruction: say.Instruction) -> Source:
        """The stage, context or image that ``--from`` or ``from=`` names. Only COPY knows stages by number."""
        if isinstance(instruction, say.Copy):
            if self.lexer.expand(name, {}).text != name:
                what = "variable expansion is not supported for --from, define a new stage with FROM"
                raise Wrong(f"{what} using ARG from global scope as a workaround", "--from")
            if re.fullmatch(r"[+-]?[0-9]{1,9}", name):
                if not 0 <= int(name) < len(self.heads):
                    raise Wrong(f"invalid stage index {int(name)}", name)
                return FromStage(int(name))
        index = self.names.get(name.lower())
        return self._outside(name) if index is None else FromStage(index)

    def _needed(self, target: int) -> set[int]:
        """The target and all it depends on, each with its parent's config and triggers."""
        needed: set[int] = set()
        todo = [target]
        while todo:
            chain = [todo.pop()]
            while isinstance(parent := self.heads[chain[-1]].parent, FromStage) and chain[-1] not in needed:
                chain.append(parent.index)
            for index in reversed(chain):
                if index not in needed:
                    needed.add(index)
                    self._with_parent(self.heads[index])
                    todo += self._dependencies(self.heads[index])
        return needed

    def _with_parent(self, head: _Head) -> None:
        if isinstance(head.parent, FromStage):
            body = self.heads[head.parent.index].body
            triggers = [i.trigger for i, _ in body if isinstance(i, say.OnBuild)]
        elif isinstance(head.parent, FromImage | NamedContext):
            head.config = self.resolve(head.parent)
            self._check_platform(head)
            triggers = list(head.config.run.on_build) if head.config else []
        else:
            triggers = []
        if not isinstance(head.parent, NamedContext) or head.parent.name != head.stage.name:
            head.body = (*((self._triggered(text, head), True) for text in triggers), *head.body)

    def _check_platform(self, head: _Head) -> None:
        wanted = head.platform or self.target_platform
        if head.config and (head.config.platform.os, head.config.platform.architecture) != (
            wanted.os,
            wanted.architecture,
        ):
            what = f"Base image {head.stage.start.base} was pulled with platform {quote(str(head.config.platform))}"
            text = f"{what}, expected {quote(str(wanted))} for current build"
            self._warn("InvalidBaseImagePlatform", text, head.stage.start)

    def _triggered(self, trigger: str, head: _Head) -> say.Instruction:
        """The instruction that an ONBUILD of the parent held; it stands where FROM stands."""
        with self._at(head.stage.start):
            try:
                instructions = parse_instructions(trigger)
            except DockerfileError as error:
                raise Wrong(error.reason) from error
            if len(instructions) != 1 or isinstance(instructions[0], say.From):
                raise Wrong("onbuild trigger should be a single expression")
            return replace(instructions[0], at=head.stage.start.at)
        raise AssertionError  # never: _at lets nothing pass

    # Stages

    def _walked(self, head: _Head) -> StagePlan:
        start = self._start(head)
        walk = Walk(self.around, start, lambda name, instruction: self._before(name, instruction, head))
        steps: list[Step] = []
        for instruction, is_trigger in head.body:
            with self._at(instruction):
                steps.append(walk.step(instruction, on_build=is_trigger))
        head.done = StagePlan(head.stage, head.parent, start, tuple(steps))
        return head.done

    def _before(self, name: str, instruction: say.Instruction, head: _Head) -> Source:
        source = self._source(name, instruction)
        if isinstance(source, FromStage) and source.index >= head.stage.index:
            if isinstance(instruction, say.Copy):
                what = f"cannot copy from stage {quote(name)}, it needs to be defined before current stage"
                raise Wrong(f"{what} {quote(head.title)}", "--from")
            raise Wrong(f"cannot mount from stage {quote(name)}, stage needs to be defined before current command")
        return source

    def _start(self, head: _Head) -> State:
        """The state after FROM: the parent's, with a PATH, without its triggers."""
        if isinstance(head.parent, FromStage):
            before = self.heads[head.parent.index].done
            assert before
            return before.end.with_run(replace(before.end.run, on_build=()))
        run = replace(head.config.run, on_build=()) if head.config else RunConfig(working_dir="/")
        if "PATH" not in run.environment:
            run = with_env(run, [("PATH", DEFAULT_PATH)])
        if run.working_dir:
            run = replace(run, working_dir=under("/", run.working_dir))
        platform = head.config.platform if head.config else head.platform or self.target_platform
        author = head.config.author if head.config else ""
        return State(run=run, platform=platform, env=run.env, author=author)


def _from_names(instruction: say.Instruction) -> Iterator[str]:
    """What stands after ``--from=`` and ``from=``."""
    if isinstance(instruction, say.Copy) and instruction.from_:
        yield instruction.from_
    if isinstance(instruction, say.Run):
        yield from filter(None, map(check_mount, instruction.mounts))
