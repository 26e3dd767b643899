"""An environment for instructors and learners of a test course: homes of their own, parents from the cache."""

import os
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def course_environment(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    home = tmp_path_factory.mktemp("people")
    (cache / "parents").mkdir(exist_ok=True)
    (home / "parents").symlink_to(cache / "parents")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("DOCKER_", "LAYERLAB_"))}
    kept["PATH"] = f"{Path(sys.executable).parent}:{kept['PATH']}"  # nbgrader calls alembic by name
    names = ("HOME", "LAYERLAB_HOME", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")
    return kept | {name: str(home) for name in names}
