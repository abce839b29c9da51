"""The supervisor over scripted engines in real child processes."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from models.client import Cancellation, Client
from models.errors import (
    EndpointUnreachable,
    EngineCrashed,
    EngineStartFailed,
    ModelError,
    ModelFileInvalid,
    ModelTooLarge,
    NoModel,
)
from models.runtimes.remote import RemoteRuntime
from models.supervisor import EngineStatus, Supervisor
from models.types import ChatMessage, Chunk, EngineState, ModelSpec, SamplingOptions
from tests.engine.runtime import ScriptedRuntime
from tests.engine.scripted import ScriptedEngine

ONE = ModelSpec("one", "One", "llama_cpp", path=Path("one.gguf"))
TWO = ModelSpec("two", "Two", "llama_cpp", path=Path("two.gguf"))
HELLO = (ChatMessage("user", "Hello"),)
PATIENCE = 20.0


@pytest.fixture
def runtime(tmp_path: Path) -> ScriptedRuntime:
    return ScriptedRuntime(tmp_path / "logs")


@pytest.fixture
def supervisor(runtime: ScriptedRuntime) -> Iterator[Supervisor]:
    supervisor = Supervisor(
        {"llama_cpp": runtime, "remote": RemoteRuntime(connect_timeout=1)}, back_off=(0.0, 0.05, 0.1)
    )
    yield supervisor
    supervisor.close()


def until(supervisor: Supervisor, wanted: Callable[[EngineStatus], bool]) -> EngineStatus:
    """Follow the status until it is as `wanted`."""
    deadline, version = time.monotonic() + PATIENCE, -1
    while not wanted(status := supervisor.status()):
        assert time.monotonic() < deadline, status
        version = supervisor.wait(version, 1.0)
    return status


def ask(client: Client, cancellation: Cancellation | None = None) -> list[Chunk]:
    return list(client.stream(HELLO, SamplingOptions(), cancellation=cancellation))


def kill(pid: int | None) -> None:
    assert pid
    os.kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM))


def test_nothing_is_loaded_at_first(supervisor: Supervisor) -> None:
    assert supervisor.status() == EngineStatus()
    with pytest.raises(NoModel), supervisor.use():
        pass


def test_loading_shows_its_progress_and_ends_ready(supervisor: Supervisor, runtime: ScriptedRuntime) -> None:
    runtime.loading_seconds = 0.5
    supervisor.load(ONE)
    assert supervisor.status().state is EngineState.LOADING
    seen: list[float] = []

    def ready(status: EngineStatus) -> bool:
        seen.append(1.0 if status.progress is None else status.progress)
        return status.state is EngineState.READY

    status = until(supervisor, ready)
    assert seen == sorted(seen)
    assert len(set(seen)) > 3
    assert (status.model, status.context_length, status.error) == (ONE, 4096, None)
    assert psutil.pid_exists(status.pid or 0)


def test_a_request_waits_for_the_loading_and_makes_the_engine_busy(
    supervisor: Supervisor, runtime: ScriptedRuntime
) -> None:
    runtime.loading_seconds = 0.2
    supervisor.load(ONE)
    cancellation = Cancellation()
    with supervisor.use(cancellation) as client:
        assert (supervisor.status().state, supervisor.status().active) == (EngineState.BUSY, 1)
        assert ask(client, cancellation)[-1].finish_reason == "stop"
    assert (supervisor.status().state, supervisor.status().active) == (EngineState.READY, 0)


def test_counting_tokens_does_not_make_the_engine_busy(supervisor: Supervisor) -> None:
    supervisor.load(ONE)
    with supervisor.use() as client:
        assert client.count_tokens(HELLO)
        assert supervisor.status().state is EngineState.READY


def test_a_request_cancelled_while_it_waits_does_not_wait_on(supervisor: Supervisor, runtime: ScriptedRuntime) -> None:
    runtime.loading_seconds = 60.0
    supervisor.load(ONE)
    cancellation = Cancellation()
    threading.Timer(0.1, cancellation.cancel).start()
    with pytest.raises(NoModel), supervisor.use(cancellation):
        pass


def test_another_model_takes_the_place_of_the_first_and_cancels_its_requests(
    supervisor: Supervisor, runtime: ScriptedRuntime
) -> None:
    runtime.script = {"tokens": 1000, "rate": 50}
    supervisor.load(ONE)
    cancellation = Cancellation()
    with supervisor.use(cancellation) as client:
        stream = client.stream(HELLO, SamplingOptions(), cancellation=cancellation)
        next(chunk for chunk in stream if chunk.text)
        supervisor.load(TWO)
        assert list(stream)[-1].finish_reason == "cancelled"
    with supervisor.use() as client:
        assert client.endpoint.model == "two"
    assert [engine.alive() for engine in runtime.started] == [False, True]


def test_a_model_chosen_while_another_loads_does_not_wait_for_it(
    supervisor: Supervisor, runtime: ScriptedRuntime
) -> None:
    runtime.loading_seconds = 20.0
    supervisor.load(ONE)
    until(supervisor, lambda status: bool(status.progress))
    runtime.loading_seconds = 0.0
    supervisor.load(TWO)
    assert until(supervisor, lambda status: status.state is EngineState.READY).model == TWO


def test_a_killed_engine_is_told_restarted_and_answers_again(supervisor: Supervisor, runtime: ScriptedRuntime) -> None:
    runtime.script = {"tokens": 40, "rate": 40}
    supervisor.load(ONE)
    states: list[EngineState] = []

    def break_off() -> None:
        with supervisor.use(Cancellation()) as client:
            stream = client.stream(HELLO, SamplingOptions())
            next(chunk for chunk in stream if chunk.text)
            kill(supervisor.status().pid)
            list(stream)

    with pytest.raises(EngineCrashed):
        break_off()

    def ready(status: EngineStatus) -> bool:
        states.append(status.state)
        return status.state is EngineState.READY and len(runtime.started) == 2

    until(supervisor, ready)
    assert EngineState.FAILED not in states
    with supervisor.use() as client:
        assert ask(client)[-1].finish_reason == "stop"


def test_a_request_right_after_the_crash_waits_for_the_new_engine(
    supervisor: Supervisor, runtime: ScriptedRuntime
) -> None:
    supervisor.load(ONE)
    first = until(supervisor, lambda status: status.state is EngineState.READY).pid
    runtime.loading_seconds = 0.3
    kill(first)
    until(supervisor, lambda status: status.state is EngineState.RESTARTING)
    with supervisor.use() as client:
        assert ask(client)[-1].finish_reason == "stop"


def test_an_engine_that_always_dies_is_given_up_and_a_later_try_may_work(
    supervisor: Supervisor, runtime: ScriptedRuntime
) -> None:
    runtime.dies_after = 0.0
    supervisor.load(ONE)
    status = until(supervisor, lambda status: status.state is EngineState.FAILED)
    assert isinstance(status.error, EngineStartFailed)
    assert runtime.attempts == 4
    runtime.dies_after = None
    with supervisor.use() as client:
        assert ask(client)[-1].finish_reason == "stop"
    assert supervisor.status().error is None


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("invalid_file", ModelFileInvalid), ("too_large", ModelTooLarge), ("other", EngineStartFailed)],
)
def test_a_worker_that_refuses_is_not_started_again_and_again(
    supervisor: Supervisor, runtime: ScriptedRuntime, kind: str, expected: type[ModelError]
) -> None:
    runtime.failed = kind
    supervisor.load(ONE)
    status = until(supervisor, lambda status: status.state is EngineState.FAILED)
    assert type(status.error) is expected
    assert status.model == ONE
    assert runtime.attempts == 1
    with pytest.raises(expected), supervisor.use():
        pass


def test_a_worker_that_dies_while_loading_is_a_failure_with_its_last_words(
    supervisor: Supervisor, runtime: ScriptedRuntime
) -> None:
    runtime.dies_loading = True
    supervisor.load(ONE)
    error = until(supervisor, lambda status: status.state is EngineState.FAILED).error
    assert isinstance(error, EngineStartFailed)
    assert "cannot go on" in str(error)


def test_a_runtime_that_is_missing_is_a_failure_not_a_crash(supervisor: Supervisor) -> None:
    supervisor.load(ModelSpec("three", "Three", "transformers"))
    status = until(supervisor, lambda status: status.state is EngineState.FAILED)
    assert isinstance(status.error, EngineStartFailed)


def test_a_failure_to_choose_is_shown_and_raised(supervisor: Supervisor) -> None:
    supervisor.fail(EndpointUnreachable(url="http://nowhere"))
    status = supervisor.status()
    assert (status.state, status.model) == (EngineState.FAILED, None)
    with pytest.raises(EndpointUnreachable), supervisor.use():
        pass


def test_a_remote_server_that_comes_back_is_found_by_the_next_request(supervisor: Supervisor) -> None:
    with ScriptedEngine() as engine:
        url = engine.url
    port = int(url.rpartition(":")[2])
    supervisor.load(ModelSpec("far", "Far", "remote", url=url))
    status = until(supervisor, lambda status: status.state is EngineState.FAILED)
    assert isinstance(status.error, EndpointUnreachable)
    with ScriptedEngine(port=port), supervisor.use() as client:
        assert ask(client)[-1].finish_reason == "stop"
        assert (supervisor.status().pid, supervisor.status().context_length) == (None, 4096)


def test_an_engine_starts_from_any_folder_and_is_told_no_secret(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INKGLASS_REMOTE_KEY", "secret")
    supervisor.load(ONE)
    status = until(supervisor, lambda status: status.state in (EngineState.READY, EngineState.FAILED))
    assert status.error is None
    assert "secret" not in psutil.Process(status.pid).environ().values()


def test_unloading_ends_the_process(supervisor: Supervisor, runtime: ScriptedRuntime) -> None:
    supervisor.load(ONE)
    until(supervisor, lambda status: status.state is EngineState.READY)
    supervisor.unload()
    assert supervisor.status() == EngineStatus()
    runtime.started[0].wait()


def test_closing_leaves_no_process_and_no_thread(runtime: ScriptedRuntime) -> None:
    supervisor = Supervisor({"llama_cpp": runtime})
    supervisor.load(ONE)
    pid = until(supervisor, lambda status: status.state is EngineState.READY).pid
    supervisor.load(TWO)
    supervisor.close()
    supervisor.close()
    supervisor.load(ONE)
    assert supervisor.status().state is EngineState.NONE
    assert not psutil.pid_exists(pid or 0)
    assert not [child for child in psutil.Process().children() if child.status() == psutil.STATUS_ZOMBIE]
    assert "engine" not in {thread.name for thread in threading.enumerate()}


def test_many_threads_may_use_swap_and_ask_at_once(supervisor: Supervisor, runtime: ScriptedRuntime) -> None:
    supervisor.load(ONE)
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(6):
                if number == 0 and turn % 3 == 0:
                    supervisor.load(TWO if turn else ONE)
                cancellation = Cancellation()
                with supervisor.use(cancellation) as client:
                    ask(client, cancellation)
        except (EngineCrashed, NoModel):
            pass  # its engine was taken away under it
        except Exception as error:  # noqa: BLE001 - a thread's failure is the test's
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert failures == []
    assert not any(thread.is_alive() for thread in threads)
    assert until(supervisor, lambda status: status.state is EngineState.READY).active == 0
