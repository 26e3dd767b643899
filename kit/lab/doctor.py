"""What works on this machine: ``kit.preflight`` and ``layerlab doctor``.

Each part is found by trying it. Trying the engine means: it is started if it is not running.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

from kit.errors import KitError
from kit.lab.asking import asking
from kit.lab.connect import Lab, connect
from kit.lab.home import Home, find_home
from kit.lab.images import NoSuchImage
from kit.lab.parents import USUAL
from kit.lab.registry import PROGRAMS, registry_status
from kit.views.models.doctor import LIMITED, MISSING, WORKS, Checkup, Finding
from kit.views.words import size_words

_ROOM, _LITTLE_ROOM = 200_000_000, 2_000_000_000
"""Bytes: the first lessons need less than the first; debian:13 with something installed needs the second."""
_PROBES = """
import json
from kit.engine.isolators import choose
print(json.dumps([[found.name, found.works, found.why] for found in choose.probe()]))
"""


def preflight() -> Checkup:
    """Engine, isolators, registry, parent images, disk: what is here, and what to do about the rest."""
    home = find_home()
    lab: Lab | None = None
    try:
        lab = connect()
        engine = _engine(lab)
    except KitError as error:
        engine = Finding("engine", MISSING, str(error).partition("\n")[0], "`layerlab engine start` tells more.")
    findings = [engine, _isolators(lab), *_parents(lab), _registry(home, lab), _compiler(), _command(), _disk(home)]
    return Checkup(tuple(findings))


def _engine(lab: Lab) -> Finding:
    return Finding("engine", WORKS, f"{lab.kind} {lab.version} at {lab.docker_host}, because {lab.because}")


def _isolators(lab: Lab | None) -> Finding:
    """Which isolators this machine allows; asked in a process of their own, for some of them try things out."""
    part = "isolators"
    try:
        done = subprocess.run([sys.executable, "-c", _PROBES], capture_output=True, text=True, timeout=60, cwd="/")
        probes = [(str(name), bool(works), str(why)) for name, works, why in json.loads(done.stdout)]
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        return Finding(part, LIMITED, f"could not be tried: {error}")
    facts = "; ".join(f"{name}: {'yes' if works else 'no'}, {why}" for name, works, why in probes)
    if any(works for _, works, _ in probes):
        used = f"{lab.isolator} is used. " if lab and lab.isolator else ""
        return Finding(part, WORKS, used + facts)
    state = LIMITED if lab and lab.kind != "Layerlab" else MISSING
    return Finding(part, state, facts, "the embedded engine can't run containers here; Docker or Podman would.")


def _parents(lab: Lab | None) -> Iterator[Finding]:
    for name in USUAL:
        if lab is None:
            yield Finding(name, LIMITED, "no engine to look into")
            continue
        try:
            with asking(lab, name):
                size = lab.client.api.inspect_image(name)["Size"]
            yield Finding(name, WORKS, f"is in the engine, {size_words(size)}")
        except NoSuchImage:
            yield Finding(name, LIMITED, "is not made yet", f'`layerlab parents {name}`, or kit.parents("{name}").')
        except KitError as error:
            yield Finding(name, LIMITED, str(error))


def _registry(home: Home, lab: Lab | None) -> Finding:
    running = registry_status(home.root, engine=lab.client if lab else None)
    if running:
        return Finding("registry", WORKS, f"runs at {running.name}")
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program:
        return Finding("registry", WORKS, f"{program}, started when it is needed")
    return Finding(
        "registry",
        LIMITED,
        "no registry program is installed",
        "pushes need it: sudo apt-get install docker-registry.",
    )


def _compiler() -> Finding:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler:
        return Finding("C compiler", WORKS, compiler)
    return Finding(
        "C compiler", LIMITED, "none; notebook 03 brings its programs along", "apt-get install gcc libc6-dev."
    )


def _command() -> Finding:
    found = shutil.which("docker")
    return Finding("docker command", *((WORKS, found) if found else (LIMITED, "none; the notebooks don't need it")))


def _disk(home: Home) -> Finding:
    place = home.root
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    facts = f"{size_words(free)} free at {home.root}"
    if not os.access(place, os.W_OK):
        return Finding(
            "disk", MISSING, f"{place} can't be written to", "set LAYERLAB_HOME to a directory of your own."
        )
    if free < _ROOM:
        return Finding("disk", MISSING, facts, "make room, or set LAYERLAB_HOME to a larger disk.")
    if free < _LITTLE_ROOM:
        return Finding("disk", LIMITED, facts, "larger images won't fit.")
    return Finding("disk", WORKS, facts)
