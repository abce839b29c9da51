"""Long conversations: what is sent of them, that its beginning stays the same, and that a turn stays cheap."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from uuid import uuid4

import pytest
from sqlalchemy import update

from app.views import Sent
from storage.database import open_database
from storage.rows import now
from storage.tables import ConversationRow, MessageRow
from tests.app.conftest import Scene

pytestmark = pytest.mark.slow

Start = Callable[..., Scene]
QUESTION = "the old bridge stood where it had always stood and the river went its way under it "


def lengthen(scene: Scene, sent: Sent, messages: int) -> None:
    """Put `messages` more messages below the head, in one transaction, while the app is not running."""
    scene.parts.close()
    data = scene.parts.settings.data_dir
    database = open_database(data / "inkglass.db", data / "backups")
    parent, rows = sent.reply_id, []
    for number in range(messages):
        role = "assistant" if number % 2 else "user"
        rows.append(
            MessageRow(
                id=str(uuid4()),
                conversation_id=sent.conversation.id,
                parent_id=parent,
                depth=number + 2,
                role=role,
                text=f"{number}: {QUESTION * 3}",
                reasoning="",
                status="complete",
                mode="dialogue",
                created_at=now(),
                updated_at=now(),
            )
        )
        parent = rows[-1].id
    with database.write() as session:
        session.add_all(rows)
        session.flush()
        where = ConversationRow.id == sent.conversation.id
        session.execute(update(ConversationRow).where(where).values(head_id=parent))
    database.close()


def test_over_thirty_turns_the_prompt_begins_the_same_nearly_always(start: Start) -> None:
    scene = start(reply="It stood there. " * 8, context_length=1024).ready()
    sent = scene.say("Where does it stand?", system_prompt="Be brief.")
    for number in range(30):
        scene.say(f"{number}: {QUESTION}", sent)
    prompts = [request.body["messages"] for request in scene.engine.requests]
    assert all(prompt[0] == {"role": "system", "content": "Be brief."} for prompt in prompts)
    assert all(prompt[1]["role"] == "user" for prompt in prompts)
    changes = sum(after[: len(before)] != before for before, after in pairwise(prompts))
    assert 1 <= changes <= 10
    assert all(item.message.status == "complete" for item in scene.window(sent).items)


def test_the_transcript_says_from_where_the_model_reads(start: Start) -> None:
    scene = start(reply="It stood there. " * 8, context_length=1024).ready()
    sent = scene.say("Where does it stand?")
    assert scene.window(sent).left_out_above is None
    for number in range(12):
        scene.say(f"{number}: {QUESTION}", sent)
    window = scene.window(sent)
    first = scene.engine.requests[-1].body["messages"][0]["content"]
    marked = next(i.message for i in window.items if i.message.id == window.left_out_above)
    assert marked.text == first
    last = window.items[-1].message.reply
    assert last is not None
    assert last.left_out == marked.depth > 0


def test_four_thousand_messages_are_opened_in_windows_and_answered_at_once(start: Start) -> None:
    scene = start(reply="Yes.", context_length=4096).ready()
    sent = scene.say("Begin")
    lengthen(scene, sent, 4000)
    scene = start(engine=scene.engine).ready()

    window = scene.window(sent)
    assert (len(window.items), window.earlier) == (60, 3942)
    above = scene.parts.manager.window(sent.conversation.id, before=window.items[0].message.id)
    assert (len(above.items), above.earlier) == (60, 3882)
    assert above.items[-1].message.id == window.items[0].message.parent_id

    for _ in range(3):
        again = scene.say("And now?", sent)
        message = scene.parts.manager.message(again.reply_id)
        assert message.reply is not None
        assert message.reply.left_out > 3800
    first, second, third = (request.body["messages"] for request in scene.engine.requests[-3:])
    assert second[: len(first)] == first
    assert third[: len(second)] == second
    assert scene.window(sent).context_used


def test_a_branch_of_four_thousand_messages_is_whole(start: Start) -> None:
    scene = start(reply="Yes.").ready()
    sent = scene.say("Begin")
    lengthen(scene, sent, 4000)
    scene = start(engine=scene.engine).ready()
    head = scene.head(sent)
    assert head is not None
    branch = scene.parts.manager.branch(head)
    assert scene.parts.manager.window(branch.id, limit=10).earlier == 3992
