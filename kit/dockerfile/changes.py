"""``docker commit --change`` and ``docker import --change``: a few instructions without a Dockerfile around them.

Source: Docker CLI reference, "docker container commit"; dockerd's words for what it refuses.
"""

from collections.abc import Iterable
from dataclasses import replace

from kit.dockerfile import instructions as say
from kit.dockerfile.checks import CheckOptions, Findings
from kit.dockerfile.errors import DockerfileError, Wrong
from kit.dockerfile.go import clean
from kit.dockerfile.lines import Reader, Text
from kit.dockerfile.nodes import read_nodes
from kit.dockerfile.parse import interpret
from kit.dockerfile.steps import BuildContext, State
from kit.dockerfile.walk import MOST_TEXT, Surroundings, Walk
from kit.errors import Invalid
from kit.oci.config import RunConfig
from kit.oci.descriptor import Platform

ALLOWED = frozenset(
    (
        "cmd",
        "entrypoint",
        "env",
        "expose",
        "healthcheck",
        "label",
        "onbuild",
        "stopsignal",
        "user",
        "volume",
        "workdir",
    )
)


def changed(run: RunConfig, changes: Iterable[str]) -> RunConfig:
    """``run`` after the instructions in ``changes``, in order.

    Raises:
        Invalid: one that can't be read, or that would change more than a config.
    """
    text = "\n".join(changes)
    if not text:
        return run
    try:
        escape, instructions = _read(text)
        around = Surroundings(escape, {}, {}, Findings(CheckOptions()), [MOST_TEXT])
        walk = Walk(around, State(run=run, platform=Platform(), env=run.env), lambda *_: BuildContext())
        for instruction in instructions:
            walk.step(instruction)
    except (Wrong, DockerfileError) as error:
        raise Invalid(error.reason) from error
    after = walk.state.run
    if after.working_dir != run.working_dir:
        after = replace(after, working_dir=clean(after.working_dir))
    return replace(after, args_escaped=run.args_escaped)


def _read(text: str) -> tuple[str, list[say.Instruction]]:
    source = Text(text, "change")
    reader = Reader(source)
    nodes = read_nodes(source, reader)
    for node in nodes:
        if node.keyword.lower() not in ALLOWED:
            raise Wrong(f"{node.keyword.lower()} is not a valid change command")
    return reader.escape, [interpret(node) for node in nodes]
