"""The public names of Layerlab, for notebooks.

    lab = kit.connect()                          the engine that is worked with
    kit.build(dockerfile="FROM scratch…", files={…}, tag="you/app:1")
    kit.run("you/app:1")                         code, out, err
    kit.image("you/app:1")                       layers, files, history, config, dead weight
    kit.tag(…)  kit.tags()  kit.push(…)  kit.registry()  kit.manifest(…)
    kit.elf.tiny("Hello!\\n")                     the smallest program there is
    kit.predict(…)  kit.measured(…)  kit.check("03.2")  kit.hint(…)  kit.solution(…)  kit.reset("03")

Nothing is imported before it is used, so ``import kit`` is quick.
"""

import importlib
from typing import TYPE_CHECKING, Any

from kit.errors import Conflict, Denied, Invalid, KitError, NotFound, StepFailed, Unavailable

if TYPE_CHECKING:
    from kit.lab import elf
    from kit.lab.build import build
    from kit.lab.connect import connect
    from kit.lab.context import tar_of as tar
    from kit.lab.images import image

_WHERE = {
    "build": "kit.lab.build:build",
    "connect": "kit.lab.connect:connect",
    "elf": "kit.lab.elf:",
    "image": "kit.lab.images:image",
    "tar": "kit.lab.context:tar_of",
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
    "connect",
    "elf",
    "image",
    "tar",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"kit has no {name!r}; it has: {', '.join(sorted(_WHERE))}")
    module, _, attribute = _WHERE[name].partition(":")
    found = importlib.import_module(module)
    return getattr(found, attribute) if attribute else found


def __dir__() -> list[str]:
    return sorted(__all__)
