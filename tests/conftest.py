"""Fixtures that every room's tests may use: the starter model, a browser, a scripted engine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from platformdirs import user_cache_path

from models.hub import STARTER, TRANSLATION, fetch_pack
from tests.engine.script import Script
from tests.engine.scripted import ScriptedEngine

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Where the tests keep what is fetched once: a data folder with the starter model."""
    named = os.environ.get("INKGLASS_TEST_DATA")
    return Path(named) if named else user_cache_path("inkglass-tests", appauthor=False)


@pytest.fixture(scope="session")
def embedded_models(test_data: Path) -> Path:
    """The folder with all models that a first start fetches; fetched the first time."""
    for pack in (STARTER, TRANSLATION):
        fetch_pack(test_data, pack, lambda *_: None)
    return test_data / "models"


@pytest.fixture(scope="session")
def starter_model(embedded_models: Path) -> Path:
    """The starter model's file."""
    return embedded_models / STARTER.files[0].target


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """A real Chromium. On Debian: `apt-get install chromium`."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.fail("The browser tests need Chromium: `apt-get install chromium` (Debian), or another Chrome.")
    return found


@pytest.fixture
def scripted_engine() -> Iterator[Callable[..., ScriptedEngine]]:
    """Starts scripted engines, each with the fields of a `Script`, and closes them."""
    with ExitStack() as engines:

        def start(**script: Any) -> ScriptedEngine:
            return engines.enter_context(ScriptedEngine(Script(**script)))

        yield start
