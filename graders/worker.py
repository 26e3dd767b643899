"""The rubric's own process: reads a task, runs its rubric with pytest, writes one report to a private pipe.

Started by ``graders.run`` as ``python -I``, so that neither the environment nor the current directory of the
caller decides what is imported, and no configuration, conftest or plugin but ours takes part.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from graders.plugin import Collector
from graders.report import Report
from graders.request import Request

_UNUSED = "cacheprovider doctest faulthandler junitxml legacypath logging pastebin recwarn setuponly"
_UNUSED += " setupplan stepwise subtests terminalprogress threadexception unittest unraisableexception warnings"
"""Plugins of pytest's own that no rubric needs: a third of the time of a warm check."""


def main(task: Mapping[str, Any]) -> None:
    """Runs ``task["rubrics"]`` and writes its report, or ``{"broken": why}``, as JSON to ``task["pipe"]``."""
    collector = Collector(Request(**task["request"]), [Path(path) for path in task["hidden"]])
    options = ["-q", "--noconftest", "-c", os.devnull, "--rootdir", os.sep, "--disable-plugin-autoload"]
    options += [f"-pno:{name}" for name in _UNUSED.split()]
    options += ["-p", "graders.fixtures", "--import-mode=importlib", "--assert=plain"]
    pytest.main([*options, *task["rubrics"]], plugins=[collector])
    report = Report(task["name"], tuple(collector.rows), task["subject"])
    with open(task["pipe"], "w") as pipe:
        json.dump({"broken": collector.broken} if collector.broken else report.to_json(), pipe)
