"""The starter model as a safetensors folder: our decoding against transformers' own."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from models.runtimes.child import ChildEngine
from models.runtimes.transformers import TransformersRuntime
from models.types import ModelSpec

pytestmark = [pytest.mark.real_model, pytest.mark.slow]
QUESTION = [
    {"role": "system", "content": "You write short and clear."},
    {"role": "user", "content": "Why is the sea salty? Explain it with an example, and add 🌊."},
]


@pytest.fixture(scope="module")
def folder(starter_model: Path) -> Path:
    """The starter model's weights unpacked to bfloat16, made once and kept in the test data folder."""
    cache = starter_model.parents[2] / "cache"  # outside models/, where a catalog would list it
    kept = cache / "starter-as-safetensors"
    if not kept.exists():
        cache.mkdir(exist_ok=True)
        making = Path(tempfile.mkdtemp(prefix="making-", dir=cache))
        _convert(starter_model, making)
        try:
            os.replace(making, kept)
        except OSError:  # another test run was faster
            shutil.rmtree(making)
    return kept


def _convert(gguf: Path, folder: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    source: dict[str, Any] = {"gguf_file": gguf.name, "local_files_only": True}
    model = AutoModelForCausalLM.from_pretrained(
        gguf.parent, quantization_config=GgufConfig(dequantize=True), dtype="bfloat16", **source
    )
    model.config.quantization_config = None  # the weights are no longer quantized
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(gguf.parent, **source).save_pretrained(folder)


@pytest.fixture(scope="module")
def engine(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChildEngine]:
    spec = ModelSpec("starter-folder", "Starter", "transformers", path=folder)
    engine = TransformersRuntime(tmp_path_factory.mktemp("logs")).start(spec, lambda _: None)
    yield engine
    engine.stop()


def ours(engine: ChildEngine, **options: Any) -> str:
    request = {"messages": QUESTION, "max_tokens": 60, "temperature": 0, "cache_prompt": False, **options}
    key = {"Authorization": f"Bearer {engine.endpoint.api_key}"}
    answer = httpx.post(f"{engine.endpoint.url}/v1/chat/completions", json=request, headers=key, timeout=120)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["choices"][0]["message"]["content"])


def theirs(folder: Path, **options: Any) -> str:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, dtype="auto")
    prompt = tokenizer.apply_chat_template(QUESTION, add_generation_prompt=True, return_tensors="pt")
    written = model.generate(**prompt, do_sample=False, max_new_tokens=60, **options)
    return str(tokenizer.decode(written[0, prompt["input_ids"].shape[1] :], skip_special_tokens=True))


def test_greedy_decoding_is_that_of_transformers(engine: ChildEngine, folder: Path) -> None:
    assert ours(engine) == theirs(folder)


def test_the_repeat_penalty_over_all_tokens_is_that_of_transformers(engine: ChildEngine, folder: Path) -> None:
    penalised = ours(engine, repeat_penalty=1.3, repeat_last_n=-1)
    assert penalised == theirs(folder, repetition_penalty=1.3)
    assert penalised != ours(engine)


def test_a_seed_gives_the_same_reply(engine: ChildEngine) -> None:
    drawn = {"temperature": 0.8, "seed": 4}
    assert ours(engine, **drawn) == ours(engine, **drawn)
    assert ours(engine, **drawn) != ours(engine, temperature=0.8, seed=5)
