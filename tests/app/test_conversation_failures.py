"""What goes wrong in a turn, and what is kept: engines that fail, a database that is held, a disk that is full."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.bootstrap import Parts, build
from app.settings import Settings
from models.errors import ContextOverflow
from models.types import EngineState
from storage.errors import DatabaseBusy
from tests.app.conftest import Scene, until
from tests.engine.runtime import ScriptedRuntime
from tests.engine.script import Failure, Script
from tests.engine.scripted import ScriptedEngine

Start = Callable[..., Scene]
Hold = Callable[[], Callable[[], None]]


@pytest.fixture
def start_child(data_dir: Path, scripted_engine: Callable[..., ScriptedEngine]) -> Iterator[Callable[..., Scene]]:
    """Starts the app on an engine in a child process of its own; `Scene.engine` is not used."""
    running: list[Parts] = []

    def start_one(loading_seconds: float = 0.0, **script: Any) -> Scene:
        runtime = ScriptedRuntime(data_dir / "logs", script, loading_seconds)
        running.append(build(Settings(data_dir=data_dir, remote="http://local"), {"remote": runtime}))
        return Scene(running[-1], scripted_engine())

    yield start_one
    for parts in running:
        parts.close()


# ---- engines ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (Failure("status", status=401), "endpoint_unauthorised"),
        (Failure("status", status=429, headers={"Retry-After": "7"}), "endpoint_rate_limited"),
        (Failure("status", status=500), "endpoint_failed"),
        (Failure("cut", after=0), "stream_broken"),
    ],
)
def test_a_refused_request_fails_the_reply_with_a_sentence_and_the_next_send_works(
    start: Start, failure: Failure, code: str
) -> None:
    scene = start(reply="Fine.").ready()
    scene.engine.fail_next(failure)
    sent = scene.send("Hello")
    message = scene.ended(sent)
    assert (message.status, message.text) == ("failed", "")
    assert message.failure is not None
    assert message.failure.code == code
    assert message.failure.sentence.endswith(".")
    again = scene.parts.manager.retry(sent.reply_id, expected_head=sent.reply_id)
    assert scene.ended(again).text == "Fine."


@pytest.mark.parametrize("kind", ["cut", "garbage", "error"])
def test_a_stream_that_breaks_keeps_what_came_and_continue_goes_on(start: Start, kind: Any) -> None:
    scene = start(reply="One two three four five.").ready()
    scene.engine.fail_next(Failure(kind, after=3))
    sent = scene.send("Count")
    message = scene.ended(sent)
    assert (message.status, message.text) == ("failed", "One two three")
    assert message.failure is not None
    scene.engine.script = replace(scene.engine.script, reply=" four.")
    again = scene.parts.manager.continue_reply(sent.reply_id, expected_head=sent.reply_id)
    after = scene.ended(again)
    assert (after.status, after.text, after.failure) == ("complete", "One two three four.", None)


def test_a_failed_reply_without_text_is_not_sent_and_the_questions_are_joined(start: Start) -> None:
    scene = start(reply="Fine.").ready()
    scene.engine.fail_next(Failure("status", status=500))
    sent = scene.say("First question")
    second = scene.say("Second question", sent)
    assert scene.engine.requests[1].body["messages"] == [
        {"role": "user", "content": "First question\n\nSecond question"}
    ]
    assert scene.parts.manager.exact_prompt(second.reply_id) == [("user", "First question\n\nSecond question")]


def test_a_server_that_goes_away_fails_the_reply_and_is_used_again_when_it_is_back(start: Start) -> None:
    scene = start(tokens=300, rate=100).ready()
    sent = scene.send("Go on")
    live = scene.growing(sent, 5)
    port = int(scene.engine.url.rsplit(":", 1)[1])
    scene.engine.close()
    message = scene.ended(sent)
    assert message.status == "failed"
    assert message.text.startswith(live.text)
    assert scene.ended(scene.send("Still there?", sent)).status == "failed"
    with ScriptedEngine(Script(reply="Back again."), port=port):
        assert scene.ended(scene.send("And now?", sent)).text == "Back again."


def test_an_engine_killed_in_mid_reply_keeps_the_text_and_the_next_send_works(start_child: Start) -> None:
    scene = start_child(tokens=2000, rate=100).ready()
    sent = scene.send("Go on")
    live = scene.growing(sent, 20)
    pid = scene.parts.supervisor.status().pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    message = scene.ended(sent)
    assert message.status == "failed"
    assert message.text.startswith(live.text)
    assert message.failure is not None
    assert message.failure.code == "engine_crashed"
    more = scene.parts.manager.continue_reply(sent.reply_id, expected_head=sent.reply_id)
    longer = scene.growing(more, 5)
    assert longer.text.startswith(message.text)
    assert scene.parts.supervisor.status().pid != pid
    scene.parts.manager.stop(sent.conversation.id)
    assert scene.ended(more).status == "stopped"


def test_stop_works_while_the_model_is_still_loading(start_child: Start) -> None:
    scene = start_child(loading_seconds=30.0)
    sent = scene.send("Are you there?")
    live = scene.parts.turns.live(sent.conversation.id)
    assert live is not None
    assert live.phase == "waiting_for_model"
    scene.parts.manager.stop(sent.conversation.id)
    message = scene.ended(sent)
    assert (message.status, message.text, message.failure) == ("stopped", "", None)


def test_a_message_too_long_for_a_model_that_was_loading_fails_with_the_same_words(start_child: Start) -> None:
    scene = start_child(loading_seconds=0.3, context_length=512)
    sent = scene.send("word " * 1000)
    message = scene.ended(sent)
    assert message.status == "failed"
    assert message.failure is not None
    assert message.failure.code == "context_overflow"
    needed = int(message.failure.params["needed"])
    assert message.failure.params["over"] == needed - 512
    with pytest.raises(ContextOverflow) as caught:
        scene.ready().send("word " * 1000)
    assert caught.value.params == message.failure.params


def test_without_any_model_the_message_is_kept_and_the_reply_says_what_to_do(data_dir: Path) -> None:
    parts = build(Settings(data_dir=data_dir, model="no-such-model"))
    try:
        until(lambda: parts.supervisor.status().state is EngineState.FAILED)
        sent = parts.manager.send(None, "Hello?", expected_head=None)
        until(lambda: parts.turns.live(sent.conversation.id) is None)
        message = parts.manager.message(sent.reply_id)
        assert message.status == "failed"
        assert message.failure is not None
        assert message.failure.code == "model_file_missing"
        assert "no-such-model" in message.failure.sentence
    finally:
        parts.close()


# ---- servers that cannot count ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", ["openai", "vllm"])
def test_a_server_that_cannot_count_says_itself_how_much_fits(start: Start, dialect: Any) -> None:
    scene = start(reply="Yes.", context_length=600, dialect=dialect).ready()
    sent = scene.say("Hello")
    for number in range(8):
        scene.say(f"{number}: " + "a b c d e f g h " * 12, sent)
    assert [item.message.status for item in scene.window(sent).items] == ["complete"] * 18
    window = scene.window(sent)
    assert window.items[-1].message.reply is not None
    assert window.items[-1].message.reply.left_out > 0
    assert window.left_out_above in {item.message.id for item in window.items}
    assert window.context_length == 600
    refused = [request for request in scene.engine.requests if request.first_token_at is None]
    assert len(refused) <= 3


def test_a_message_that_only_the_server_can_refuse_says_by_how_many_tokens(start: Start) -> None:
    scene = start(context_length=300, dialect="openai").ready()
    sent = scene.send("a b c d e f g h " * 100)
    message = scene.ended(sent)
    assert message.failure is not None
    assert message.failure.code == "context_overflow"
    assert message.failure.params["limit"] == 300
    assert int(message.failure.params["over"]) > 400


# ---- a database that is held, a disk that is full ----------------------------------------------------------------


def test_a_held_database_delays_checkpoints_and_the_end_but_not_the_stream(start: Start, other_program: Hold) -> None:
    scene = start(tokens=60, rate=100).ready()
    sent = scene.send("Go on")
    scene.growing(sent, 5)
    let_go = other_program()
    live = scene.growing(sent, 60)
    assert scene.parts.turns.live(sent.conversation.id) is not None
    assert scene.parts.manager.message(sent.reply_id).status == "streaming"
    let_go()
    message = scene.ended(sent)
    assert (message.status, message.text) == ("complete", live.text)


@pytest.mark.slow
def test_a_database_held_for_ten_seconds_loses_nothing_and_says_so(start: Start, other_program: Hold) -> None:
    scene = start(tokens=60, rate=100).ready()
    sent = scene.send("Go on")
    scene.growing(sent, 5)
    let_go = other_program()
    saving = until(lambda: _in_phase(scene, sent.conversation.id, "saving"))
    with pytest.raises(DatabaseBusy):
        scene.send("Another conversation")
    until(lambda: scene.engine.requests[0].ended_at)
    let_go()
    message = scene.ended(sent)
    assert (message.status, message.text) == ("complete", saving.text)
    assert [c.id for c in scene.parts.manager.conversations()] == [sent.conversation.id]


def _in_phase(scene: Scene, conversation_id: str, phase: str) -> Any:
    live = scene.parts.turns.live(conversation_id)
    return live if live and live.phase == phase else None


FULL_DISK = """
import json, resource, sys, time
from pathlib import Path
from app.bootstrap import build
from app.settings import Settings

data, url = Path(sys.argv[1]), sys.argv[2]
parts = build(Settings(data_dir=data, remote=url))
sent = parts.manager.send(None, "Go on", expected_head=None)
conversation = sent.conversation.id
while (live := parts.turns.live(conversation)) is None or live.tokens < 5:
    time.sleep(0.01)
# From here no file of this process may grow: what a full disk or a quota does.
wal = data / "inkglass.db-wal"
resource.setrlimit(resource.RLIMIT_FSIZE, (wal.stat().st_size, resource.RLIM_INFINITY))
while (live := parts.turns.live(conversation)) is None or live.phase != "saving":
    assert live is not None, "it was saved"
    time.sleep(0.01)
during = {"text": live.text, "status": parts.manager.message(sent.reply_id).status}
try:
    parts.manager.send(None, "More", expected_head=None)
    refused = ""
except Exception as error:
    refused = getattr(error, "code", repr(error))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
while parts.turns.live(conversation) is not None:
    time.sleep(0.01)
message = parts.manager.message(sent.reply_id)
parts.close()
print(json.dumps({"during": during, "refused": refused, "status": message.status, "text": message.text}))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="a file-size limit stands in for a full disk")
def test_a_disk_full_at_the_end_keeps_the_text_alive_until_there_is_room(
    data_dir: Path, scripted_engine: Callable[..., ScriptedEngine]
) -> None:
    engine = scripted_engine(tokens=200, rate=200)
    command = [sys.executable, "-c", FULL_DISK, str(data_dir), engine.url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["during"]["status"] == "streaming"
    assert found["refused"]
    assert found["status"] == "complete"
    assert found["text"] == found["during"]["text"] == engine.script.text(0, [])
