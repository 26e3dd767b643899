"""How things look: values in, text and HTML out. Nothing here asks an engine.

One table of the lessons is made by running images: ``failures``, which ``kit.lab`` makes, has its name here, too.
"""

import importlib
from typing import Any

_WHERE = {"failures": "kit.lab.run"}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"kit.views has no {name!r}")
    return getattr(importlib.import_module(_WHERE[name]), name)
