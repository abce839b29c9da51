"""Loading in the child process: what is refused there, quantization, and the end with the parent."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest
from tiny_model import write_tiny_model

from models.errors import ModelFileInvalid, ModelTooLarge
from models.runtimes.child import ChildEngine
from models.runtimes.transformers import Quantization, TransformersRuntime
from models.types import ModelSpec

pytestmark = pytest.mark.slow
HELLO = [{"role": "user", "content": "Hello"}]


@contextmanager
def started(folder: Path, logs: Path, quantization: Quantization = "auto") -> Iterator[ChildEngine]:
    spec = ModelSpec("tiny", "Tiny", "transformers", path=folder, context_length=300)
    engine = TransformersRuntime(logs, quantization).start(spec, lambda _: None)
    try:
        yield engine
    finally:
        engine.stop()


def post(engine: ChildEngine, path: str, **body: object) -> httpx.Response:
    key = {"Authorization": f"Bearer {engine.endpoint.api_key}"}
    return httpx.post(engine.endpoint.url + path, json=body, headers=key, timeout=60)


def reply(engine: ChildEngine) -> str:
    answer = post(engine, "/v1/chat/completions", messages=HELLO, max_tokens=40, temperature=0)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["choices"][0]["message"]["content"])


def _edit_config(folder: Path, **values: object) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


def _foreign_code(folder: Path) -> None:
    (folder / "evil.py").write_text(f"open({str(folder / 'ran')!r}, 'w').close()\n")
    _edit_config(folder, model_type="own", auto_map={"AutoConfig": "evil.C", "AutoModelForCausalLM": "evil.M"})


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (
            lambda folder: write_tiny_model(folder, without="model.layers.1.mlp.up_proj.weight"),
            "1 tensors are",
        ),
        (lambda folder: _edit_config(folder, hidden_size=128), "."),
        (lambda folder: _edit_config(folder, model_type="unheard-of"), "unheard-of"),
        (lambda folder: _edit_config(folder, model_type="bert"), "."),
        (lambda folder: (folder / "tokenizer.json").write_text("{"), "."),
        (_foreign_code, "code of its own"),
    ],
)
def test_a_model_that_transformers_cannot_read_is_refused(
    tmp_path: Path, harm: Callable[[Path], None], reason: str
) -> None:
    folder = write_tiny_model(tmp_path / "tiny")
    harm(folder)
    with pytest.raises(ModelFileInvalid, match=reason), started(folder, tmp_path):
        pass
    assert not (folder / "ran").exists()


def test_a_model_larger_than_memory_is_refused_before_it_is_read(tmp_path: Path) -> None:
    folder = write_tiny_model(tmp_path / "tiny")
    length = 2**42
    head = json.dumps({"a": {"dtype": "U8", "shape": [length], "data_offsets": [0, length]}}).encode()
    with (folder / "model.safetensors").open("wb") as file:
        file.write(len(head).to_bytes(8, "little") + head)
        file.truncate(8 + len(head) + length)  # sparse: takes no room on the disk
    with pytest.raises(ModelTooLarge) as caught, started(folder, tmp_path):
        pass
    assert float(caught.value.params["needed_gb"]) > 4000


def test_a_limit_narrows_the_context(tmp_path: Path) -> None:
    with started(write_tiny_model(tmp_path / "tiny"), tmp_path) as engine:
        assert engine.context_length == 300


def test_a_model_without_a_chat_template_says_so(tmp_path: Path) -> None:
    folder = write_tiny_model(tmp_path / "tiny", template=None)
    with started(folder, tmp_path) as engine:
        answer = post(engine, "/v1/chat/completions", messages=HELLO)
    assert answer.status_code == 400
    assert "no chat template" in answer.json()["error"]["message"]


def test_a_template_without_a_system_role_gets_the_system_text_in_the_first_message(tmp_path: Path) -> None:
    template = (
        "{% for message in messages %}"
        "{% if message['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
        "{{ '[' + message['role'] + ']' + message['content'] }}{% endfor %}"
    )
    folder = write_tiny_model(tmp_path / "tiny", template=template)
    with started(folder, tmp_path) as engine:
        merged = post(engine, "/apply-template", messages=[{"role": "system", "content": "S"}, *HELLO])
        refused = post(engine, "/apply-template", messages=[{"role": "system", "content": "S"}])
    assert merged.json()["prompt"] == "[user]S\n\nHello"
    assert refused.status_code == 400
    assert "no system" in refused.json()["error"]["message"]


def test_a_template_cannot_reach_out_of_its_sandbox(tmp_path: Path) -> None:
    template = "{{ messages.__class__.__mro__[1].__subclasses__() }}"
    with started(write_tiny_model(tmp_path / "tiny", template=template), tmp_path) as engine:
        answer = post(engine, "/v1/chat/completions", messages=HELLO)
    assert answer.status_code == 400
    assert "unsafe" in answer.json()["error"]["message"]


@pytest.mark.parametrize("quantization", ["int8", "nf4"])
def test_quantized_weights_answer(tmp_path: Path, quantization: Quantization) -> None:
    with started(write_tiny_model(tmp_path / "tiny"), tmp_path, quantization) as engine:
        assert len(reply(engine)) == 40
        key = {"Authorization": f"Bearer {engine.endpoint.api_key}"}
        props = httpx.get(engine.endpoint.url + "/props", headers=key).json()
        assert props["model_ftype"] == quantization


PARENT = """
import sys, threading
from pathlib import Path
from models.runtimes.transformers import TransformersRuntime
from models.types import ModelSpec
spec = ModelSpec("tiny", "Tiny", "transformers", path=Path(sys.argv[1]))
engine = TransformersRuntime(Path(sys.argv[2])).start(spec, lambda _: None)
print(engine.pid, flush=True)
threading.Event().wait()
"""


@pytest.mark.skipif(os.name != "posix", reason="kill -9 is of POSIX")
def test_the_engine_ends_with_a_killed_app(tmp_path: Path) -> None:
    folder = write_tiny_model(tmp_path / "tiny")
    command = [sys.executable, "-c", PARENT, str(folder), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": os.getcwd()}) as app:
        assert app.stdout
        engine = psutil.Process(int(app.stdout.readline()))
        app.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 20
    while engine.is_running() and engine.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.02)
