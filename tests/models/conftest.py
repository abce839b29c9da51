"""Engines that several files of tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tiny_model import write_tiny_model

from models.runtimes.child import ChildEngine
from models.runtimes.transformers import TransformersRuntime
from models.types import ModelSpec


@pytest.fixture(scope="session")
def tiny_loading() -> list[float]:
    """The fractions reported while `tiny_engine` was loading."""
    return []


@pytest.fixture(scope="session")
def tiny_engine(tmp_path_factory: pytest.TempPathFactory, tiny_loading: list[float]) -> Iterator[ChildEngine]:
    """The transformers runtime with the tiny model, started once."""
    folder = write_tiny_model(tmp_path_factory.mktemp("model") / "tiny")
    spec = ModelSpec("tiny", "Tiny", "transformers", path=folder)
    engine = TransformersRuntime(tmp_path_factory.mktemp("logs")).start(spec, tiny_loading.append)
    yield engine
    engine.stop()
    assert not engine.alive()
