"""The conversation manager, act by act, over a real history and a scripted engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from app.errors import EmptyMessage, UnusableSetting
from models.errors import ContextOverflow
from storage.errors import StaleHead, StillStreaming
from tests.app.conftest import Scene, until
from tests.engine.script import Script

Start = Callable[..., Scene]


# ---- send --------------------------------------------------------------------------------------------------


def test_a_sent_message_and_its_reply_are_kept(start: Start) -> None:
    scene = start(reply="Because of scattering.").ready()
    sent = scene.say("Why is the sky blue?")
    window = scene.window(sent)
    assert scene.texts(sent) == ["Why is the sky blue?", "Because of scattering."]
    assert [item.message.status for item in window.items] == ["complete", "complete"]
    assert window.conversation.head_id == sent.reply_id
    assert window.earlier == 0


def test_a_new_conversation_has_a_title_and_the_settings_it_was_sent_with(start: Start) -> None:
    scene = start().ready()
    sent = scene.say(
        "# Why is the **sky** blue? I always wondered.",
        system_prompt="Answer as a pirate.",
        sampling={"temperature": 0.5, "top_k": 7},
    )
    conversation = sent.conversation
    assert (conversation.title, conversation.title_source) == ("Why is the sky blue?", "auto")
    assert conversation.system_prompt == "Answer as a pirate."
    body = scene.engine.requests[0].body
    assert body["messages"][0] == {"role": "system", "content": "Answer as a pirate."}
    assert (body["temperature"], body["top_k"]) == (0.5, 7)


def test_what_was_sent_is_known_afterwards(start: Start) -> None:
    scene = start(reply="One two three.", context_length=2048).ready()
    sent = scene.say("Count.", system_prompt="Be brief.")
    message = scene.parts.manager.message(sent.reply_id)
    assert message.reply is not None
    assert scene.parts.manager.exact_prompt(sent.reply_id) == [("system", "Be brief."), ("user", "Count.")]
    assert message.reply.sampling["seed"] == scene.engine.requests[0].body["seed"]
    assert message.reply.finish_reason == "stop"
    assert message.reply.completion_tokens == 4
    assert message.reply.prompt_tokens
    assert message.reply.prompt_tokens + message.reply.sampling["max_tokens"] <= 2048
    assert message.reply.context_length == 2048
    assert message.reply.first_token_ms is not None
    assert [p.token for p in scene.parts.manager.messages.probabilities(sent.reply_id)] == [
        "One",
        " two",
        " three",
        ".",
    ]


def test_a_second_turn_sends_the_first_and_no_reasoning(start: Start) -> None:
    scene = start(reply=["First.", "Second."], reasoning="let me think").ready()
    sent = scene.say("One?")
    scene.say("Two?", sent)
    assert scene.parts.manager.message(sent.reply_id).reasoning == "let me think"
    assert scene.engine.requests[1].body["messages"] == [
        {"role": "user", "content": "One?"},
        {"role": "assistant", "content": "First."},
        {"role": "user", "content": "Two?"},
    ]


@pytest.mark.parametrize("text", ["", "  \n\t ", "\u3000"])
def test_an_empty_message_is_refused_and_makes_no_conversation(start: Start, text: str) -> None:
    scene = start().ready()
    with pytest.raises(EmptyMessage):
        scene.send(text)
    assert scene.parts.manager.conversations() == []


def test_characters_that_no_text_can_hold_are_replaced_and_counted(start: Start) -> None:
    scene = start().ready()
    sent = scene.say("a\0b\ud800c 👩‍👩‍👧 \u202eשלום")
    assert sent.replaced == 2
    assert scene.texts(sent)[0] == "a\u2400b\ufffdc 👩‍👩‍👧 \u202eשלום"


def test_an_unknown_mode_counts_as_the_first(start: Start) -> None:
    scene = start().ready()
    sent = scene.say("Hello", mode="gone")
    assert sent.conversation.mode == "dialogue"


@pytest.mark.parametrize(
    "sampling", [{"temperature": float("nan")}, {"top_p": 2}, {"seed": 1.5}, {"max_tokens": 0}, {"colour": 1}]
)
def test_a_setting_that_cannot_be_meant_is_refused_before_anything_is_kept(start: Start, sampling: Any) -> None:
    scene = start().ready()
    with pytest.raises(UnusableSetting):
        scene.send("Hello", sampling=sampling)
    assert scene.parts.manager.conversations() == []


def test_a_message_longer_than_the_window_is_refused_with_the_number_of_tokens(start: Start) -> None:
    scene = start(context_length=512).ready()
    with pytest.raises(ContextOverflow) as caught:
        scene.send("word " * 1000)
    needed = int(caught.value.params["needed"])
    assert caught.value.params["limit"] == 512
    assert caught.value.params["over"] == needed - 512
    assert 1000 < needed < 1200
    assert scene.parts.manager.conversations() == []
    assert scene.engine.requests == []


def test_a_megabyte_is_refused_in_a_moment_and_kept_nowhere(start: Start) -> None:
    scene = start(context_length=4096).ready()
    sent = scene.say("Hello")
    with pytest.raises(ContextOverflow):
        scene.send("wörd " * 200_000, sent)
    assert len(scene.window(sent).items) == 2


def test_while_the_model_is_loading_a_message_is_committed_and_waits(start: Start) -> None:
    scene = start(reply="Here I am.")
    sent = scene.send("Are you there?")
    assert scene.ended(sent).text == "Here I am."


# ---- two tabs ----------------------------------------------------------------------------------------------


def test_a_second_message_while_a_reply_is_written_is_refused(start: Start) -> None:
    scene = start(tokens=400, rate=100).ready()
    sent = scene.send("Tell me")
    scene.growing(sent)
    with pytest.raises(StillStreaming):
        scene.send("And now?", sent)
    with pytest.raises(StillStreaming):
        scene.parts.manager.retry(sent.reply_id, expected_head=sent.reply_id)
    with pytest.raises(StillStreaming):
        scene.parts.manager.edit(str(sent.user_id), "Tell us", expected_head=sent.reply_id)
    with pytest.raises(StillStreaming):
        scene.parts.manager.trash_message(sent.reply_id)
    scene.parts.manager.stop(sent.conversation.id)
    scene.ended(sent)
    assert len(scene.window(sent).items) == 2


def test_a_tab_that_has_not_seen_the_last_turn_is_refused(start: Start) -> None:
    scene = start().ready()
    first = scene.say("One")
    scene.say("Two", first)
    with pytest.raises(StaleHead):
        scene.parts.manager.send(first.conversation.id, "Mine", expected_head=first.reply_id)
    assert len(scene.window(first).items) == 4


def test_the_next_send_may_follow_the_end_of_a_reply_at_once(start: Start) -> None:
    scene = start(reply="Yes.").ready()
    sent = scene.say("0")
    for number in range(1, 15):
        # As soon as the database has the reply, whatever the turn's own thread still does.
        until(lambda: scene.parts.manager.message(str(scene.head(sent))).status == "complete")
        scene.send(str(number), sent)
    until(lambda: scene.parts.manager.message(str(scene.head(sent))).status == "complete")
    assert scene.texts(sent)[::2] == [str(n) for n in range(15)]
    assert scene.texts(sent)[1::2] == ["Yes."] * 15


# ---- retry, edit, continue, stop -----------------------------------------------------------------------------


def test_retry_keeps_every_variant(start: Start) -> None:
    scene = start(reply=["First.", "Second.", "Third."]).ready()
    sent = scene.say("Say")
    again = scene.parts.manager.retry(sent.reply_id, expected_head=sent.reply_id)
    scene.ended(again)
    third = scene.parts.manager.retry(str(sent.user_id), expected_head=again.reply_id)
    scene.ended(third)
    assert scene.texts(sent) == ["Say", "Third."]
    variants = scene.window(sent).items[-1].variants
    assert [scene.parts.manager.message(v).text for v in variants] == ["First.", "Second.", "Third."]
    seeds = [request.body["seed"] for request in scene.engine.requests]
    assert len(set(seeds)) == 3
    scene.parts.manager.select_variant(sent.reply_id)
    assert scene.texts(sent) == ["Say", "First."]


def test_an_edited_question_gets_a_new_reply_on_a_branch_of_its_own(start: Start) -> None:
    scene = start(reply=lambda messages: f"You said {messages[-1]['content']}.").ready()
    sent = scene.say("one")
    scene.say("two", sent)
    edited = scene.parts.manager.edit(str(sent.user_id), "uno", expected_head=scene.head(sent))
    scene.ended(edited)
    assert scene.texts(sent) == ["uno", "You said uno."]
    assert scene.parts.manager.message(str(edited.user_id)).edited_from == sent.user_id
    scene.parts.manager.select_variant(str(sent.user_id))
    assert scene.texts(sent) == ["one", "You said one.", "two", "You said two."]


def test_an_edited_reply_stands_as_written_and_nothing_is_generated(start: Start) -> None:
    scene = start(reply="Wrong.").ready()
    sent = scene.say("Ask")
    edited = scene.parts.manager.edit(sent.reply_id, "Right.", expected_head=sent.reply_id)
    assert scene.texts(sent) == ["Ask", "Right."]
    assert (edited.user_id, scene.parts.manager.message(edited.reply_id).status) == (None, "complete")
    assert len(scene.engine.requests) == 1
    scene.say("And?", sent)
    assert scene.engine.requests[1].body["messages"][1] == {"role": "assistant", "content": "Right."}


def test_stop_ends_the_engine_at_once_and_keeps_the_text(start: Start) -> None:
    scene = start(tokens=2000, rate=100).ready()
    sent = scene.send("Go on")
    live = scene.growing(sent, 10)
    scene.parts.manager.stop(sent.conversation.id)
    message = scene.ended(sent)
    scene.engine.last_cancelled_at()
    assert message.status == "stopped"
    assert message.text.startswith(live.text)
    assert message.failure is None
    assert message.reply is not None
    assert message.reply.finish_reason == "cancelled"
    assert scene.engine.requests[0].tokens_sent < 1000


def test_continue_lengthens_the_same_message(start: Start) -> None:
    scene = start(tokens=500, rate=200).ready()
    sent = scene.send("Go on")
    scene.growing(sent, 20)
    scene.parts.manager.stop(sent.conversation.id)
    before = scene.ended(sent)
    scene.engine.script = Script(reply=" And that was all.")
    again = scene.parts.manager.continue_reply(sent.reply_id, expected_head=sent.reply_id)
    assert again.reply_id == sent.reply_id
    after = scene.ended(again)
    assert after.text == before.text + " And that was all."
    assert after.status == "complete"
    assert scene.engine.requests[1].body["messages"][-1] == {"role": "assistant", "content": before.text}
    assert before.reply is not None
    assert after.reply is not None
    assert after.reply.completion_tokens == (before.reply.completion_tokens or 0) + 5
    tokens = [p.token for p in scene.parts.manager.messages.probabilities(sent.reply_id)]
    assert "".join(tokens) == after.text


def test_a_continue_stopped_before_its_first_word_changes_nothing(start: Start) -> None:
    scene = start(tokens=500, rate=200).ready()
    sent = scene.send("Go on")
    scene.growing(sent, 20)
    scene.parts.manager.stop(sent.conversation.id)
    before = scene.ended(sent)
    scene.engine.script = Script(delay=60)
    again = scene.parts.manager.continue_reply(sent.reply_id, expected_head=sent.reply_id)
    until(lambda: len(scene.engine.requests) == 2)
    scene.parts.manager.stop(sent.conversation.id)
    after = scene.ended(again)
    assert (after.text, after.status, after.reply) == (before.text, "stopped", before.reply)


def test_a_reply_cut_by_the_length_can_be_continued(start: Start) -> None:
    scene = start(tokens=50).ready()
    sent = scene.say("Go on", sampling={"max_tokens": 10})
    message = scene.parts.manager.message(sent.reply_id)
    assert message.status == "complete"
    assert message.reply is not None
    assert message.reply.finish_reason == "length"
    again = scene.parts.manager.continue_reply(sent.reply_id, expected_head=sent.reply_id)
    assert len(scene.ended(again).text) > len(message.text)
