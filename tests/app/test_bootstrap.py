"""The app put together: which model it begins with, and what stands in its way."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.bootstrap import Parts, build
from app.settings import Settings
from models.errors import ModelFileMissing
from models.types import EngineState
from storage.errors import DatabaseInUse
from tests.app.conftest import Scene, until
from tests.engine.runtime import ScriptedRuntime


@pytest.fixture
def open_app(data_dir: Path) -> Iterator[Callable[..., Parts]]:
    """Puts an app together over scripted engines, whatever the model's kind."""
    running: list[Parts] = []

    def open_one(**settings: Any) -> Parts:
        runtime = ScriptedRuntime(data_dir / "logs")
        engines: Any = {"llama_cpp": runtime, "remote": runtime, "transformers": runtime}
        running.append(build(Settings(data_dir=data_dir, **settings), engines))
        return running[-1]

    yield open_one
    for parts in running:
        parts.close()


@pytest.fixture
def starter_in_place(data_dir: Path, starter_model: Path) -> Path:
    target = data_dir / "models" / "starter" / starter_model.name
    target.parent.mkdir(parents=True)
    target.symlink_to(starter_model)
    return target


def loaded(parts: Parts) -> str | None:
    until(lambda: parts.supervisor.status().state in (EngineState.READY, EngineState.FAILED))
    return parts.model_id()


def test_the_starter_is_the_first_model(open_app: Callable[..., Parts], starter_in_place: Path) -> None:
    parts = open_app()
    assert loaded(parts) == "starter"
    assert [spec.id for spec in parts.models()] == ["starter"]


def test_the_last_choice_is_remembered_and_one_named_at_the_start_goes_before_it(
    open_app: Callable[..., Parts], starter_in_place: Path, data_dir: Path
) -> None:
    (data_dir / "models" / "mine").mkdir()
    (data_dir / "models" / "mine" / "small.gguf").hardlink_to(starter_in_place.resolve())
    parts = open_app()
    mine = next(spec.id for spec in parts.models() if spec.id != "starter")
    parts.choose_model(mine)
    assert until(lambda: parts.model_id() == mine)
    parts.close()
    again = open_app()
    assert loaded(again) == mine
    again.close()
    named = open_app(model="starter")
    assert loaded(named) == "starter"


def test_a_remembered_model_that_is_gone_gives_way_to_the_starter(
    open_app: Callable[..., Parts], starter_in_place: Path
) -> None:
    parts = open_app()
    parts.preferences.set("model", "gone.gguf")
    parts.close()
    assert loaded(open_app()) == "starter"


def test_an_unknown_choice_is_refused_and_the_model_stays(
    open_app: Callable[..., Parts], starter_in_place: Path
) -> None:
    parts = open_app()
    loaded(parts)
    with pytest.raises(ModelFileMissing):
        parts.choose_model("../../etc/passwd")
    assert parts.model_id() == "starter"


@pytest.mark.parametrize("content", [None, b"GGUF", b"this is no model"])
def test_a_model_that_cannot_be_used_is_a_status_and_no_crash(data_dir: Path, content: bytes | None) -> None:
    path = data_dir / "bad.gguf"
    if content is not None:
        path.write_bytes(content)
    parts = build(Settings(data_dir=data_dir, model=str(path)))
    try:
        status = until(lambda: (s := parts.supervisor.status()).state is EngineState.FAILED and s)
        assert status.error is not None
        assert str(path) in str(status.error)
        assert parts.manager.conversations() == []
    finally:
        parts.close()


def test_without_any_model_the_app_opens_and_says_what_is_missing(open_app: Callable[..., Parts]) -> None:
    parts = open_app()
    status = until(lambda: (s := parts.supervisor.status()).state is EngineState.FAILED and s)
    assert isinstance(status.error, ModelFileMissing)
    assert parts.models() == []


def test_a_remote_model_is_among_the_choices(start: Callable[..., Scene]) -> None:
    scene = start().ready()
    assert [spec.id for spec in scene.parts.models()] == [scene.parts.model_id()]
    assert scene.parts.models()[0].runtime == "remote"


def test_a_second_app_on_the_same_data_is_refused_and_the_first_goes_on(start: Callable[..., Scene]) -> None:
    scene = start().ready()
    with pytest.raises(DatabaseInUse):
        build(Settings(data_dir=scene.parts.settings.data_dir))
    assert scene.ended(scene.send("Still here?")).status == "complete"


def test_closing_twice_is_the_same_as_once(start: Callable[..., Scene]) -> None:
    scene = start().ready()
    scene.parts.close()
    scene.parts.close()


def test_torch_and_gradio_are_not_loaded_by_the_app_itself() -> None:
    code = "import sys, app.bootstrap; print([m for m in ('torch', 'transformers', 'gradio') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
