"""A browser, and what a person does with it in JupyterLab: open a notebook, run all of it, look."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
ALL_RUN, ONE_RUN = 300_000, 90_000
"""Milliseconds for a whole lesson, and for one cell, on a busy machine."""


@dataclass(frozen=True)
class Lab:
    """A running JupyterLab."""

    url: str
    token: str


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's own. Its driver keeps an event loop running in this thread: don't hold it longer than a module."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("no chromium: run `make engines`")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=QUIET)
        yield browser
        browser.close()


def open_notebook(browser: Browser, lab: Lab, name: str, theme: str, *, kernel: bool = True) -> Page:
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
