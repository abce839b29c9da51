"""What a text goes through to be kept: huge, odd and broken ones, and very long conversations."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert

from storage.conversations import Conversations
from storage.database import Database
from storage.drafts import Drafts
from storage.messages import Messages
from storage.records import Writing
from storage.tables import ConversationRow, MessageRow
from storage.text import clean


@pytest.mark.parametrize(
    ("given_text", "kept", "replaced"),
    [
        ("plain", "plain", 0),
        ("a\0b\0", "a␀b␀", 2),
        ("\ud83d", "\ufffd", 1),
        ("x\udc00y\ud800z", "x\ufffdy\ufffdz", 2),
        ("\ud83d\ude00", "😀", 0),
        ("\ud83d\ud83d\ude00", "\ufffd😀", 1),
        ("\u202eשלום \u200d e\u0301 👩‍👩‍👧", "\u202eשלום \u200d e\u0301 👩‍👩‍👧", 0),
    ],
)
def test_only_what_cannot_be_kept_is_replaced(given_text: str, kept: str, replaced: int) -> None:
    assert clean(given_text) == (kept, replaced)


@given(st.text(st.characters(codec=None)))
def test_cleaned_text_is_encodable_and_cleaning_again_changes_nothing(given_text: str) -> None:
    once, _ = clean(given_text)
    once.encode("utf-8")
    assert "\0" not in once
    assert clean(once) == (once, 0)


def test_no_writer_is_stopped_by_a_broken_text(
    database: Database, conversations: Conversations, messages: Messages
) -> None:
    bad, good = "\ud800 and \0", "\ufffd and ␀"
    made = conversations.create(mode="dialogue", title=bad, system_prompt=bad)
    conversations.rename(made.id, bad, "user")
    conversations.change_settings(made.id, system_prompt=bad)
    asked, reply = messages.append_turn(made.id, expected_head=None, parent_id=None, text=bad, writing=Writing())
    messages.checkpoint(reply.id, bad, bad)
    assert messages.get(reply.id).text == good
    messages.finish(reply.id, status="complete", text=bad, reasoning=bad, reply=None, failure=None)
    edited = messages.append_edited_reply(reply.id, bad, expected_head=reply.id)
    Drafts(database).save("new", bad)
    now = conversations.get(made.id)
    assert [now.title, now.system_prompt, asked.text, edited.text] == [good] * 4
    assert (messages.get(reply.id).reasoning, Drafts(database).get("new")) == (good, good)
    assert [c.id for c in conversations.page(title_query=bad)] == [made.id]


def test_ten_megabytes_come_back_as_they_went(conversations: Conversations, messages: Messages) -> None:
    text = "Ein langer Text, 很长的文字 😀\n" * 280_000
    assert len(text.encode()) > 10_000_000
    id_ = conversations.create(mode="dialogue").id
    asked, reply = messages.append_turn(id_, expected_head=None, parent_id=None, text=text, writing=Writing())
    messages.finish(reply.id, status="complete", text=text, reasoning="", reply=None, failure=None)
    assert messages.get(asked.id).text == text
    assert [item.message.text == text for item in messages.path(reply.id)] == [True, True]


def deep_conversation(database: Database, depth: int) -> tuple[str, list[str]]:
    """A branch of `depth` messages; the conversation's id and the messages' ids."""
    made = Conversations(database).create(mode="dialogue")
    ids = [f"{made.id[:20]}-{n:08d}" for n in range(depth)]
    rows = [
        {
            "id": ids[n],
            "conversation_id": made.id,
            "parent_id": ids[n - 1] if n else None,
            "depth": n,
            "role": "assistant" if n % 2 else "user",
            "text": f"Message {n}. " * 30,
            "reasoning": "",
            "status": "complete",
            "mode": "dialogue",
            "created_at": made.created_at.replace(tzinfo=None),
            "updated_at": made.created_at.replace(tzinfo=None),
        }
        for n in range(depth)
    ]
    with database.write() as session:
        session.execute(insert(MessageRow), rows)
        session.query(ConversationRow).filter_by(id=made.id).update({"head_id": ids[-1]})
    return made.id, ids


def best(action: Callable[[], object]) -> float:
    """The shortest of some runs in seconds: what it costs when nothing else disturbs."""
    times = []
    for _ in range(15):
        begun = time.perf_counter()
        action()
        times.append(time.perf_counter() - begun)
    return min(times)


def test_the_end_of_a_branch_costs_the_same_at_any_depth(database: Database, messages: Messages) -> None:
    _, shallow = deep_conversation(database, 60)
    _, deep = deep_conversation(database, 4000)
    assert [item.message.depth for item in messages.path(deep[-1], limit=60)] == list(range(3940, 4000))
    assert [item.message.id for item in messages.path(deep[-1])] == deep
    near = best(lambda: messages.path(shallow[-1], limit=60))
    far = best(lambda: messages.path(deep[-1], limit=60))
    assert far < 3 * near


def test_a_conversation_of_4000_messages_can_be_walked_trashed_and_copied(
    database: Database, messages: Messages, conversations: Conversations
) -> None:
    id_, ids = deep_conversation(database, 4000)
    assert messages.leaf_under(ids[0]) == ids[-1]
    conversations.select_head(id_, ids[2000])
    conversations.select_head(id_, ids[-1])
    assert messages.trash(ids[1]) == ids[0]
    messages.restore(ids[1])
    assert conversations.get(id_).head_id == ids[-1]
    copy = conversations.copy_branch(ids[-1], "copy")
    assert copy.head_id is not None
    assert len(messages.path(copy.head_id)) == 4000


def test_a_ring_among_the_parents_cannot_hold_a_query(database: Database, messages: Messages) -> None:
    _, ids = deep_conversation(database, 10)
    with database.write() as session:
        session.query(MessageRow).filter_by(id=ids[0]).update({"parent_id": ids[-1]})
    assert [item.message.id for item in messages.path(ids[-1])] == ids
    assert messages.leaf_under(ids[0]) == ids[-1]
