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
from playwright.sync_api import Browser, Locator, Page, expect

pytestmark = pytest.mark.timeout(600)
PROJECT = Path(__file__).parents[2]
LESSON = "03-from-scratch.ipynb"
TAKE_PICTURES = os.environ.get("LAYERLAB_PICTURES") == "1"
ALL_RUN, ONE_RUN = 300_000, 90_000
"""Milliseconds for a whole lesson, and for one cell, on a busy machine."""
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


def open_notebook(browser: Browser, lab, name: str, theme: str, *, kernel: bool = True) -> Page:
    """A notebook, opened in a JupyterLab of its own; the side bar is closed."""
    context = browser.new_context(
        viewport={"width": 1100, "height": 1050},
        device_scale_factor=1.5,
        extra_http_headers={"Authorization": f"token {lab.token}"},
    )
    context.set_default_timeout(ONE_RUN)
    tracker = f'{{"windowingMode": "none", "autoStartDefaultKernel": {str(kernel).lower()}}}'
    settings = {
        "notebook-extension:tracker": tracker,
        "apputils-extension:themes": f'{{"theme": "JupyterLab {theme}"}}',
    }
    for plugin, raw in settings.items():
        answer = context.request.put(f"{lab.url}/lab/api/settings/@jupyterlab/{plugin}", data={"raw": raw})
        assert answer.ok, answer.text()
    page = context.new_page()
    page.goto(f"{lab.url}/lab/workspaces/{theme}/tree/{name}?reset&token={lab.token}")
    expect(page.locator(".jp-Notebook")).to_be_visible(timeout=ONE_RUN)
    if kernel:
        state = page.locator(".jp-Notebook-ExecutionIndicator")
        expect(state).to_have_attribute("data-status", "idle", timeout=ONE_RUN)
    page.keyboard.press("Control+b")
    return page


def run_all(page: Page) -> None:
    """By the menu. It acts on the notebook that was clicked last, and a menu drawn too early does nothing."""
    page.locator(".jp-MarkdownCell").first.click()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    item = page.locator(".lm-Menu-item", has=page.get_by_text("Run All Cells", exact=True))
    expect(item).not_to_have_class(re.compile("lm-mod-disabled"))
    item.click()
    expect(page.locator(".jp-CodeCell").first.locator(".jp-InputPrompt")).not_to_have_text("[ ]:")
    wait_for(page.locator(".jp-CodeCell").last, ALL_RUN)


def wait_for(cell: Locator, patience: int = ONE_RUN) -> None:
    """Until the cell has been run."""
    try:
        expect(cell.locator(".jp-InputPrompt")).to_have_text(re.compile(r"\[\d+\]"), timeout=patience)
    except AssertionError as error:
        said = cell.page.locator(".jp-OutputArea-output").all_inner_texts() or ["nothing was run"]
        raise AssertionError("\n".join(said)[-3000:]) from error


def cell(page: Page, code: str) -> Locator:
    """The first cell that holds this code."""
    return page.locator(".jp-CodeCell", has=page.locator(".jp-InputArea", has_text=code)).first


def output(page: Page, code: str) -> Locator:
    return cell(page, code).locator(".jp-OutputArea")


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
