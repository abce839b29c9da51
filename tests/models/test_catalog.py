"""The catalog of models on this machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from gguf_file import F32, Tensor, gguf
from tiny_model import write_tiny_model

from models import catalog
from models.errors import ModelFileInvalid, ModelFileMissing
from models.types import SamplingOptions

ONE_TENSOR = [Tensor("a", (64, 10), F32)]


def write_gguf(path: Path, name: str = "Tiny", **more: str | int | float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = {"general.architecture": "llama", "general.name": name, "general.file_type": 15, **more}
    path.write_bytes(gguf(values, ONE_TENSOR))
    return path


def test_an_empty_data_folder_has_no_models(tmp_path: Path) -> None:
    assert catalog.available(tmp_path) == []
    with pytest.raises(ModelFileMissing):
        catalog.starter(tmp_path)


def test_models_are_found_in_folders_and_named_by_their_headers(tmp_path: Path) -> None:
    write_gguf(tmp_path / "models" / "deep" / "er" / "B.gguf", "Beta")
    write_gguf(tmp_path / "models" / "A.gguf", "Alpha", **{"general.sampling.top_k": 20})
    write_tiny_model(tmp_path / "models" / "tiny")
    (tmp_path / "models" / "half.gguf.part").write_bytes(b"GGUF")
    (tmp_path / "models" / "bad.gguf").write_bytes(b"not a model")
    (tmp_path / "models" / ".hidden").mkdir()
    write_gguf(tmp_path / "models" / ".hidden" / "C.gguf")
    found = catalog.available(tmp_path)
    assert [(spec.id, spec.name, spec.runtime) for spec in found] == [
        ("A.gguf", "Alpha Q4_K_M", "llama_cpp"),
        ("deep/er/B.gguf", "Beta Q4_K_M", "llama_cpp"),
        ("tiny", "tiny", "transformers"),
    ]
    assert found[0].advice == SamplingOptions(top_k=20)
    assert (found[0].parameters, found[0].size_bytes) == (640, (tmp_path / "models" / "A.gguf").stat().st_size)


def test_every_listed_model_is_found_again_by_its_id(tmp_path: Path) -> None:
    write_gguf(tmp_path / "models" / "deep" / "B.gguf")
    write_tiny_model(tmp_path / "models" / "tiny")
    for spec in catalog.available(tmp_path):
        assert catalog.resolve(spec.id, tmp_path) == spec


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    write_gguf(tmp_path / "models" / "A.gguf", "Before")
    assert catalog.available(tmp_path)[0].name == "Before Q4_K_M"
    write_gguf(tmp_path / "models" / "A.gguf", "Afterwards")
    assert catalog.available(tmp_path)[0].name == "Afterwards Q4_K_M"


def test_a_path_names_a_file_or_a_folder_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_gguf(tmp_path / "elsewhere" / "A.gguf", "Alpha")
    write_tiny_model(tmp_path / "elsewhere" / "tiny")
    monkeypatch.chdir(tmp_path / "elsewhere")
    data = tmp_path / "data"
    assert catalog.resolve("A.gguf", data).path == tmp_path / "elsewhere" / "A.gguf"
    assert catalog.resolve(str(tmp_path / "elsewhere" / "tiny"), data).runtime == "transformers"


@pytest.mark.parametrize("name", ["nothing", "nothing.gguf", "", "/no/such/file.gguf", "a\0b"])
def test_what_is_not_there_is_missing(tmp_path: Path, name: str) -> None:
    with pytest.raises((ModelFileMissing, ModelFileInvalid)):
        catalog.resolve(name, tmp_path)


def test_a_file_of_another_kind_is_refused_with_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("These are my notes and no model." * 10)
    with pytest.raises(ModelFileInvalid, match="no GGUF"):
        catalog.resolve(str(path), tmp_path)


def test_a_folder_of_pickled_weights_is_refused_with_the_reason(tmp_path: Path) -> None:
    folder = write_tiny_model(tmp_path / "tiny")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelFileInvalid, match="pickle"):
        catalog.resolve(str(folder), tmp_path)


def test_the_image_part_of_a_model_is_not_listed(tmp_path: Path) -> None:
    write_gguf(tmp_path / "models" / "mmproj.gguf", **{"general.architecture": "clip"})
    assert catalog.available(tmp_path) == []


def test_a_model_in_several_files_counts_once_and_must_be_whole(tmp_path: Path) -> None:
    parts = [write_gguf(tmp_path / "models" / f"Big-0000{n}-of-00003.gguf", "Big") for n in (1, 2, 3)]
    [spec] = catalog.available(tmp_path)
    assert spec.path == parts[0]
    assert spec.size_bytes == sum(part.stat().st_size for part in parts)
    parts[1].unlink()
    assert catalog.available(tmp_path) == []
    with pytest.raises(ModelFileMissing, match="00002-of-00003"):
        catalog.resolve(str(parts[0]), tmp_path)


def test_a_folder_that_links_to_itself_is_read_once(tmp_path: Path) -> None:
    write_gguf(tmp_path / "models" / "A.gguf")
    try:
        (tmp_path / "models" / "again").symlink_to(tmp_path / "models", target_is_directory=True)
    except OSError:
        pytest.skip("links cannot be made here")
    assert [spec.id for spec in catalog.available(tmp_path)] == ["A.gguf"]


def test_the_advice_of_a_folder_is_its_generation_config(tmp_path: Path) -> None:
    folder = write_tiny_model(tmp_path / "tiny")
    advice = {"do_sample": True, "temperature": 0.6, "top_k": 20, "repetition_penalty": 1.1}
    (folder / "generation_config.json").write_text(json.dumps(advice))
    assert catalog.resolve(str(folder), tmp_path).advice == SamplingOptions(
        temperature=0.6, top_k=20, repeat_penalty=1.1
    )
    (folder / "generation_config.json").write_text("{")
    with pytest.raises(ModelFileInvalid):
        catalog.resolve(str(folder), tmp_path)


@pytest.mark.parametrize(
    "url", ["http://box:8000", "http://box:8000/", "http://box:8000/v1", "http://box:8000/v1/", "box:8000"]
)
def test_an_address_is_understood_as_people_write_it(url: str) -> None:
    spec = catalog.remote(url, None)
    assert (spec.url, spec.name, spec.remote_name) == ("http://box:8000", "http://box:8000", None)
    assert catalog.remote(url, "qwen").name == "qwen"


@pytest.mark.real_model
def test_the_starter_is_what_its_file_says(starter_model: Path) -> None:
    data = starter_model.parents[2]
    starter, read = catalog.starter(data), catalog.resolve(str(starter_model), data)
    assert catalog.available(data)[0] == starter
    assert (starter.parameters, starter.context_length) == (read.parameters, read.context_length)
    assert (starter.quantization, starter.languages) == (read.quantization, read.languages)
    assert catalog.resolve("starter", data) == starter
