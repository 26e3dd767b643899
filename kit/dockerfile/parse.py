"""Text to instructions: the whole language, nothing resolved.

Two passes, as BuildKit has them: first the shape of every line (so a heredoc without an end is found before a wrong
flag), then what each instruction means.

Source: Dockerfile reference; BuildKit's frontend/dockerfile for the words of the errors.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from kit.dockerfile import instructions as say
from kit.dockerfile.errors import Wrong
from kit.dockerfile.go import SPACE, parse_duration, quote
from kit.dockerfile.lines import Reader, Text, find_heredoc
from kit.dockerfile.mounts import check_mount, parse_device
from kit.dockerfile.nodes import Node, first_word, read_nodes
from kit.dockerfile.suggest import hint
from kit.dockerfile.words import Flags, parse_pairs, split_keyword, split_words

_STAGE_NAME = re.compile(r"[a-z][a-z0-9-_.]*")
_ON_BUILD = re.compile(f"[{SPACE}]*ONBUILD[{SPACE}]*", re.IGNORECASE)


def parse_dockerfile(data: str | bytes, filename: str = "Dockerfile") -> say.Dockerfile:
    """The Dockerfile in ``data``. Bytes that aren't UTF-8 are read as U+FFFD.

    Raises:
        DockerfileError: with file, line and column.
    """
    text = Text(data, filename)
    reader = Reader(text)
    found = _parse(text, reader)
    globals_: list[say.Arg] = []
    stages: list[say.Stage] = []
    for instruction in found:
        if isinstance(instruction, say.From):
            stages.append(say.Stage(len(stages), instruction))
        elif stages:
            stages[-1] = replace(stages[-1], body=(*stages[-1].body, instruction))
        elif isinstance(instruction, say.Arg):
            globals_.append(instruction)
        else:
            raise text.error(Wrong("no build stage in current context"), instruction.at)
    if not stages:
        raise text.error(Wrong("dockerfile contains no stages to build"), None)
    return say.Dockerfile(
        text=text.text,
        filename=filename,
        escape=reader.escape,
        stages=tuple(stages),
        globals=tuple(globals_),
        directives=reader.directives,
        empty_continuations=tuple(reader.empty_continuations),
    )


def parse_instructions(data: str | bytes, filename: str = "Dockerfile") -> list[say.Instruction]:
    """All instructions in ``data``, also without a FROM: an ONBUILD trigger, the changes of a commit."""
    text = Text(data, filename)
    return _parse(text, Reader(text))


def _parse(text: Text, reader: Reader) -> list[say.Instruction]:
    nodes = read_nodes(text, reader)
    found = []
    for node in nodes:
        try:
            found.append(interpret(node))
        except Wrong as wrong:
            prefixed = Wrong(f"dockerfile parse error on line {node.line.at.line}: {wrong.reason}", wrong.near)
            raise text.error(prefixed, node.line.at) from wrong
    return found


def interpret(node: Node) -> say.Instruction:
    """The instruction that ``node`` is.

    Raises:
        Wrong: none, or one with wrong flags or arguments.
    """
    reader = READERS.get(node.keyword.lower())
    if reader is None:
        near = hint(node.keyword, map(str.upper, READERS), fold=True)
        raise Wrong(f"unknown instruction: {node.keyword}{near}", node.keyword)
    return reader(node)


def _one(node: Node) -> str:
    if not node.rest:
        raise Wrong(f"{node.keyword.upper()} requires exactly one argument")
    return node.rest


def _some(node: Node, words: Iterable[str] | None = None) -> tuple[str, ...]:
    found = tuple(node.words if words is None else words)
    if not found:
        raise Wrong(f"{node.keyword.upper()} requires at least one argument")
    return found


def _from(node: Node) -> say.From:
    words = node.words
    stage = as_word = written = ""
    if len(words) == 3 and words[1].lower() == "as":
        _, as_word, written = words
        stage = written.lower()
        if not _STAGE_NAME.fullmatch(stage):
            reason = (
                f"invalid name for build stage: {quote(written)}, name can't start with a number or contain symbols"
            )
            raise Wrong(reason, written)
    elif len(words) != 1:
        raise Wrong("FROM requires either one or three arguments", node.rest)
    flags = Flags.of(node.flags, platform=str)
    return say.From(
        **node.common,
        base=words[0],
        stage=stage,
        as_word=as_word,
        stage_as_written=written,
        platform=flags.text("platform"),
    )


def _run(node: Node) -> say.Run:
    flags = Flags.of(node.flags, mount=list, network=str, security=str, device=list)
    mounts, devices = flags.all("mount"), flags.all("device")
    for device in devices:
        parse_device(device)
    for mount in mounts:
        check_mount(mount)
    network = flags.text("network", "default")
    if network not in ("default", "none", "host"):
        raise Wrong(f"invalid network mode {quote(network)}", "--network")
    security = flags.text("security", "sandbox")
    if security not in ("sandbox", "insecure"):
        raise Wrong(f"security {quote(security)} is not valid", "--security")
    return say.Run(
        **node.common,
        command=node.command,
        heredocs=node.line.heredocs,
        mounts=mounts,
        network=network,
        security=security,
        devices=devices,
    )


def _sources(node: Node) -> dict[str, Any]:
    """What COPY and ADD share: sources, heredocs among them, and the destination."""
    *sources, dest = node.words
    if find_heredoc(dest):
        raise Wrong(f"{node.keyword.upper()} cannot accept a heredoc as a destination", dest)
    bodies = {heredoc.name: heredoc for heredoc in node.line.heredocs}
    files, paths = [], []
    for source in sources:
        heredoc = find_heredoc(source)
        if heredoc is None:
            paths.append(source)
        else:
            body = bodies.get(heredoc.name)
            files.append(replace(heredoc, content=body.content if body else ""))
    return {"sources": tuple(paths), "dest": dest, "heredocs": tuple(files)}


def _two(node: Node) -> None:
    if len(node.words) < 2:
        reason = "requires at least two arguments, but only one was provided. Destination could not be determined"
        raise Wrong(f"{node.keyword.upper()} {reason}", node.rest)


def _shared(flags: Flags) -> dict[str, Any]:
    return {
        "chown": flags.text("chown"),
        "chmod": flags.text("chmod"),
        "link": bool(flags.truth("link")),
        "exclude": flags.all("exclude"),
    }


def _copy(node: Node) -> say.Copy:
    _two(node)
    flags = Flags.of(node.flags, chown=str, chmod=str, link=bool, exclude=list, parents=bool, **{"from": str})
    return say.Copy(
        **node.common,
        **_shared(flags),
        **_sources(node),
        from_=flags.text("from"),
        parents=bool(flags.truth("parents")),
    )


def _add(node: Node) -> say.Add:
    _two(node)
    flags = Flags.of(
        node.flags, chown=str, chmod=str, link=bool, exclude=list, checksum=str, keep_git_dir=bool, unpack=bool
    )
    return say.Add(
        **node.common,
        **_shared(flags),
        **_sources(node),
        checksum=flags.text("checksum"),
        keep_git_dir=flags.truth("keep-git-dir"),
        unpack=flags.truth("unpack"),
    )


def _pairs(node: Node) -> tuple[say.Pair, ...]:
    Flags.of(node.flags)
    pairs = parse_pairs(node.keyword.upper(), node.rest, node.escape)
    if not pairs:
        raise Wrong(f"{node.keyword.upper()} requires at least one argument")
    if not all(pair.key for pair in pairs):
        raise Wrong(f"{node.keyword.upper()} names can not be blank", node.rest)
    return pairs


def _arg(node: Node) -> say.Arg:
    args = []
    for word in _some(node, split_words(node.rest, node.escape)):
        key, equals, value = word.partition("=")
        if equals and not key:
            raise Wrong("ARG names can not be blank", word)
        args.append(say.ArgPair(key, value if equals else None))
    return say.Arg(**node.common, args=tuple(args))


def _plain(node: Node) -> str:
    """The one argument of an instruction without flags."""
    argument = _one(node)
    Flags.of(node.flags)
    return argument


def _command(node: Node) -> say.Command:
    Flags.of(node.flags)
    return node.command


def _expose(node: Node) -> say.Expose:
    ports = _some(node)
    Flags.of(node.flags)
    return say.Expose(**node.common, ports=tuple(sorted(ports)))


def _volume(node: Node) -> say.Volume:
    paths = tuple(path.strip(SPACE) for path in _some(node))
    Flags.of(node.flags)
    if not all(paths):
        raise Wrong("VOLUME specified can not be an empty string")
    return say.Volume(**node.common, paths=paths)


def _shell(node: Node) -> say.Shell:
    Flags.of(node.flags)
    words = _some(node)
    if node.json is None:
        raise Wrong("SHELL requires the arguments to be in JSON form", node.rest)
    return say.Shell(**node.common, words=words)


def _healthcheck(node: Node) -> say.Healthcheck:
    kind, command = first_word(node.rest)
    if not kind:
        raise Wrong("HEALTHCHECK requires at least one argument")
    if kind.upper() == "NONE":
        if node.json or (node.json is None and command):
            raise Wrong("HEALTHCHECK NONE takes no arguments", command)
        return say.Healthcheck(**node.common, test=("NONE",))
    flags = Flags.of(node.flags, interval=str, timeout=str, start_period=str, start_interval=str, retries=str)
    if kind.upper() != "CMD":
        raise Wrong(f"Unknown type {quote(kind.upper())} in HEALTHCHECK (try CMD)", kind)
    words = (command,) if node.json is None and command else node.json
    if not words:
        raise Wrong("Missing command after HEALTHCHECK CMD", kind)
    return say.Healthcheck(
        **node.common,
        test=("CMD-SHELL" if node.json is None else "CMD", *words),
        interval=_interval(flags, "interval"),
        timeout=_interval(flags, "timeout"),
        start_period=_interval(flags, "start-period"),
        start_interval=_interval(flags, "start-interval"),
        retries=_retries(flags.text("retries")),
    )


def _interval(flags: Flags, name: str) -> int:
    text = flags.text(name)
    value = parse_duration(text) if text else 0
    if value and value < 10**6:
        raise Wrong(f"Interval {quote(name)} cannot be less than 1ms", text)
    return value


def _retries(text: str) -> int:
    if not text:
        return 0
    if not re.fullmatch(r"[+-]?[0-9]+", text, re.ASCII):
        raise Wrong(f"strconv.ParseInt: parsing {quote(text)}: invalid syntax", text)
    if len(text) > 11 or not -(2**31) <= int(text) < 2**31:
        raise Wrong(f"strconv.ParseInt: parsing {quote(text)}: value out of range", text)
    if int(text) < 0:
        raise Wrong(f"--retries cannot be negative ({int(text)})", text)
    return int(text)


def _onbuild(node: Node) -> say.OnBuild:
    keyword = split_keyword(node.rest)[0].upper() if node.rest else ""
    if not keyword:
        raise Wrong("ONBUILD requires at least one argument")
    Flags.of(node.flags)
    if keyword == "ONBUILD":
        raise Wrong("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed", node.rest)
    if keyword in ("MAINTAINER", "FROM"):
        raise Wrong(f"{keyword} isn't allowed as an ONBUILD trigger", node.rest)
    trigger = _ON_BUILD.sub("", node.line.text, count=1)
    bodies = (f"\n{heredoc.content}{heredoc.name}" for heredoc in node.line.heredocs)
    return say.OnBuild(**node.common, trigger="".join((trigger, *bodies)))


READERS: dict[str, Callable[[Node], say.Instruction]] = {
    "add": _add,
    "arg": _arg,
    "cmd": lambda node: say.Cmd(**node.common, command=_command(node)),
    "copy": _copy,
    "entrypoint": lambda node: say.Entrypoint(**node.common, command=_command(node)),
    "env": lambda node: say.Env(**node.common, pairs=_pairs(node)),
    "expose": _expose,
    "from": _from,
    "healthcheck": _healthcheck,
    "label": lambda node: say.Label(**node.common, pairs=_pairs(node)),
    "maintainer": lambda node: say.Maintainer(**node.common, maintainer=_plain(node)),
    "onbuild": _onbuild,
    "run": _run,
    "shell": _shell,
    "stopsignal": lambda node: say.StopSignal(**node.common, signal=_one(node)),
    "user": lambda node: say.User(**node.common, user=_plain(node)),
    "volume": _volume,
    "workdir": lambda node: say.Workdir(**node.common, path=_plain(node)),
}
