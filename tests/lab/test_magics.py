"""``%%dockerfile`` in a real kernel, as a notebook runs it."""

import os
import sys

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

import kit

DOCKERFILE = "FROM busybox:1\nARG WHO\nCOPY page.html /\nLABEL who=$WHO"
pytestmark = pytest.mark.timeout(180)


def run(*cells: str, directory=None) -> list[list[dict]]:
    """The outputs of each cell."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(
        notebook, timeout=100, kernel_name="python3", resources={"metadata": {"path": str(directory or os.getcwd())}}
    ).execute()
    return [cell.outputs for cell in notebook.cells]


def test_a_cell_is_a_dockerfile(lab, mine, tmp_path):
    (tmp_path / "page.html").write_text("<p>hello")
    _, _, outputs, last = run(
        f"import sys; assert sys.version_info[:2] == {sys.version_info[:2]}",
        "%load_ext kit",
        f"%%dockerfile -t {mine}/page:1 --build-arg WHO=ada .\n{DOCKERFILE}",
        f"import kit\nimage = kit.image('{mine}/page:1')\nprint(image.labels, image.files['page.html'].size)",
        directory=tmp_path,
    )
    (shown,) = outputs
    assert (
        f"Built {mine}/page:1" in shown["data"]["text/html"] and f"Built {mine}/page:1" in shown["data"]["text/plain"]
    )
    assert last[0]["text"] == "{'who': 'ada'} 8\n"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--colour", "%%dockerfile: unrecognized arguments: --colour"),
        ("-t", "%%dockerfile: argument -t/--tag: expected one argument"),
        ("--build-arg WHO", "--build-arg is KEY=VALUE, not 'WHO'"),
        ("-t 'a", "No closing quotation"),
        ("-t UPPER:1", "repository name must be lowercase"),
    ],
)
def test_a_line_that_can_not_be_read_says_why(lab, line, said):
    from kit.lab.magics import dockerfile

    with pytest.raises(kit.Invalid) as raised:
        dockerfile(line, "FROM scratch")
    assert said in str(raised.value)


def test_a_build_that_fails_shows_the_line_and_no_python(lab, mine):
    with pytest.raises(CellExecutionError) as raised:
        run("%load_ext kit", f"%%dockerfile -t {mine}/no:1\nFROM busybox:1\nRUN exit 7")
    assert (
        ">>>   2 | RUN exit 7" in str(raised.value)
        and "Traceback" not in str(raised.value).partition("BuildFailed")[2]
    )


def test_a_long_build_shows_progress_and_stands_once(lab, mine):
    _, outputs = run(
        "%load_ext kit", f"%%dockerfile -t {mine}/slow:1 --no-cache\nFROM busybox:1\nRUN sleep 2; echo {mine}"
    )
    html = [output["data"]["text/html"] for output in outputs if "data" in output]
    assert len(html) == 1 and f"Built {mine}/slow:1" in html[0]
