"""Who may import whom: down only, neighbours on one floor never (ARCHITECTURE.md)."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
STANDARD = set(sys.stdlib_module_names)

# Room → the rooms it may import, and the packages from outside. The longest matching prefix is a module's room.
ROOMS: dict[str, tuple[set[str], set[str]]] = {
    "kit.errors": (set(), set()),
    "kit.oci": ({"kit.errors"}, set()),
    "kit.dockerfile": ({"kit.errors", "kit.oci"}, set()),
    "kit.layer": ({"kit.errors", "kit.oci"}, set()),
    "kit.engine.store": ({"kit.errors", "kit.oci", "kit.layer", "kit.dockerfile"}, {"isal", "zstandard"}),
    "kit.engine.registry": ({"kit.errors", "kit.oci", "kit.layer", "kit.dockerfile"}, {"httpx"}),
    "kit.engine.isolators": ({"kit.errors", "kit.oci", "kit.layer", "kit.dockerfile"}, set()),
    "kit.engine.lock": ({"kit.errors", "kit.engine.isolators"}, set()),
    "kit.engine.build": (
        {"kit.errors", "kit.oci", "kit.layer", "kit.dockerfile", "kit.engine.store", "kit.engine.isolators"}
        | {"kit.engine.registry"},
        {"httpx"},
    ),
    "kit.engine.containers": (
        {"kit.errors", "kit.oci", "kit.layer", "kit.dockerfile", "kit.engine.store", "kit.engine.isolators"}
        | {"kit.engine.registry"},
        set(),
    ),
    "kit.engine.images": (
        {"kit.errors", "kit.oci", "kit.layer", "kit.dockerfile", "kit.engine.store", "kit.engine.registry"}
        | {"kit.engine.containers"},
        {"httpx"},
    ),
    "kit.engine.system": (
        {"kit.errors", "kit.oci", "kit.layer", "kit.dockerfile", "kit.engine.store", "kit.engine.isolators"}
        | {"kit.engine.registry", "kit.engine.containers"},
        set(),
    ),
    "kit.engine.engine": (
        {"kit.errors", "kit.oci", "kit.layer", "kit.dockerfile", "kit.engine.store", "kit.engine.isolators"}
        | {
            "kit.engine.lock",
            "kit.engine.registry",
            "kit.engine.build",
            "kit.engine.containers",
            "kit.engine.images",
            "kit.engine.system",
        },
        set(),
    ),
    "kit.engine.api": ({"kit.errors", "kit.oci", "kit.dockerfile", "kit.layer"}, {"tornado"}),
    "kit.engine.api.__main__": (
        {"kit.engine.engine", "kit.engine.api", "kit.engine.lock", "kit.errors"},
        {"tornado"},
    ),
    "kit.views": ({"kit.errors", "kit.oci", "kit.layer"}, {"IPython"}),
    "kit.views.widgets": ({"kit.errors", "kit.oci", "kit.layer", "kit.views"}, {"IPython", "ipywidgets"}),
    "kit.lab": (
        {"kit", "kit.errors", "kit.oci", "kit.layer", "kit.dockerfile", "kit.views", "graders", "graders.course"},
        {"docker", "requests", "httpx", "IPython", "tornado", "zstandard"},
    ),
    "kit": ({"kit.errors", "kit.lab", "kit.views", "kit.oci", "kit.layer"}, {"IPython"}),
    "graders": ({"kit", "kit.errors"}, {"pytest", "re2", "yaml"}),
    "graders.course": (
        {"graders", "kit", "kit.errors", "kit.lab"},
        {"docker", "jupyter_client", "nbclient", "nbformat", "nbgrader", "traitlets"},
    ),
}


def modules() -> list[tuple[str, Path]]:
    found = []
    for package in ("kit", "graders"):
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found.append((".".join(parts[:-1] if parts[-1] == "__init__" else parts), path))
    return found


def room_of(module: str) -> str:
    return max((room for room in ROOMS if module == room or module.startswith(room + ".")), key=len, default="")


def imports(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: write imports in full"
            names.add(node.module or "")
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize(("module", "path"), modules(), ids=[name for name, _ in modules()])
def test_imports_point_down(module: str, path: Path) -> None:
    room = room_of(module)
    assert room, f"{module} stands in no room"
    may, outside = ROOMS[room]
    for name in imports(path):
        top = name.partition(".")[0]
        if top in ("kit", "graders"):
            target = room_of(name)
            allowed = target == room or target in may
            assert allowed, f"{module} ({room}) imports {name} ({target})"
        else:
            assert top in STANDARD or top in outside, f"{module} ({room}) imports {name} from outside"
