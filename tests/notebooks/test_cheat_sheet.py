"""The cheat sheet's commands, run as they stand; and the pages beside the lessons, whose links lead somewhere."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from kit.lab.engine import EngineFailed, start_engine, stop_engine
from kit.lab.home import find_home

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
SHEET = (NOTEBOOKS / "cheat-sheet.md").read_text()
BLOCK = re.compile(r"```(sh|python)\n(.*?)```", re.DOTALL)
LEFT = "docker rm -fv cheat-c; docker rmi -f cheat/hello:1 cheat/hello:stable cheat/hand:1 cheat/flat:1"
"""What a run that failed in the middle has left."""
pytestmark = pytest.mark.timeout(300)


def script() -> str:
    """All blocks as one script that ends at the first command that fails; Python's in a process of its own."""
    lines = ["set -eo pipefail"]
    for language, text in BLOCK.findall(SHEET):
        if language == "python":
            lines.append(f"\"$PYTHON\" - <<'END_OF_PYTHON'\nimport kit\n{text}END_OF_PYTHON")
        elif "layerlab registry" not in text or shutil.which("docker-registry"):
            lines.append(f"set -x\n{text}set +x")
    return "\n".join(lines)


@pytest.fixture(params=["embedded", "dockerd"])
def environment(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, str]]:
    """A learner's environment, with the parent that the sheet names."""
    if not shutil.which("docker"):
        pytest.skip("the docker command is not installed: run `make engines`")
    settings = {key: value for key, value in os.environ.items() if not key.startswith(("DOCKER_", "LAYERLAB_"))}
    settings |= {"LAYERLAB_HOME": str(tmp_path / "home"), "HOME": str(tmp_path), "PYTHON": sys.executable}
    settings["PATH"] = f"{Path(sys.executable).parent}:{settings['PATH']}"
    if request.param == "dockerd":
        settings["DOCKER_HOST"] = request.getfixturevalue("dockerd_host")
    else:
        try:
            settings["DOCKER_HOST"] = start_engine(find_home(settings)).docker_host
        except EngineFailed as error:
            pytest.skip(str(error).partition("\n")[0])
    subprocess.run(["layerlab", "parents", "busybox:1"], env=settings, check=True, capture_output=True, timeout=120)
    subprocess.run(["bash", "-c", LEFT], env=settings, capture_output=True, timeout=60)
    yield settings
    subprocess.run(["bash", "-c", LEFT], env=settings, capture_output=True, timeout=60)
    subprocess.run(["layerlab", "registry", "stop"], env=settings, capture_output=True, timeout=60)
    if request.param == "embedded":
        stop_engine(find_home(settings))


def test_every_command_of_the_cheat_sheet_works(environment: dict[str, str], tmp_path: Path) -> None:
    done = subprocess.run(
        ["bash", "-c", script()], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-2000:]
    for said in ("Hello", "1000", "A /new.txt", "changed"):
        assert said in done.stdout, said


def test_the_sheet_names_nothing_that_the_kit_has_not() -> None:
    import kit

    named = set(re.findall(r"kit\.(\w+)\(", SHEET))
    assert len(named) > 5 and named <= set(kit.__all__)


@pytest.mark.parametrize("page", ["README.md", "cheat-sheet.md", "../docs/teaching/README.md"])
def test_every_link_of_a_page_leads_somewhere(page: str) -> None:
    path = NOTEBOOKS / page
    for target in re.findall(r"\]\(([^)#]+)\)", path.read_text()):
        assert (path.parent / target).exists(), target


@pytest.mark.parametrize(
    "page", sorted((NOTEBOOKS.parent / "docs/teaching").glob("*.md")), ids=lambda path: path.stem
)
def test_every_link_for_teachers_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_the_door_calls_the_lessons_by_their_numbers() -> None:
    listed = re.findall(r"\| \[(\d\d) .+?\]\((\d\d)-\S+\.ipynb\) \|", (NOTEBOOKS / "README.md").read_text())
    assert len(listed) >= 7 and all(number == name for number, name in listed)


def test_a_word_of_the_glossary_has_one_meaning() -> None:
    text = "\n".join(cell.source for cell in nbformat.read(NOTEBOOKS / "glossary.ipynb", as_version=4).cells)
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| **")]
    words = [row[0].strip("|* ") for row in rows]
    assert len(words) > 40 and len(set(words)) == len(words) and all(len(row) == 4 and row[1] for row in rows)
    assert [word.lower() for word in words] == sorted(word.lower() for word in words)
