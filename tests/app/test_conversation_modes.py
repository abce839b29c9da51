"""Modes in a conversation: what is sent, what is kept, and what a change of mode leaves alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from app.errors import FieldOutOfRange
from app.sampling import hinted_temperature
from tests.app.conftest import Scene

Start = Callable[..., Scene]


def asked(scene: Scene, number: int = -1) -> list[str]:
    """The person's messages in one of the requests that the engine got."""
    return [m["content"] for m in scene.engine.requests[number].body["messages"] if m["role"] == "user"]


def test_the_mode_makes_the_request_and_the_history_keeps_what_was_written(start: Start) -> None:
    scene = start(reply="Snow falls.").ready()
    sent = scene.say("the first snow", mode="poem", fields={"form": "haiku"})
    assert asked(scene)[0].startswith("Write a haiku about the first snow.")
    assert scene.texts(sent) == ["the first snow", "Snow falls."]
    question, reply = (item.message for item in scene.window(sent).items)
    assert (question.mode, question.fields["form"]) == ("poem", "haiku")
    assert (reply.mode, reply.fields) == (question.mode, question.fields)
    assert scene.parts.manager.exact_prompt(reply.id)[-1] == ("user", asked(scene)[0])


def test_changing_the_mode_in_mid_conversation_leaves_what_was_sent_before(start: Start) -> None:
    scene = start(reply="Well.").ready()
    first = scene.say("the sea", mode="poem", fields={"form": "limerick"})
    scene.say("And now?", first)
    scene.say("wind", first, mode="brainstorm", fields={"ideas": 5})
    assert asked(scene)[0] == asked(scene, 0)[0]
    assert asked(scene)[1] == "And now?"
    assert asked(scene)[2].startswith("Give 5 different short ideas")
    conversation = scene.parts.manager.conversation(first.conversation.id)
    assert (conversation.mode, conversation.fields) == ("brainstorm", {"ideas": 5})
    assert [item.message.mode for item in scene.window(first).items] == [
        *("poem", "poem", "dialogue", "dialogue", "brainstorm", "brainstorm")
    ]


def test_a_retry_sends_the_same_and_an_edit_is_put_through_the_same_mode(start: Start) -> None:
    scene = start(reply="Well.").ready()
    first = scene.say("the sea", mode="poem", fields={"form": "sonnet"})
    again = scene.parts.manager.retry(first.reply_id, expected_head=first.reply_id)
    scene.ended(again)
    assert asked(scene) == asked(scene, 0)
    question = scene.window(first).items[0].message
    edited = scene.parts.manager.edit(question.id, "the wind", expected_head=again.reply_id)
    scene.ended(edited)
    assert asked(scene)[0] == asked(scene, 0)[0].replace("the sea", "the wind")


def test_a_branch_into_a_new_conversation_keeps_modes_and_what_was_sent(start: Start) -> None:
    scene = start(reply="Well.").ready()
    first = scene.say("the sea", mode="poem", fields={"form": "sonnet"})
    copy = scene.parts.manager.branch(first.reply_id)
    items = scene.parts.manager.window(copy.id).items
    assert [(item.message.mode, item.message.fields["form"]) for item in items] == [("poem", "sonnet")] * 2
    assert scene.parts.manager.conversation(copy.id).fields == {"form": "sonnet", "characters": "5"}
    assert scene.parts.manager.exact_prompt(items[-1].message.id)[-1][1] == asked(scene)[0]


def test_a_value_out_of_range_is_refused_before_anything_is_kept(start: Start) -> None:
    scene = start().ready()
    with pytest.raises(FieldOutOfRange, match="Words"):
        scene.send("notes", mode="news", fields={"words": 5})
    assert scene.parts.manager.conversations() == []


def test_chinese_is_asked_for_in_chinese(start: Start) -> None:
    scene = start(reply="好。").ready()
    scene.say("夜里的海", mode="poem", fields={"form": "jueju", "characters": "7"})
    assert asked(scene)[0] == "以“夜里的海”为题写一首七言绝句。四句，每句七个字，二、四句押韵。只写诗。"


def test_the_modes_hint_moves_the_temperature_and_the_persons_own_goes_before(start: Start) -> None:
    scene = start().ready()
    first = scene.say("x = 1", mode="code")
    assert scene.engine.requests[-1].body["temperature"] == hinted_temperature("precise", None) == 0.4
    scene.say("the sea", first, mode="poem")
    assert scene.engine.requests[-1].body["temperature"] == 1.2
    scene.parts.manager.change_settings(first.conversation.id, sampling={"temperature": 0.7})
    scene.say("the wind", first, mode="poem")
    assert scene.engine.requests[-1].body["temperature"] == 0.7
    assert hinted_temperature("creative", 0.2) == pytest.approx(0.6)
    assert hinted_temperature("balanced", None) is None
