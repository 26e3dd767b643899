"""The course's notebooks as files: where they are, and the solutions that they hold.

A cell tagged ``exercise, NN.k`` is followed by one tagged ``solution, NN.k``: Markdown with one block of Python.
"""

import os
import re
from pathlib import Path

import kit
from kit.errors import NotFound
from kit.lab.files import read_json

FIRST = "00-start-here.ipynb"
_CODE = re.compile(r"```python\n(.*?)```", re.DOTALL)


def project() -> Path:
    """The directory that holds ``notebooks/``: LAYERLAB_PROJECT, else where the kit lies."""
    return Path(os.environ.get("LAYERLAB_PROJECT") or Path(kit.__file__).parents[1])


def find_notebook(number: str) -> Path:
    """The lesson of that number.

    Raises:
        NotFound: there is none.
    """
    directory = project() / "notebooks"
    found = sorted(directory.glob(f"{number}-*.ipynb")) if number.isdigit() else []
    if not found:
        known = ", ".join(path.name[:2] for path in sorted(directory.glob("[0-9][0-9]-*.ipynb"))) or "none"
        raise NotFound(f"there is no notebook {number!r} in {directory}; there are: {known}")
    return found[0]


def solution_in(notebook: Path, exercise: str) -> tuple[str, str]:
    """The code of an exercise's solution, and the words after it.

    Raises:
        NotFound: the notebook has none.
    """
    document = read_json(notebook) or {}
    for cell in document.get("cells", ()):
        if cell.get("metadata", {}).get("tags", [])[:2] == ["solution", exercise]:
            text = "".join(cell["source"])
            code = _CODE.search(text)
            if code:
                return code[1].rstrip(), " ".join(re.sub(r"</?\w+>", "", text[code.end() :]).split())
    raise NotFound(f"{notebook.name} holds no solution for {exercise!r}")
