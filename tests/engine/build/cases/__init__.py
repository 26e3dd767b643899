"""Dockerfiles whose image must be dockerd's, entry by entry: tables that are easy to add to."""

from collections.abc import Mapping

from tests.engine.build.cases import adding, copying, running, saying, stages
from tests.engine.build.cases.failing import FAILING
from tests.engine.build.cases.materials import ARCHIVE, HELLO, TREE
from tests.engine.build.cases.shapes import PARENT, TRIGGERS, Case, File, packed, tar, unpack

CASES: Mapping[str, Case] = {
    **copying.CASES,
    **adding.CASES,
    **stages.CASES,
    **saying.CASES,
    **running.CASES,
}

__all__ = [
    "ARCHIVE",
    "CASES",
    "FAILING",
    "HELLO",
    "PARENT",
    "TREE",
    "TRIGGERS",
    "Case",
    "File",
    "packed",
    "tar",
    "unpack",
]
