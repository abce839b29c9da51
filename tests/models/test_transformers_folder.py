"""What the transformers runtime says of a folder before anything is loaded."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_model import CONTEXT, write_tiny_model

from models.errors import ModelFileInvalid, ModelFileMissing
from models.runtimes.transformers import TransformersRuntime, inspect_folder
from models.types import ModelSpec


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / "tiny")


def start(folder: Path | None) -> None:
    spec = ModelSpec("tiny", "Tiny", "transformers", path=folder)
    TransformersRuntime(Path("unused-logs")).start(spec, lambda _: None)


def test_a_whole_folder_tells_its_facts(folder: Path) -> None:
    facts = inspect_folder(folder)
    assert facts.architecture == "LlamaForCausalLM"
    assert facts.context_length == CONTEXT
    assert facts.size_bytes == (folder / "model.safetensors").stat().st_size
    assert 4 * facts.parameters < facts.size_bytes < 4 * facts.parameters + 10_000
    assert facts.quantization is None


def test_no_folder_is_a_missing_model(tmp_path: Path) -> None:
    with pytest.raises(ModelFileMissing, match="nowhere"):
        start(tmp_path / "nowhere")
    with pytest.raises(ModelFileMissing):
        start(None)


def _pickle_only(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def _adapter(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text("{}")


def _cut(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1000])


def _cut_in_the_head(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:100])


def _missing_part(folder: Path) -> None:
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "model.safetensors").rename(folder / "model-1.safetensors")


def _part_outside(folder: Path) -> None:
    index = {"weight_map": {"a": "../tiny/model.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def _write(name: str, data: bytes) -> Callable[[Path], None]:
    return lambda folder: _discard((folder / name).write_bytes(data))


def _discard(_: object) -> None:
    return None


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (_pickle_only, "pickle, which can run any code"),
        (_adapter, "holds an adapter"),
        (_cut, "cut short: 1000 bytes are missing"),
        (_cut_in_the_head, "cut short"),
        (_missing_part, "model-2.safetensors is missing"),
        (_part_outside, "outside the folder"),
        (_write("model.safetensors", b""), "not a safetensors file"),
        (_write("model.safetensors", b"\xff" * 4096), "not a safetensors file"),
        (_write("model.safetensors", (4000).to_bytes(8, "little") + b"[" * 4000), "is damaged"),
        (_write("model.safetensors", (15).to_bytes(8, "little") + b'{"a": {"b": 1}}'), "is damaged"),
        (_write("config.json", b"{"), "config.json is damaged"),
        (_write("config.json", b"[1]"), "config.json is damaged"),
        (lambda folder: (folder / "config.json").unlink(), "config.json is missing"),
        (lambda folder: (folder / "model.safetensors").unlink(), "model.safetensors is missing"),
    ],
)
def test_a_harmed_folder_is_refused_with_the_reason(folder: Path, harm: Callable[[Path], None], reason: str) -> None:
    harm(folder)
    with pytest.raises(ModelFileInvalid, match=reason):
        start(folder)
