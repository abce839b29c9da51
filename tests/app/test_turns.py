"""Live turns: what those who follow a growing reply see, and when."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest

from app.views import LiveSnapshot
from storage.database import open_database
from storage.messages import Messages
from storage.records import Writing
from tests.app.conftest import Scene, until
from tests.engine.script import Failure

Start = Callable[..., Scene]


def follow(scene: Scene, conversation_id: str) -> list[LiveSnapshot]:
    """What a tab sees that asks again and again until the end."""
    seen: list[LiveSnapshot] = []
    while True:
        live = scene.parts.turns.wait(conversation_id, seen[-1].version if seen else -1, 5.0)
        if live is None:
            return seen
        seen.append(live)


def test_followers_see_the_phases_in_order_and_the_text_only_growing(start: Start) -> None:
    scene = start(tokens=60, rate=300, prompt_rate=100).ready()
    sent = scene.send("Tell me about the river and the bridge")
    seen = follow(scene, sent.conversation.id)
    phases = list(dict.fromkeys(live.phase for live in seen))
    assert [phase for phase in phases if phase != "waiting_for_model"] == ["reading", "writing"]
    assert any(live.progress and live.progress[0] < live.progress[1] for live in seen if live.phase == "reading")
    texts = [live.text for live in seen]
    assert all(after.startswith(before) for before, after in pairwise(texts))
    versions = [live.version for live in seen]
    assert versions == sorted(set(versions))
    assert scene.parts.manager.message(sent.reply_id).text.startswith(texts[-1])


def test_updates_are_coalesced_however_fast_the_model_is(start: Start) -> None:
    scene = start(tokens=600, rate=600).ready()
    sent = scene.send("Go")
    began = time.monotonic()
    seen = follow(scene, sent.conversation.id)
    assert len(seen) <= 8 + (time.monotonic() - began) / 0.04


def test_the_first_text_wakes_a_follower(start: Start) -> None:
    scene = start(tokens=50).ready()
    scene.engine.fail_next(Failure("stall", after=1))
    sent = scene.send("Go")
    live = until(lambda: scene.parts.turns.live(sent.conversation.id))
    while live.phase != "writing":
        live = scene.parts.turns.wait(sent.conversation.id, live.version, 60.0)
    assert live.text == "The"
    scene.parts.manager.stop(sent.conversation.id)
    assert scene.ended(sent).text == "The"


def test_text_that_came_just_before_a_pause_is_seen_during_it(start: Start) -> None:
    scene = start(reply="One two three four.").ready()
    scene.engine.fail_next(Failure("stall", after=3))
    sent = scene.send("Go")
    seen: list[LiveSnapshot] = []
    until(lambda: seen.append(scene.growing(sent, 3)) or seen[-1].text == "One two three")
    live = scene.parts.turns.wait(sent.conversation.id, seen[-1].version - 1, 1.0)
    assert live is not None
    assert live.text == "One two three"
    scene.parts.manager.stop(sent.conversation.id)
    assert scene.ended(sent).text == "One two three"


def test_a_wait_without_news_ends_after_its_time(start: Start) -> None:
    scene = start(delay=30).ready()
    sent = scene.send("Go")
    until(lambda: scene.engine.requests)
    live = scene.parts.turns.live(sent.conversation.id)
    assert live is not None
    again = scene.parts.turns.wait(sent.conversation.id, live.version + 1000, 0.05)
    assert again is not None
    assert again.text == ""
    assert scene.parts.turns.wait("gone", 0, 5.0) is None


def test_several_tabs_follow_the_same_reply_and_all_see_its_end(start: Start) -> None:
    scene = start(tokens=100, rate=300).ready()
    sent = scene.send("Go")
    ends: list[str] = []

    def tab() -> None:
        ends.append(follow(scene, sent.conversation.id)[-1].text)

    tabs = [threading.Thread(target=tab) for _ in range(4)]
    for one in tabs:
        one.start()
    for one in tabs:
        one.join(20)
    whole = scene.parts.manager.message(sent.reply_id).text
    assert len(ends) == 4
    assert all(whole.startswith(end) and end for end in ends)


def test_stop_while_the_model_is_loading_ends_the_turn(start: Start) -> None:
    scene = start(delay=30)
    sent = scene.send("Go")
    scene.parts.manager.stop(sent.conversation.id)
    message = scene.ended(sent)
    assert (message.status, message.text, message.failure) == ("stopped", "", None)


def test_stop_while_the_prompt_is_read_ends_the_engines_work(start: Start) -> None:
    scene = start(prompt_rate=1).ready()
    sent = scene.send("Tell me about the river")
    until(lambda: scene.engine.requests)
    scene.parts.manager.stop(sent.conversation.id)
    scene.engine.last_cancelled_at()
    assert scene.engine.requests[0].tokens_sent == 0
    assert scene.ended(sent).status == "stopped"


def test_two_conversations_are_written_at_once(start: Start) -> None:
    scene = start(tokens=200, rate=200).ready()
    one, two = scene.send("One"), scene.send("Two")
    scene.growing(one, 5)
    scene.growing(two, 5)
    scene.parts.manager.stop(one.conversation.id)
    assert scene.ended(one).status == "stopped"
    assert scene.ended(two).status == "complete"


def test_a_growing_reply_is_in_the_database_before_it_ends(start: Start) -> None:
    scene = start(tokens=1000, rate=100).ready()
    sent = scene.send("Go")
    live = scene.growing(sent, 20)
    kept = until(lambda: scene.parts.manager.message(sent.reply_id).text)
    assert kept.startswith(live.text[:10])
    assert scene.parts.manager.message(sent.reply_id).status == "streaming"


def test_closing_in_mid_reply_keeps_the_text_as_interrupted_and_continue_works(start: Start) -> None:
    scene = start(tokens=1000, rate=200).ready()
    sent = scene.send("Go")
    live = scene.growing(sent, 20)
    scene.parts.close()
    again = start(engine=scene.engine).ready()
    message = again.parts.manager.message(sent.reply_id)
    assert message.status == "interrupted"
    assert message.text.startswith(live.text)
    again.engine.script = replace(again.engine.script, tokens=None, reply=" The end.", rate=0)
    more = again.parts.manager.continue_reply(sent.reply_id, expected_head=sent.reply_id)
    assert again.ended(more).text == message.text + " The end."


def test_a_reply_that_was_being_written_when_the_app_was_killed_is_interrupted(start: Start) -> None:
    scene = start(reply="Yes.").ready()
    first = scene.say("One")
    scene.parts.close()
    # What a killed app leaves: a streaming message with what was checkpointed.
    database = open_database(scene.parts.settings.data_dir / "inkglass.db", scene.parts.settings.data_dir / "backups")
    messages = Messages(database)
    _, reply = messages.append_turn(
        first.conversation.id,
        expected_head=first.reply_id,
        parent_id=first.reply_id,
        text="Two",
        writing=Writing(),
    )
    messages.checkpoint(reply.id, "Half a", "")
    database.close()
    again = start(engine=scene.engine).ready()
    found = again.parts.manager.message(reply.id)
    assert (found.status, found.text) == ("interrupted", "Half a")
    more = again.parts.manager.continue_reply(reply.id, expected_head=reply.id)
    assert again.ended(more).text == "Half aYes."


def test_nothing_is_started_after_the_close(start: Start) -> None:
    scene = start(tokens=100, rate=50).ready()
    scene.parts.turns.close()
    sent = scene.send("Go")
    assert scene.ended(sent).status == "interrupted"


@pytest.mark.parametrize("reasoning", ["", "first I think"])
def test_reasoning_is_kept_apart(start: Start, reasoning: str) -> None:
    scene = start(reply="Answer.", reasoning=reasoning).ready()
    message = scene.parts.manager.message(scene.say("Go").reply_id)
    assert (message.text, message.reasoning) == ("Answer.", reasoning)


def test_a_reply_stopped_while_thinking_thinks_again_and_keeps_its_first_thoughts(start: Start) -> None:
    scene = start(reply="Answer.", reasoning="a b c d e f g h i j " * 20, rate=100).ready()
    sent = scene.send("Go")
    scene.growing(sent, 5)
    scene.parts.manager.stop(sent.conversation.id)
    before = scene.ended(sent)
    assert (before.text, bool(before.reasoning)) == ("", True)
    scene.engine.script = replace(scene.engine.script, reasoning="Now I know.", rate=0)
    again = scene.parts.manager.continue_reply(sent.reply_id, expected_head=sent.reply_id)
    after = scene.ended(again)
    assert after.text == "Answer."
    assert after.reasoning == f"{before.reasoning}\n\nNow I know."
    assert scene.engine.requests[1].body["messages"] == [{"role": "user", "content": "Go"}]
