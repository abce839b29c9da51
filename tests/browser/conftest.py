"""Fixtures of the browser tests: a real Chromium, a running app with the starter model, a fresh page."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.running_app import RunningApp

CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser(chromium_path: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=chromium_path, args=CHROMIUM_ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens pages, each in its own browser profile unless one is given, and fails on a script error."""
    contexts, errors = [], []

    def open_one(url: str, *, beside: Page | None = None, **options: object) -> Page:
        context = (
            beside.context
            if beside
            else browser.new_context(**{"viewport": {"width": 1280, "height": 800}, "locale": "en-GB", **options})
        )
        if beside is None:
            contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(url)
        page.wait_for_selector("body[data-ready]")
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert not errors, errors


@pytest.fixture
def fresh_data(tmp_path: Path, embedded_models: Path) -> Path:
    """A data folder that holds the embedded models and nothing else."""
    folder = tmp_path / "data"
    shutil.copytree(embedded_models, folder / "models", copy_function=_link)
    return folder


def _link(source: str, target: str) -> None:
    try:
        Path(target).hardlink_to(source)
    except OSError:
        shutil.copyfile(source, target)


@pytest.fixture
def start_app(fresh_data: Path) -> Iterator[Callable[..., RunningApp]]:
    """Starts apps on the fresh data folder and ends them."""
    running: list[RunningApp] = []

    def start(*arguments: str, env: dict[str, str] | None = None) -> RunningApp:
        app = RunningApp(fresh_data, *arguments, env=env)
        running.append(app)
        return app

    yield start
    for app in running:
        app.stop()


@pytest.fixture
def app(start_app: Callable[..., RunningApp]) -> RunningApp:
    return start_app()
