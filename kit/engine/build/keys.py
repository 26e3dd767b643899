"""What a RUN depends on, as named parts of its cache key.

Source: buildkit, solver/llbsolver/ops/exec.go "CacheMap".
"""

import json
from collections.abc import Iterator

from kit.dockerfile.steps import RunStep
from kit.engine.build.copying import Selection
from kit.engine.build.files import Files
from kit.engine.build.transfer import identity


def parts_of_run(step: RunStep) -> Iterator[tuple[str, str]]:
    """What the command depends on, beside the files below and those that are mounted. (Proxies don't count.)"""
    yield "command", json.dumps(step.argv)
    yield "environment", json.dumps(step.env)
    yield "directory", step.working_dir
    yield "user", step.user
    yield "mounts", json.dumps([repr(mount) for mount in step.mounts])
    yield "network", f"{step.network} {step.security}"
    if step.script:
        yield "script", step.script.data


def digest_of_files(files: Files, source: str) -> str:
    """Of what is at ``source``: names, kinds, modes, owners, bytes."""
    (chosen,) = Selection().choose(files, source)
    return identity([chosen])
