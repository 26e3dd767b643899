"""The first lesson in a real browser: JupyterLab opens it, runs all of it, and shows what it should.

With LAYERLAB_PICTURES=1 the pictures of the README are taken anew.
"""

import importlib.util
import os
import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from driving import ONE_RUN, cell, open_notebook, output, run_all
from playwright.sync_api import Browser, Locator, Page, expect

pytestmark = pytest.mark.timeout(600)
PROJECT = Path(__file__).parents[2]
LESSON = "03-from-scratch.ipynb"
TAKE_PICTURES = os.environ.get("LAYERLAB_PICTURES") == "1"
WRONG = """\
kit.build(
    dockerfile="FROM scratch\\nCOPY hello /\\nCMD /hello\\n",
    files={"hello": kit.elf.tiny("Repaired!\\n")},
    tag="ex03/fixed:1",
)
"""


@pytest.fixture(scope="module")
def page(browser: Browser, lab) -> Iterator[Page]:
    """The lesson as a learner leaves it, run from top to bottom and saved."""
    notebook = nbformat.read(lab.notebooks / LESSON, as_version=4)
    lesson().solve(notebook)
    nbformat.write(notebook, lab.notebooks / LESSON)
    page = open_notebook(browser, lab, LESSON, "Light")
    run_all(page)
    page.keyboard.press("Control+s")
    expect(page.locator(".jp-NotebookPanel")).not_to_have_class(re.compile("jp-mod-dirty"))
    yield page
    page.context.close()


def lesson():
    """What tests/notebooks knows of lessons."""
    spec = importlib.util.spec_from_file_location("lesson", PROJECT / "tests/notebooks/lesson.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_lesson_runs_from_top_to_bottom_without_an_error(page: Page) -> None:
    broken = ".jp-OutputArea-output:is([data-mime-type*=error], [data-mime-type*=stderr])"
    expect(page.locator(broken)).to_have_count(0)


def test_the_layer_picture_shows_the_one_layer_and_its_file(page: Page) -> None:
    sees_the_layer(output(page, 'image = kit.image("hello:tiny")'))


def sees_the_layer(picture: Locator) -> None:
    expect(picture).to_contain_text("Layers of hello:tiny")
    expect(picture.locator("caption").first).to_have_text("Bottom layer first")
    expect(picture.locator("details")).to_contain_text("/hello")


def test_the_check_panel_gives_the_points(page: Page) -> None:
    panel = output(page, 'kit.check("03.2"')
    expect(panel).to_contain_text("03.2 · 3 of 3 points · passed 3")
    expect(panel.locator("tbody tr")).to_have_count(3)


def test_the_pictures_stay_when_the_kernel_is_gone_and_nobody_trusts_the_file(
    browser: Browser, lab, page: Page
) -> None:
    """As in a notebook that a friend sent: JupyterLab then cleans its HTML, and no code runs."""
    notebook = nbformat.read(lab.notebooks / LESSON, as_version=4)
    notebook.cells[0].source += "\n\nSent by a friend."
    nbformat.write(notebook, lab.notebooks / "sent.ipynb")
    sent = open_notebook(browser, lab, "sent.ipynb", "Dark", kernel=False)
    sees_the_layer(output(sent, 'image = kit.image("hello:tiny")'))
    expect(output(sent, 'kit.check("03.2"')).to_contain_text("3 of 3 points")
    take_picture(sent, "lesson-dark.png")
    sent.context.close()


def test_a_check_that_fails_says_what_to_do_and_opens_a_hint(page: Page) -> None:
    take_picture(page, "lesson.png")
    exercise, check = cell(page, "Repaired!"), cell(page, 'kit.check("03.3")')
    exercise.locator(".cm-content").click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(WRONG)
    page.keyboard.press("Shift+Enter")
    page.keyboard.press("Shift+Enter")
    panel = check.locator(".jp-OutputArea")
    expect(panel).to_contain_text("03.3 · 0 of 2 points", timeout=ONE_RUN)
    expect(panel).to_contain_text("that is shell form, and scratch has no /bin/sh")
    hint = panel.locator("details").last
    expect(hint).not_to_have_attribute("open", "")
    hint.locator("summary").click()
    expect(hint).to_contain_text("a JSON list with double quotes")
    expect(hint).to_have_attribute("open", "")


def take_picture(page: Page, name: str) -> None:
    """Exercise 03.2: the build, the picture of its one layer, the check with its points."""
    if TAKE_PICTURES:
        heading = page.locator(".jp-RenderedMarkdown h3", has_text="Exercise 03.2")
        heading.evaluate("heading => heading.scrollIntoView()")
        page.screenshot(path=PROJECT / "docs/pictures" / name)
