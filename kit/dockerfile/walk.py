"""One stage, instruction by instruction: variables replaced, steps made.

The walk keeps what a stage knows between two instructions: the run config, the variables in scope, what was said
before. It asks nobody anything; where files come from was looked up by ``kit.dockerfile.plan``.

Source: Dockerfile reference, "Environment replacement", "ARG"; BuildKit's dockerfile2llb.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

from kit.dockerfile import configure
from kit.dockerfile import instructions as say
from kit.dockerfile.checks import Findings
from kit.dockerfile.errors import Wrong
from kit.dockerfile.go import clean, quote
from kit.dockerfile.lines import find_heredoc
from kit.dockerfile.lint import is_secret_name
from kit.dockerfile.mounts import MountOptions, parse_device, parse_mount
from kit.dockerfile.ports import parse_port
from kit.dockerfile.sources import kind_of, parse_git
from kit.dockerfile.steps import (
    BuildContext,
    ConfigStep,
    CopyStep,
    InlineFile,
    Mount,
    RunStep,
    Scratch,
    Source,
    State,
    Step,
    WorkdirStep,
)
from kit.dockerfile.suggest import nearest
from kit.dockerfile.variables import Expanded, Lexer
from kit.oci.digest import InvalidDigest, parse_digest

MOST_TEXT = 32 << 20  # characters that all replaced variables of a build may make: ENV A=$A$A doubles each time
MOST_PORTS = 3 * 65536  # those that there are, of three protocols
PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy")
_CHMOD = re.compile(r"[ugoa]*(?:[-+=](?:[rwxXst]*|[ugo]))+(?:,[ugoa]*(?:[-+=](?:[rwxXst]*|[ugo]))+)*")

Find = Callable[[str, say.Instruction], Source]  # what --from names


@dataclass(frozen=True)
class Surroundings:
    """What all stages of a build share. ``args`` are the global ARGs, ``build_args`` what the client gave."""

    escape: str
    args: Mapping[str, str]
    build_args: Mapping[str, str]
    findings: Findings
    budget: list[int]  # one number: characters that may still be made


class Walk:
    """A stage being walked through."""

    def __init__(self, around: Surroundings, start: State, find: Find) -> None:
        self.around, self.state, self.find = around, start, find
        self.lexer = Lexer(around.escape)
        self.env = {key: value for key, _, value in (line.partition("=") for line in start.env)}
        self.args = dict(start.args)
        self.said: dict[str, say.Instruction] = {}
        self.here: say.Instruction | None = None

    def step(self, instruction: say.Instruction, *, on_build: bool = False) -> Step:
        """What ``instruction`` does, after all those before it.

        Raises:
            Wrong: a variable, a flag or an argument can't be what it is.
        """
        self.here = instruction
        if "\0" in instruction.text:
            raise Wrong("a NUL byte can stand in no path, variable or argument", "\0")
        title = self._title(instruction)
        match instruction:
            case say.Run():
                step: Step = self._run(instruction, title)
            case say.Transfer():
                step = self._copy(self._expanded_transfer(instruction), title)
            case say.Workdir():
                step = self._workdir(instruction, title)
            case say.Arg():
                step = self._arg(instruction, title)
            case _:
                step = self._config(self._expanded(instruction), title)
        return replace(step, on_build=on_build)

    # Variables

    def expand(self, text: str, lexer: Lexer | None = None) -> str:
        return self._replace(text, lexer or self.lexer).text

    def _replace(self, text: str, lexer: Lexer) -> Expanded:
        result = lexer.expand(text, self.env)
        self.around.budget[0] -= len(result.text)
        if self.around.budget[0] < 0:
            raise Wrong(f"the variables of this build make more than {MOST_TEXT} characters", text)
        for name in sorted(result.unmatched - self.args.keys()):
            near = nearest(name, self.env)
            text = f"Usage of undefined variable '${name}'" + (f" (did you mean ${near}?)" if near else "")
            self.warn("UndefinedVar", text)
        return result

    def warn(self, rule: str, text: str, at: say.Instruction | None = None) -> None:
        at = at or self.here
        assert at
        self.around.findings.add(rule, text, at.at.line, at.comments)

    def _expanded(self, instruction: say.Instruction) -> say.Instruction:
        """``instruction`` with its variables replaced, if it is one that has some."""
        match instruction:
            case say.Env(pairs=pairs) | say.Label(pairs=pairs):
                self._about_pairs(instruction, pairs)
                return replace(instruction, pairs=tuple(self._pair(pair) for pair in pairs))
            case say.User(user=user):
                return replace(instruction, user=self.expand(user))
            case say.StopSignal(signal=signal):
                return replace(instruction, signal=self.expand(signal))
            case say.Volume(paths=paths):
                return replace(instruction, paths=tuple(map(self.expand, paths)))
            case say.Expose(ports=ports):
                return replace(instruction, ports=self._ports(ports))
        return instruction

    def _ports(self, ports: Iterable[str]) -> tuple[str, ...]:
        """All ports of an EXPOSE; one of its words can be several once its variables are replaced."""
        found: list[str] = []
        for word in (word for port in ports for word in self.lexer.expand(port, self.env).words):
            found += parse_port(word, self.warn)
            if len(found) > MOST_PORTS:
                raise Wrong(f"EXPOSE names more than {MOST_PORTS} ports", word)
        return tuple(found)

    def _pair(self, pair: say.Pair) -> say.Pair:
        return replace(pair, key=self.expand(pair.key), value=self.expand(pair.value))

    def _expanded_transfer(self, transfer: say.Transfer) -> say.Transfer:
        bodies = Lexer(quotes=False)
        if isinstance(transfer, say.Add):
            transfer = replace(transfer, checksum=self.expand(transfer.checksum))
        return replace(
            transfer,
            sources=tuple(map(self.expand, transfer.sources)),
            dest=self.expand(transfer.dest),
            chown=self.expand(transfer.chown),
            chmod=self.expand(transfer.chmod),
            heredocs=tuple(
                replace(heredoc, content=self.expand(heredoc.text, bodies) if heredoc.expand else heredoc.text)
                for heredoc in transfer.heredocs
            ),
        )

    def _title(self, instruction: say.Instruction) -> str:
        lexer = self.lexer.with_(raw_quotes=True, keep_unset=True) if isinstance(instruction, say.Run) else self.lexer
        keyword, space, rest = instruction.text.partition(" ")
        try:
            text = lexer.expand(rest, self.env).text
        except Wrong:
            text = rest
        return keyword.upper() + space + text

    # Configuration

    def _config(self, instruction: say.Instruction, title: str) -> Step:
        keyword = type(instruction).__name__
        if isinstance(instruction, say.Cmd | say.Entrypoint | say.Healthcheck):
            self._about_repetition(instruction)
        run = configure.configured(self.state.run, instruction, cmd_set="Cmd" in self.said)
        self.said[keyword] = instruction
        author = instruction.maintainer if isinstance(instruction, say.Maintainer) else self.state.author
        self.state = replace(self.state, run=run, author=author)
        if isinstance(instruction, say.Env):
            self._set({pair.key: pair.value for pair in instruction.pairs})
        return self._done(ConfigStep, instruction, title, configure.told(instruction, run))

    def _about_repetition(self, instruction: say.Cmd | say.Entrypoint | say.Healthcheck) -> None:
        before = self.said.get(type(instruction).__name__)
        if before:
            what = f"Multiple {instruction.name} instructions should not be used in the same stage"
            text = f"{what} because only the last one will be used"
            self.warn("MultipleInstructionsDisallowed", text, before)
        command = getattr(instruction, "command", None)
        if command and command.shell and not self.state.run.shell:
            what = f"JSON arguments recommended for {instruction.name}"
            self.warn("JSONArgsRecommended", f"{what} to prevent unintended behavior related to OS signals")

    def _about_pairs(self, instruction: say.Instruction, pairs: Iterable[say.Pair]) -> None:
        name = instruction.name
        for pair in pairs:
            if pair.legacy:
                text = f'"{name} key=value" should be used instead of legacy "{name} key value" format'
                self.warn("LegacyKeyValueFormat", text)
            if isinstance(instruction, say.Env):
                self._about_secret("ENV", pair.key)

    def _about_secret(self, keyword: str, name: str) -> None:
        if is_secret_name(name):
            text = f"Do not use ARG or ENV instructions for sensitive data ({keyword} {quote(name)})"
            self.warn("SecretsUsedInArgOrEnv", text)

    def _arg(self, instruction: say.Arg, title: str) -> Step:
        """The client's value wins over the default; a name alone takes the global ARG's value."""
        resolved = []
        for arg in instruction.args:
            self._about_secret("ARG", arg.key)
            value = self.around.build_args.get(arg.key)
            if value is None:
                value = self.around.args.get(arg.key) if arg.value is None else self.expand(arg.value)
            if value is not None:
                self._set({arg.key: value})
            self.args[arg.key] = value
            resolved.append(say.ArgPair(arg.key, value))
        self.state = replace(self.state, args=tuple(self.args.items()))
        instruction = replace(instruction, args=tuple(resolved))
        return self._done(ConfigStep, instruction, title, configure.told(instruction, self.state.run))

    def _set(self, pairs: Mapping[str, str]) -> None:
        self.env.update(pairs)
        self.state = replace(self.state, env=configure.env_lines(self.env))

    def _workdir(self, instruction: say.Workdir, title: str) -> Step:
        instruction = replace(instruction, path=self.expand(instruction.path))
        if not self.state.workdir_set and not instruction.path.startswith("/"):
            what = f"Relative workdir {quote(instruction.path)} can have unexpected results"
            self.warn("WorkdirRelativePath", f"{what} if the base image changes")
        run = configure.configured(self.state.run, instruction)
        self.state = replace(self.state, run=run, workdir_set=True)
        told = configure.told(instruction, run)
        if run.working_dir == "/":
            return self._done(ConfigStep, instruction, title, told)
        return self._done(WorkdirStep, instruction, title, told, path=run.working_dir, user=run.user)

    def _done(self, kind: type[Step], instruction: say.Instruction, title: str, created_by: str, **more: Any) -> Step:
        return kind(instruction=instruction, title=title, created_by=created_by, after=self.state, **more)

    # RUN

    def _run(self, instruction: say.Run, title: str) -> Step:
        if any("\0" in heredoc.content for heredoc in instruction.heredocs):
            raise Wrong("a NUL byte can stand in no path, variable or argument", "\0")
        mounts = tuple(self._mount(parse_mount(text, self.expand)) for text in instruction.mounts)
        command, script = self._command(instruction)
        argv = configure.argv(self.state.run, command)
        arguments = [f"{key}={self.env.get(key, value or '')}" for key, value in self.args.items()]
        counted = [f"|{len(arguments)}", *arguments] if arguments else []
        return self._done(
            RunStep,
            instruction,
            title,
            " ".join(("RUN", *counted, *argv, "# buildkit")),
            argv=argv,
            env=self.state.env,
            working_dir=self.state.run.working_dir or "/",
            user=self.state.run.user,
            mounts=mounts,
            network=cast(Literal["default", "none", "host"], instruction.network),
            security=cast(Literal["sandbox", "insecure"], instruction.security),
            devices=tuple(map(parse_device, instruction.devices)),
            proxy=self._proxy(),
            script=script,
        )

    def _command(self, run: say.Run) -> tuple[say.Command, InlineFile | None]:
        """The command with its heredocs: a script of its own if the heredoc is all and has a shebang."""
        if not run.heredocs:
            return run.command, None
        line = run.command.words[0]
        first = run.heredocs[0]
        if not find_heredoc(line):
            bodies = (f"\n{heredoc.content}{heredoc.name}" for heredoc in run.heredocs)
            return say.Command(("".join((line, *bodies)),), shell=True), None
        if not first.text.startswith("#!"):
            return say.Command((first.text,), shell=True), None
        return say.Command((f"/dev/pipes/{first.name}",), shell=True), InlineFile(first.name, first.text, 0o755)

    def _proxy(self) -> tuple[str, ...]:
        given = {name.lower(): value for name, value in sorted(self.around.build_args.items())}
        return tuple(f"{name}={given[key]}" for key in PROXIES if key in given for name in (key.upper(), key))

    def _mount(self, options: MountOptions) -> Mount:
        kind = cast(Literal["bind", "cache", "tmpfs", "secret", "ssh"], options.type)
        mount = Mount(
            kind,
            target=self._inside(options.target) if options.target or kind not in ("secret", "ssh") else "",
            source=clean("/" + options.source),
            id=options.id,
            readonly=kind not in ("cache", "tmpfs") if options.readonly is None else options.readonly,
            sharing=cast(Literal["shared", "private", "locked"], options.sharing or "shared"),
            required=options.required,
            size=options.size,
            env=options.env,
            mode=options.mode,
            uid=options.uid,
            gid=options.gid,
        )
        if kind == "secret":
            id_ = options.source or options.id or options.target.rpartition("/")[2]
            default = "" if options.env is not None else "/run/secrets/" + id_.rpartition("/")[2]
            return replace(mount, target=mount.target or default, source=id_, id=id_)
        if kind == "ssh":
            return replace(mount, id=options.id or "default")
        if mount.target == "/":
            raise Wrong(f"invalid mount target {quote(mount.target)}", "--mount")
        id_ = options.id or (clean(options.target) if kind == "cache" else "")
        return replace(mount, id=id_, from_=self._mounted_from(options))

    def _mounted_from(self, options: MountOptions) -> Source:
        assert self.here
        if options.type == "tmpfs" or (options.type == "cache" and not options.from_):
            return Scratch()
        return self.find(options.from_, self.here) if options.from_ else BuildContext()

    def _inside(self, path: str) -> str:
        return clean(configure.under(self.state.run.working_dir, path))

    # COPY and ADD

    def _copy(self, transfer: say.Transfer, title: str) -> Step:
        add = transfer if isinstance(transfer, say.Add) else None
        copy = transfer if isinstance(transfer, say.Copy) else None
        _check_chmod(transfer.chmod)
        if add and add.checksum:
            _check_checksum(add)
        for source in transfer.sources:
            self._check_source(source, transfer)
        from_ = self.find(copy.from_, copy) if copy and copy.from_ else BuildContext()
        return self._done(
            CopyStep,
            transfer,
            title,
            _copied(transfer),
            from_=from_,
            sources=transfer.sources,
            dest=self._destination(transfer.dest),
            files=tuple(InlineFile(heredoc.name, heredoc.content) for heredoc in transfer.heredocs),
            chown=transfer.chown,
            chmod=transfer.chmod,
            link=transfer.link,
            parents=bool(copy and copy.parents),
            exclude=transfer.exclude,
            add=add is not None,
            checksum=add.checksum if add else "",
            keep_git_dir=add.keep_git_dir if add else None,
            unpack=add.unpack if add else None,
        )

    def _destination(self, dest: str) -> str:
        """Absolute, with the slash at its end (or ``/.``) that says "a directory"."""
        path = configure.under(self.state.run.working_dir, dest)
        if dest in ("", "."):
            dest = "./"
        if dest.endswith("/") and not path.endswith("/"):
            return path + "/"
        if dest.endswith("/.") and not path.endswith("/."):
            return path.rstrip("/") + "/."
        return path

    def _check_source(self, source: str, transfer: say.Transfer) -> None:
        kind = kind_of(source)
        if isinstance(transfer, say.Copy) and kind == "git":
            raise Wrong("source can't be a git ref for COPY", source)
        if isinstance(transfer, say.Copy) and kind == "url":
            raise Wrong("source can't be a URL for COPY", source)
        if isinstance(transfer, say.Add) and kind == "git":
            git = parse_git(source)
            if None not in (git.keep_git_dir, transfer.keep_git_dir) and git.keep_git_dir != transfer.keep_git_dir:
                raise Wrong("inconsistent keep-git-dir configuration", source)
            if git.checksum and transfer.checksum not in ("", git.checksum):
                raise Wrong(f"checksum mismatch {quote(transfer.checksum)} != {quote(git.checksum)}", source)


def _check_chmod(mode: str) -> None:
    if not mode or re.fullmatch(r"0*[0-7]{1,4}", mode):
        return
    if (mode[0] in "+-" and mode[1:].isdecimal()) or mode.isdecimal() or mode.startswith("0o"):
        what = f"invalid chmod parameter: '{mode}'"
        raise Wrong(f"{what}. it should be octal string and between 0 and 07777", mode)
    if not _CHMOD.fullmatch(mode):
        raise Wrong("invalid syntax", mode)


def _check_checksum(add: say.Add) -> None:
    if len(add.sources) != 1:
        raise Wrong("checksum can't be specified for multiple sources", "--checksum")
    kind = kind_of(add.sources[0])
    if kind == "path":
        raise Wrong("checksum requires HTTP(S) or Git sources", "--checksum")
    if kind == "url":
        try:
            parse_digest(add.checksum)
        except InvalidDigest as error:
            raise Wrong(str(error), add.checksum) from error


def _copied(transfer: say.Transfer) -> str:
    words = ["ADD" if isinstance(transfer, say.Add) else "COPY"]
    words += ["--parents"] if isinstance(transfer, say.Copy) and transfer.parents else []
    words += [f"--chown={transfer.chown}"] if transfer.chown else []
    words += [f"--chmod={transfer.chmod}"] if transfer.chmod else []
    words += [*transfer.sources, *(f"<<{heredoc.name}" for heredoc in transfer.heredocs)]
    return " ".join((*words, transfer.dest, "# buildkit"))
