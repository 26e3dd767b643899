"""The project's pages: every link leads somewhere, every example file can be read."""

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).parents[1]
LINK = re.compile(r"\]\(([^)\s]+)\)")


def pages() -> list[Path]:
    known = subprocess.run(["git", "ls-files", "*.md"], cwd=PROJECT, capture_output=True, text=True)
    found = [PROJECT / name for name in known.stdout.splitlines()] or PROJECT.glob("*.md")
    return sorted(page for page in found if page.exists())


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(PROJECT)))
def test_every_link_to_a_file_leads_to_one(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        path = target.partition("#")[0]
        if path and "://" not in path and not path.startswith("mailto:"):
            assert (page.parent / path).exists(), f"{target} in {page.name}"


def test_the_examples_for_other_homes_can_be_read() -> None:
    assert json.loads((PROJECT / ".devcontainer/devcontainer.json").read_text())["postCreateCommand"] == "make setup"
    hub = yaml.safe_load((PROJECT / "docs/homes/values.yaml").read_text())["singleuser"]
    assert hub["extraContainerConfig"]["securityContext"]["readOnlyRootFilesystem"] is True
