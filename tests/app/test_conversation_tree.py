"""Branches, the trash, titles, settings, the list, and what a tab shows of a conversation."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from app.errors import EmptyMessage, UnusableSetting
from storage.errors import NotFound
from tests.app.conftest import Scene

Start = Callable[..., Scene]


# ---- the tree and the list -----------------------------------------------------------------------------------


def test_a_branch_is_a_conversation_of_its_own(start: Start) -> None:
    scene = start().ready()
    sent = scene.say("One", system_prompt="Be kind.")
    scene.say("Two", sent)
    branch = scene.parts.manager.branch(sent.reply_id)
    assert [i.message.text for i in scene.parts.manager.window(branch.id).items] == ["One", "A scripted reply."]
    assert branch.system_prompt == "Be kind."
    assert len(scene.window(sent).items) == 4


def test_deleting_and_restoring_a_message(start: Start) -> None:
    scene = start().ready()
    sent = scene.say("One")
    second = scene.say("Two", sent)
    scene.parts.manager.trash_message(str(second.user_id))
    assert scene.texts(sent) == ["One", "A scripted reply."]
    scene.parts.manager.restore_message(str(second.user_id))
    assert len(scene.window(sent).items) == 4


def test_deleting_a_conversation_stops_its_reply_and_undo_brings_it_back(start: Start) -> None:
    scene = start(tokens=2000, rate=100).ready()
    sent = scene.send("Go on")
    scene.growing(sent, 5)
    scene.parts.manager.trash_conversation(sent.conversation.id)
    message = scene.ended(sent)
    assert (message.status, bool(message.text)) == ("stopped", True)
    assert scene.parts.manager.conversations() == []
    scene.parts.manager.restore_conversation(sent.conversation.id)
    assert [c.id for c in scene.parts.manager.conversations()] == [sent.conversation.id]


def test_a_title_that_a_person_gave_is_kept(start: Start) -> None:
    scene = start().ready()
    sent = scene.say("One")
    version = scene.parts.manager.list_version()
    scene.parts.manager.rename(sent.conversation.id, "  My \n talk ")
    scene.say("Two", sent)
    conversation = scene.parts.manager.conversation(sent.conversation.id)
    assert (conversation.title, conversation.title_source) == ("My talk", "user")
    assert scene.parts.manager.list_version() > version
    with pytest.raises(EmptyMessage):
        scene.parts.manager.rename(sent.conversation.id, "  ")


def test_changed_settings_count_from_the_next_reply(start: Start) -> None:
    scene = start().ready()
    sent = scene.say("One")
    scene.parts.manager.change_settings(
        sent.conversation.id, system_prompt="Be b\0rief.", sampling={"temperature": 0.1, "max_tokens": 50.0}
    )
    scene.say("Two", sent)
    body = scene.engine.requests[1].body
    assert body["messages"][0] == {"role": "system", "content": "Be b\u2400rief."}
    assert (body["temperature"], body["max_tokens"]) == (0.1, 50)
    with pytest.raises(UnusableSetting):
        scene.parts.manager.change_settings(sent.conversation.id, sampling={"temperature": -1})


def test_the_list_is_newest_first_and_searchable(start: Start) -> None:
    scene = start().ready()
    first = scene.say("Rivers of Europe")
    second = scene.say("Bread")
    assert [c.id for c in scene.parts.manager.conversations()] == [second.conversation.id, first.conversation.id]
    scene.say("More", first)
    assert scene.parts.manager.conversations()[0].id == first.conversation.id
    assert [c.title for c in scene.parts.manager.conversations(title_query="rIVERS")] == ["Rivers of Europe"]
    page = scene.parts.manager.conversations(limit=1)
    rest = scene.parts.manager.conversations(before=page[0].activity)
    assert [c.id for c in rest] == [second.conversation.id]


def test_unknown_ids_are_not_found(start: Start) -> None:
    scene = start().ready()
    manager = scene.parts.manager
    for act in (
        lambda: manager.send("gone", "Hello", expected_head=None),
        lambda: manager.retry("gone", expected_head=None),
        lambda: manager.edit("gone", "x", expected_head=None),
        lambda: manager.continue_reply("gone", expected_head=None),
        lambda: manager.select_variant("gone"),
        lambda: manager.branch("gone"),
        lambda: manager.window("gone"),
        lambda: manager.trash_message("gone"),
    ):
        with pytest.raises(NotFound):
            act()
    manager.stop("gone")


# ---- what a tab shows ----------------------------------------------------------------------------------------


def test_a_growing_reply_is_in_the_window(start: Start) -> None:
    scene = start(tokens=300, rate=100).ready()
    sent = scene.send("Go on")
    scene.growing(sent, 3)
    item = scene.window(sent).items[-1]
    assert item.live is not None
    assert item.live.phase == "writing"
    assert item.live.text
    assert item.message.status == "streaming"
    scene.parts.manager.stop(sent.conversation.id)
    scene.ended(sent)
    assert scene.window(sent).items[-1].live is None


def test_the_meter_counts_prompt_reply_and_draft(start: Start) -> None:
    scene = start(reply="One two three.", context_length=2048).ready()
    assert scene.parts.manager.count_draft(None, "") == (0, 2048)
    new, _ = scene.parts.manager.count_draft(None, "Hello there")
    assert new is not None
    assert new > 2
    sent = scene.say("Hello there")
    window = scene.window(sent)
    assert window.context_length == 2048
    used, limit = scene.parts.manager.count_draft(sent.conversation.id, "")
    assert (used, limit) == (window.context_used, 2048)
    more, _ = scene.parts.manager.count_draft(sent.conversation.id, "and more " * 10)
    assert more is not None
    assert used is not None
    assert more > used + 10


def test_the_meter_does_not_count_a_continued_part_twice(start: Start) -> None:
    scene = start(tokens=30).ready()
    sent = scene.say("Go on", sampling={"max_tokens": 20})
    used = scene.window(sent).context_used
    again = scene.parts.manager.continue_reply(sent.reply_id, expected_head=sent.reply_id)
    scene.ended(again)
    after = scene.window(sent).context_used
    assert used is not None
    assert after is not None
    assert used + 20 <= after <= used + 22


def test_drafts_are_kept_by_conversation(start: Start) -> None:
    scene = start().ready()
    scene.parts.manager.save_draft("new", "half a th\0ought")
    assert scene.parts.manager.draft("new") == "half a th\u2400ought"
    scene.parts.manager.save_draft("new", "")
    assert scene.parts.manager.draft("new") == ""


def test_the_used_context_counts_what_was_edited_after_the_last_reply(start: Start) -> None:
    scene = start(reply="One two three.").ready()
    sent = scene.say("Count.")
    counted = scene.window(sent).context_used
    assert counted
    edited = scene.parts.manager.edit(sent.reply_id, "A much longer answer. " * 50, expected_head=sent.reply_id)
    used = scene.window(edited).context_used
    assert used is not None
    assert used > counted + 100
