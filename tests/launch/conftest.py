"""A data folder in which nothing has to be fetched, and starts of `launch.py` on it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from models.hub import STARTER, TRANSLATION
from tests.browser.running_app import ROOT, RunningApp

NOBODY = "http://127.0.0.1:9"
"""An address where nothing listens: the app starts and says so."""


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Model files of one byte: present, so that no start fetches them."""
    folder = tmp_path / "data"
    for pack in (STARTER, TRANSLATION):
        for file in pack.files:
            target = folder / "models" / file.target
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(b"x")
    return folder


@pytest.fixture
def start(data_dir: Path) -> Iterator[Callable[..., RunningApp]]:
    """Starts the app and waits until it is ready; ends it afterwards."""
    running: list[RunningApp] = []

    def begin(*arguments: str, folder: Path = data_dir) -> RunningApp:
        app = RunningApp(folder, *arguments)
        running.append(app)
        return app

    yield begin
    for app in running:
        app.stop()


@pytest.fixture
def attempt(data_dir: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """A start that is expected to end by itself."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(ROOT / "launch.py"), "--no-browser", "--data-dir", str(data_dir), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=ROOT)

    return run
