"""A store in a temporary directory, and layers to put into it."""

import io
import os
import tarfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from kit.engine.store.store import Store

MakeTar = Callable[..., bytes]


def layer_tar(files: Mapping[str, bytes], *others: tarfile.TarInfo) -> bytes:
    """A tar of regular files, then of ``others``."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        for info in others:
            tar.addfile(info)
    return out.getvalue()


@pytest.fixture
def make_tar() -> MakeTar:
    return layer_tar


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "store")
    yield store
    store.close()


@pytest.fixture(
    params=[
        False,
        pytest.param(True, marks=pytest.mark.skipif(os.geteuid() != 0, reason="only root has real owners")),
    ],
    ids=["recorded", "real"],
)
def real_owners(request: pytest.FixtureRequest) -> bool:
    """Where owners are: in the journal, or on the disk."""
    return bool(request.param)
