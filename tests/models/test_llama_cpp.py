"""The llama_cpp runtime: bad files without a model, everything else with the real starter."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from gguf_file import F32, Tensor, gguf

from models import catalog
from models.client import Cancellation, Client
from models.errors import (
    ContextOverflow,
    EndpointUnauthorised,
    EngineCrashed,
    ModelFileInvalid,
    ModelFileMissing,
    ModelTooLarge,
)
from models.runtimes.child import ROOT, ChildEngine
from models.runtimes.llama_cpp import LlamaCppRuntime
from models.supervisor import Supervisor
from models.types import ChatMessage, Endpoint, EngineState, ModelSpec, SamplingOptions

HELLO = (ChatMessage("user", "Write a story about a lighthouse."),)
REPEAT = (ChatMessage("user", "Repeat after me: " + "the sea the sea the lighthouse and the sea " * 12),)
PATIENCE = 60.0


def runtime_in(folder: Path) -> LlamaCppRuntime:
    return LlamaCppRuntime(folder / "logs", folder / "slots")


def start(folder: Path, path: Path) -> ChildEngine:
    spec = ModelSpec("some", "Some model", "llama_cpp", path=path)
    return runtime_in(folder).start(spec, lambda fraction: None)


def until(condition: Callable[[], bool], seconds: float = PATIENCE) -> float:
    """Wait for the condition; the seconds that it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds
        time.sleep(0.005)
    return time.monotonic() - began


# ---- bad files ---------------------------------------------------------------------------------------


def test_a_file_of_37_bytes_is_refused_before_anything_is_started(tmp_path: Path) -> None:
    path = tmp_path / "tiny.gguf"
    path.write_bytes(b"GGUF\x03\0\0\0" + b"a" * 29)
    with pytest.raises(ModelFileInvalid):
        start(tmp_path, path)
    assert not (tmp_path / "logs").exists()


def test_a_missing_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ModelFileMissing):
        start(tmp_path, tmp_path / "none.gguf")


def test_a_model_of_an_unknown_kind_is_refused_in_the_engines_words(tmp_path: Path) -> None:
    path = tmp_path / "odd.gguf"
    path.write_bytes(gguf({"general.architecture": "nonsense"}, [Tensor("a", (64,), F32)]))
    with pytest.raises(ModelFileInvalid, match="unknown model architecture"):
        start(tmp_path, path)


def test_a_model_larger_than_the_memory_is_refused_with_both_numbers(tmp_path: Path) -> None:
    path = tmp_path / "huge.gguf"
    huge = gguf_head_of(2**40)
    with path.open("wb") as file:
        file.write(huge)
        try:
            file.truncate(len(huge) + 2**42)
        except OSError:
            pytest.skip("no room for a sparse file")
    with pytest.raises(ModelTooLarge) as caught:
        start(tmp_path, path)
    assert float(caught.value.params["needed_gb"]) > 4000
    assert 0 < float(caught.value.params["available_gb"]) < 4000


# ---- the real starter --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def engine(starter_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChildEngine]:
    spec = catalog.starter(starter_model.parents[2])
    engine = runtime_in(tmp_path_factory.mktemp("engine")).start(spec, lambda fraction: None)
    yield engine
    engine.stop()
    assert not engine.alive()


@pytest.fixture
def client(engine: ChildEngine) -> Iterator[Client]:
    client = Client(engine.endpoint)
    yield client
    client.close()


def busy_slots(engine: ChildEngine) -> int:
    headers = {"Authorization": f"Bearer {engine.endpoint.api_key}"}
    answer = httpx.get(f"{engine.endpoint.url}/slots", headers=headers, timeout=30)
    return sum(slot["is_processing"] for slot in answer.json())


@pytest.mark.real_model
def test_every_token_is_told_and_its_probability_unless_it_was_guessed_ahead(client: Client) -> None:
    options = SamplingOptions(temperature=0.0, max_tokens=80)
    chunks = list(client.stream(REPEAT, options))
    last = chunks[-1]
    assert last.usage
    tokens = [token for chunk in chunks for token in chunk.logprobs]
    assert last.usage.completion_tokens - 1 <= len(tokens) <= last.usage.completion_tokens
    assert "".join(token.token for token in tokens) == "".join(chunk.text for chunk in chunks)
    told = [token for token in tokens if token.logprob is not None]
    assert 3 < len(told) < len(tokens)
    assert all(token.logprob <= 0 and len(token.alternatives) == 5 for token in told if token.logprob)
    assert last.usage.prompt_tokens == client.count_tokens(REPEAT)
    assert last.timings
    assert last.timings.tokens_per_second


@pytest.mark.real_model
def test_the_same_seed_gives_the_same_reply(client: Client) -> None:
    options = SamplingOptions(temperature=1.0, max_tokens=16, seed=5)
    first, second = ("".join(c.text for c in client.stream(HELLO, options)) for _ in range(2))
    assert first == second


@pytest.mark.real_model
def test_a_begun_reply_is_continued_with_new_text_only(client: Client) -> None:
    begun = (*HELLO, ChatMessage("assistant", "Once upon a time, there was a lighthouse"))
    options = SamplingOptions(temperature=0.0, max_tokens=8)
    text = "".join(chunk.text for chunk in client.stream(begun, options, continue_last=True))
    assert text.strip()
    assert "Once upon a time, there was" not in text


@pytest.mark.real_model
def test_two_requests_run_at_once(engine: ChildEngine, client: Client) -> None:
    cancellations = [Cancellation(), Cancellation()]
    options = SamplingOptions(max_tokens=2000)
    threads = [
        threading.Thread(target=lambda c=c: list(client.stream(HELLO, options, cancellation=c))) for c in cancellations
    ]
    for thread in threads:
        thread.start()
    until(lambda: busy_slots(engine) == 2)
    for cancellation in cancellations:
        cancellation.cancel()
    for thread in threads:
        thread.join(PATIENCE)
    until(lambda: busy_slots(engine) == 0)


@pytest.mark.real_model
def test_all_slots_may_guess_ahead_at_once(engine: ChildEngine, client: Client) -> None:
    options = SamplingOptions(temperature=0.0, max_tokens=120)
    reasons: list[str | None] = []

    def repeat() -> None:
        reasons.append(list(client.stream(REPEAT, options))[-1].finish_reason)

    threads = [threading.Thread(target=repeat) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert reasons == ["length", "length"]
    assert engine.alive()


@pytest.mark.real_model
@pytest.mark.parametrize("moment", ["while the prompt is read", "in mid-reply"])
def test_stop_ends_the_stream_at_once_and_frees_the_engine(engine: ChildEngine, client: Client, moment: str) -> None:
    long = "".join(f"Line {n} tells of the sea. " for n in range(600))
    messages = HELLO if moment == "in mid-reply" else (ChatMessage("user", long),)
    cancellation, begun, ended = Cancellation(), threading.Event(), []

    def follow() -> None:
        for chunk in client.stream(messages, SamplingOptions(max_tokens=4000), cancellation=cancellation):
            if chunk.text or (chunk.progress and moment != "in mid-reply"):
                begun.set()
            ended.append(chunk.finish_reason)

    thread = threading.Thread(target=follow)
    thread.start()
    assert begun.wait(PATIENCE)
    cancellation.cancel()
    thread.join(1.0)
    assert not thread.is_alive()
    assert ended[-1] == "cancelled"
    # 0.2 s on a free machine, see docs/decisions; this one may be busy with other tests.
    assert until(lambda: busy_slots(engine) == 0) < 5.0


@pytest.mark.real_model
def test_more_than_the_window_holds_is_refused_with_the_numbers(client: Client) -> None:
    with pytest.raises(ContextOverflow) as caught:
        list(client.stream([ChatMessage("user", "hello " * 9000)], SamplingOptions()))
    assert caught.value.params["limit"] == 8192


@pytest.mark.real_model
def test_odd_text_is_answered(client: Client) -> None:
    odd = "a\x00b \ud83d \u202eleft\u202c 👩‍👩‍👧"
    chunks = list(client.stream([ChatMessage("user", odd)], SamplingOptions(max_tokens=4)))
    assert chunks[-1].finish_reason in ("stop", "length")


@pytest.mark.real_model
def test_the_engine_is_closed_to_pages_and_to_whoever_has_no_key(engine: ChildEngine) -> None:
    url = engine.endpoint.url
    answer = httpx.get(f"{url}/slots", headers={"Origin": "https://evil.example"})
    assert answer.status_code == 401
    assert answer.headers.get("Access-Control-Allow-Origin") not in ("*", "https://evil.example")
    assert httpx.get(f"{url}/").status_code in (401, 404)
    stranger = Client(Endpoint(url, "starter", "wrong"))
    with pytest.raises(EndpointUnauthorised):
        list(stranger.stream(HELLO, SamplingOptions()))
    stranger.close()


@pytest.mark.real_model
def test_the_key_is_not_on_the_command_line_nor_in_the_log(engine: ChildEngine) -> None:
    key = str(engine.endpoint.api_key)
    assert engine.log_path
    assert key not in " ".join(psutil.Process(engine.pid).cmdline())
    assert key not in engine.log_path.read_text("utf-8", "replace")


@pytest.mark.real_model
def test_a_truncated_model_is_refused_before_anything_is_started(starter_model: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.gguf"
    path.write_bytes(starter_model.read_bytes()[:50_000_000])
    with pytest.raises(ModelFileInvalid, match="cut off"):
        start(tmp_path, path)
    assert not (tmp_path / "logs").exists()


@pytest.mark.real_model
def test_an_engine_killed_in_mid_reply_is_back_for_the_next(starter_model: Path, tmp_path: Path) -> None:
    supervisor = Supervisor({"llama_cpp": runtime_in(tmp_path)})
    supervisor.load(catalog.starter(starter_model.parents[2]))

    def break_off() -> None:
        with supervisor.use(Cancellation()) as client:
            stream = client.stream(HELLO, SamplingOptions(max_tokens=2000))
            next(chunk for chunk in stream if chunk.text)
            psutil.Process(supervisor.status().pid).kill()
            list(stream)

    with pytest.raises(EngineCrashed):
        break_off()
    with supervisor.use() as client:
        assert list(client.stream(HELLO, SamplingOptions(max_tokens=4)))[-1].finish_reason == "length"
    assert supervisor.status().state is EngineState.READY
    supervisor.close()
    assert supervisor.status().pid is None


PARENT = """
import sys, threading
from pathlib import Path
from models import catalog
from models.runtimes.llama_cpp import LlamaCppRuntime
data, folder = Path(sys.argv[1]), Path(sys.argv[2])
runtime = LlamaCppRuntime(folder / "logs", folder / "slots")
engine = runtime.start(catalog.starter(data), lambda fraction: print("loading", flush=True))
print("ready", flush=True)
threading.Event().wait()
"""


@pytest.mark.real_model
@pytest.mark.parametrize("moment", ["loading", "ready"])
def test_the_engine_ends_with_a_killed_parent(starter_model: Path, tmp_path: Path, moment: str) -> None:
    command = [sys.executable, "-c", PARENT, str(starter_model.parents[2]), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as parent:
        assert parent.stdout
        while parent.stdout.readline().strip() != moment:
            pass
        [child] = psutil.Process(parent.pid).children()
        os.kill(parent.pid, getattr(signal, "SIGKILL", signal.SIGTERM))
    until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, 20.0)


def gguf_head_of(elements: int) -> bytes:
    """The head of a GGUF file whose one tensor has so many elements; the tensor's data is left out."""
    head = gguf({"general.architecture": "llama"}, [Tensor("a", (7,), F32)])[: -7 * 4]
    shape = (7).to_bytes(8, "little")
    assert head.count(shape) == 1
    return head.replace(shape, elements.to_bytes(8, "little"))
