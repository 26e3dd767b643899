"""The build checks that need nothing but the text; and the one that needs ``.dockerignore``.

Source: docs.docker.com/reference/build-checks.
"""

import re
from collections.abc import Iterable, Iterator

from kit.dockerfile import instructions as say
from kit.dockerfile.checks import CheckWarning, Findings
from kit.dockerfile.go import clean, quote
from kit.dockerfile.ignore import Matcher
from kit.dockerfile.sources import kind_of

RESERVED = ("context", "scratch")
_SECRET = re.compile(
    r"(?:_|^)(?:apikey|auth|credentials?|key|password|pword|passwd|secret|token)(?:_|$)", re.IGNORECASE
)
_NO_SECRET = re.compile(r"(?:_|^)(?:public|file|version)(?:_|$)", re.IGNORECASE)


def check_text(dockerfile: say.Dockerfile, findings: Findings) -> None:
    """What can be seen without building anything."""
    for at in dockerfile.empty_continuations:
        findings.add("NoEmptyContinuation", "Empty continuation line", at.line)
    for instruction in instructions_of(dockerfile):
        for rule, text in _about(instruction):
            findings.add(rule, text, instruction.at.line, instruction.comments)
    _stage_names(dockerfile, findings)
    _casing(dockerfile, findings)


def instructions_of(dockerfile: say.Dockerfile) -> Iterator[say.Instruction]:
    """All of them, in the file's order."""
    yield from dockerfile.globals
    for stage in dockerfile.stages:
        yield stage.start
        yield from stage.body


def _about(instruction: say.Instruction) -> Iterator[tuple[str, str]]:
    match instruction:
        case say.Maintainer():
            yield "MaintainerDeprecated", "Maintainer instruction is deprecated in favor of using label"
        case say.From(stage=stage, stage_as_written=written, as_word=as_word, name=name):
            if written != stage:
                yield "StageNameCasing", f"Stage name '{written}' should be lowercase"
            if as_word and not _same_case(name, as_word):
                yield "FromAsCasing", f"'{as_word}' and '{name}' keywords' casing do not match"
            if stage:
                yield from _description("FROM", (stage,), instruction.comments)
        case say.Arg(args=args):
            yield from _description("ARG", tuple(arg.key for arg in args), instruction.comments)


def _same_case(name: str, word: str) -> bool:
    if name not in (name.lower(), name.upper()):
        return True
    return word == (word.lower() if name == name.lower() else word.upper())


def _description(keyword: str, names: tuple[str, ...], comments: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    if comments and comments[-1].split(" ")[0] not in names:
        name = names[0] if len(names) == 1 else "<arg_key>"
        yield (
            "InvalidDefinitionDescription",
            f"Comment for {keyword} should follow the format: `# {name} <description>`",
        )


def _stage_names(dockerfile: say.Dockerfile, findings: Findings) -> None:
    seen: set[str] = set()
    for stage in dockerfile.stages:
        if stage.name in RESERVED:
            text = f"Stage name should not use the same name as reserved stage {quote(stage.name)}"
            findings.add("ReservedStageName", text, stage.start.at.line)
        if stage.name and stage.name in seen:
            text = f"Duplicate stage name {quote(stage.name)}, stage names should be unique"
            findings.add("DuplicateStageName", text, stage.start.at.line)
        seen.add(stage.name)


def _casing(dockerfile: say.Dockerfile, findings: Findings) -> None:
    every = [instruction for stage in dockerfile.stages for instruction in (stage.start, *stage.body)]
    lower = sum(i.name == i.name.lower() for i in every)
    upper = sum(i.name == i.name.upper() for i in every)
    right, wanted = (str.lower, "lowercase") if lower > upper else (str.upper, "uppercase")
    for instruction in every:
        if right(instruction.name) != instruction.name:
            text = f"Command '{instruction.name}' should match the case of the command majority ({wanted})"
            findings.add("ConsistentInstructionCasing", text, instruction.at.line)


def is_secret_name(name: str) -> bool:
    """Does a variable of this name look as if it held a secret?"""
    return bool(_SECRET.search(name)) and not _NO_SECRET.search(name)


def check_ignored(instructions: Iterable[say.Instruction], matcher: Matcher) -> Iterator[CheckWarning]:
    """CopyIgnoredFile: what COPY and ADD take from the build context although ``.dockerignore`` keeps it out.

    ``instructions`` have their variables replaced: ``step.instruction`` of each ``CopyStep``.
    """
    if matcher.has_exceptions:
        return
    for instruction in instructions:
        if not isinstance(instruction, say.Transfer) or (isinstance(instruction, say.Copy) and instruction.from_):
            continue
        verb = "Add" if isinstance(instruction, say.Add) else "Copy"
        for source in instruction.sources:
            if kind_of(source) != "path":
                continue
            path = clean(source)
            everything = path in (".", "/") and matcher.excludes_everything
            if everything or (path not in (".", "/") and matcher.excludes(path.lstrip("/"))):
                text = f"Attempting to {verb} file {quote(path)} that is excluded by .dockerignore"
                yield CheckWarning("CopyIgnoredFile", text, instruction.at.line)
