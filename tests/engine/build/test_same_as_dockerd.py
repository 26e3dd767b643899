"""The same Dockerfile gives the same image as BuildKit in a real dockerd: config, history, every entry."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from kit.errors import KitError
from kit.layer.tree import Entry, Kind
from tests.engine.build.cases import CASES, FAILING, TRIGGERS, Case
from tests.engine.build.conftest import Lab, Refused

_LENT = ("etc/hosts", "etc/resolv.conf", "etc/hostname", "dev", "proc", "sys", ".dockerenv")
_NEWER = (
    (re.compile(r" --(?:chown|chmod|link|parents)(?:=\S+)?"), ""),
    (re.compile(r"^(EXPOSE|HEALTHCHECK) .*"), r"\1"),
    (re.compile(r"^(ARG \w+)=.*"), r"\1"),
)
"""What BuildKit writes otherwise since dockerd 20.10."""


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=name.replace(" ", "-"), marks=[] if case.quick else [pytest.mark.slow])
        for name, case in CASES.items()
    ],
)
def test_a_build_gives_what_it_gives_on_dockerd(
    case: Case, lab: Lab, buildkit: Callable[..., tuple[Any, dict[str, Entry]]], tmp_path: Path
) -> None:
    flags = [f"--build-arg={key}={value}" for key, value in case.args.items()]
    flags += [f"--label={key}={value}" for key, value in case.labels.items()]
    flags += [f"--target={case.target}"] if case.target else []
    for name, value in case.secrets.items():
        (tmp_path / name).write_bytes(value)
        flags.append(f"--secret=id={name},src={tmp_path / name}")
    config, tree = buildkit(case.older or case.dockerfile, case.instead or case.files, "--no-cache", *flags)
    ours = lab.build(
        case.dockerfile,
        case.files,
        build_args=case.args,
        labels=case.labels,
        secrets=case.secrets,
        target=case.target,
        tags=("same:case",),
    )
    timed = not case.older and not re.search(f"RUN|run|{TRIGGERS}", case.dockerfile)
    told = not (case.older or case.why)
    found = [
        *differences(comparable_config(ours.document, told), comparable_config(config, told)),
        *differences(comparable_tree(lab.tree(ours), timed), comparable_tree(tree, timed)),
    ]
    assert not found, "\n".join(found)


@pytest.mark.slow
@pytest.mark.parametrize("case", [pytest.param(case, id=name.replace(" ", "-")) for name, case in FAILING.items()])
def test_what_dockerd_refuses_is_refused(case: Case, lab: Lab, buildkit: Callable[..., object]) -> None:
    with pytest.raises(Refused):
        buildkit(case.dockerfile, case.files, "--no-cache", *([f"--target={case.target}"] if case.target else []))
    try:
        assert lab.fails(case.dockerfile, case.files, target=case.target)
    except KitError as refused:
        assert str(refused)


def differences(ours: Any, dockerds: Any, place: str = "") -> Iterator[str]:
    """Each fact that is not the same: ``etc/passwd mode: '0o600', on dockerd '0o644'``."""
    if isinstance(ours, dict) and isinstance(dockerds, dict):
        for key in sorted({*ours, *dockerds}):
            yield from differences(ours.get(key), dockerds.get(key), f"{place} {key}".lstrip())
    elif isinstance(ours, list) and isinstance(dockerds, list) and len(ours) == len(dockerds):
        for number, (one, other) in enumerate(zip(ours, dockerds, strict=True)):
            yield from differences(one, other, f"{place}[{number}]")
    elif ours != dockerds:
        yield f"{place}: {ours!r}, on dockerd {dockerds!r}"


def comparable_config(config: Mapping[str, Any], told: bool) -> dict[str, Any]:
    """Without times and names of layers. ``told``: the history's words count."""
    history = [
        (told and _older(line.get("created_by") or ""), line.get("comment"), bool(line.get("empty_layer")))
        for line in config["history"]
    ]
    run = {key: value for key, value in config["config"].items() if value not in (None, "", [], {})}
    facts = {key: config.get(key) or None for key in ("architecture", "os", "author")}
    return {**facts, "config": run, "history": history, "layers": len(config["rootfs"]["diff_ids"])}


def comparable_tree(tree: Mapping[str, Entry], timed: bool) -> dict[str, dict[str, object]]:
    """Every fact that a layer tells, but the times of what is no file, and of what RUN makes."""
    names = defaultdict(set)
    for path, entry in tree.items():
        names[entry.hardlink or path].add(path)
    return {
        path: {
            "kind": entry.kind,
            "mode": oct(entry.mode),
            "owner": (entry.uid, entry.gid),
            "size": entry.size,
            "digest": entry.digest,
            "target": entry.target,
            "device": entry.device,
            "names": sorted(names[entry.hardlink or path]),
            "xattrs": entry.xattrs,
            "mtime": entry.mtime if timed and entry.kind is Kind.FILE else 0,
        }
        for path, entry in tree.items()
        if path and path not in _LENT and not path.startswith(("dev/", "proc/", "sys/"))
    }


def _older(created_by: str) -> str:
    for pattern, replacement in _NEWER:
        created_by = pattern.sub(replacement, created_by)
    return created_by
