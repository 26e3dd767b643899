"""The public names of Layerlab, for notebooks.

    lab = kit.connect()                          the engine that is worked with
    kit.preflight()                              what works here, and what to do about the rest
    kit.parents()                                makes the images that the course builds upon
    kit.build(dockerfile="FROM scratch…", files={…}, tag="you/app:1")
    kit.run("you/app:1")                         code, out, err
    kit.serve("you/app:1", port=80)              the answer of a web server, and how it stops
    kit.image("you/app:1")                       layers, files, history, config, dead weight
    kit.grep("secret", "you/app:1")              where in its layers and its history a text is; kit.peek shows a file
    kit.container("page")                        what is its own, above the image
    kit.family("debian:13", "you/app:1")         who stands on whom, and what is shared
    kit.folder("site", {…})  kit.context(…)      a build context, and what of it is sent
    kit.tag(…)  kit.tags()  kit.registry()  kit.requests()  kit.login(…)  kit.push(…)  kit.pull(…)  kit.manifest(…)
    kit.repository(…)  kit.hub()                 a repository that GitHub builds; Docker Hub from here
    kit.elf.tiny("Hello!\\n")                     the smallest program there is
    kit.predict(…)  kit.measured(…)  kit.check("03.2")  kit.hint(…)  kit.solution(…)  kit.reset("03")

``%load_ext kit`` adds the cell magic ``%%dockerfile -t NAME``. Nothing is imported before it is used, so
``import kit`` is quick.
"""

import importlib
from typing import TYPE_CHECKING, Any

from kit.errors import Conflict, Denied, Invalid, KitError, NotFound, StepFailed, Unavailable

if TYPE_CHECKING:
    from kit.lab import elf
    from kit.lab.build import build
    from kit.lab.checking import check, hint, solution
    from kit.lab.connect import connect
    from kit.lab.containers import container
    from kit.lab.contents import grep, peek
    from kit.lab.context import tar_of as tar
    from kit.lab.doctor import preflight
    from kit.lab.families import family
    from kit.lab.folders import context, folder
    from kit.lab.github import repository
    from kit.lab.guesses import measured, predict
    from kit.lab.hub import hub
    from kit.lab.images import image
    from kit.lab.making import parents
    from kit.lab.names import tag, tags
    from kit.lab.pull import pull
    from kit.lab.push import login, push
    from kit.lab.registries import manifest, registry, requests
    from kit.lab.reset import reset
    from kit.lab.run import run
    from kit.lab.seal import seal
    from kit.lab.serving import serve
    from kit.lab.workbench import workbench

_WHERE = {
    "build": "kit.lab.build:build",
    "check": "kit.lab.checking:check",
    "connect": "kit.lab.connect:connect",
    "container": "kit.lab.containers:container",
    "context": "kit.lab.folders:context",
    "elf": "kit.lab.elf:",
    "family": "kit.lab.families:family",
    "folder": "kit.lab.folders:folder",
    "grep": "kit.lab.contents:grep",
    "hint": "kit.lab.checking:hint",
    "hub": "kit.lab.hub:hub",
    "image": "kit.lab.images:image",
    "login": "kit.lab.push:login",
    "manifest": "kit.lab.registries:manifest",
    "measured": "kit.lab.guesses:measured",
    "parents": "kit.lab.making:parents",
    "peek": "kit.lab.contents:peek",
    "predict": "kit.lab.guesses:predict",
    "preflight": "kit.lab.doctor:preflight",
    "pull": "kit.lab.pull:pull",
    "push": "kit.lab.push:push",
    "registry": "kit.lab.registries:registry",
    "repository": "kit.lab.github:repository",
    "requests": "kit.lab.registries:requests",
    "reset": "kit.lab.reset:reset",
    "run": "kit.lab.run:run",
    "seal": "kit.lab.seal:seal",
    "serve": "kit.lab.serving:serve",
    "solution": "kit.lab.checking:solution",
    "tag": "kit.lab.names:tag",
    "tags": "kit.lab.names:tags",
    "tar": "kit.lab.context:tar_of",
    "workbench": "kit.lab.workbench:workbench",
}

__all__ = [
    "Conflict",
    "Denied",
    "Invalid",
    "KitError",
    "NotFound",
    "StepFailed",
    "Unavailable",
    "build",
    "check",
    "connect",
    "container",
    "context",
    "elf",
    "family",
    "folder",
    "grep",
    "hint",
    "hub",
    "image",
    "login",
    "manifest",
    "measured",
    "parents",
    "peek",
    "predict",
    "preflight",
    "pull",
    "push",
    "registry",
    "repository",
    "requests",
    "reset",
    "run",
    "seal",
    "serve",
    "solution",
    "tag",
    "tags",
    "tar",
    "workbench",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"kit has no {name!r}; it has: {', '.join(sorted(_WHERE))}")
    module, _, attribute = _WHERE[name].partition(":")
    found = importlib.import_module(module)
    return getattr(found, attribute) if attribute else found


def __dir__() -> list[str]:
    return sorted(__all__)


def load_ipython_extension(ipython: Any) -> None:
    """``%load_ext kit``."""
    from kit.lab.magics import load

    load(ipython)
