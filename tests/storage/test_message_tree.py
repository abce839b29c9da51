"""The tree of messages: turns, variants, edits, branches, trash."""

from __future__ import annotations

import threading

import pytest

from storage.conversations import Conversations
from storage.errors import NotFound, StaleHead, StillStreaming, StorageError
from storage.messages import Messages
from storage.records import Failure, Message, PromptPart, ReplyDetails, TokenProbability, Writing


def finish(messages: Messages, message_id: str, text: str = "An answer.") -> None:
    messages.finish(message_id, status="complete", text=text, reasoning="", reply=None, failure=None)


def turn(messages: Messages, conversation_id: str, head: str | None, text: str) -> tuple[Message, Message]:
    """A finished turn under the head."""
    asked, reply = messages.append_turn(
        conversation_id, expected_head=head, parent_id=head, text=text, writing=Writing()
    )
    finish(messages, reply.id, f"Answer to {text}")
    return asked, reply


@pytest.fixture
def conversation_id(conversations: Conversations) -> str:
    return conversations.create(mode="dialogue").id


def texts(messages: Messages, leaf: str) -> list[str]:
    return [item.message.text for item in messages.path(leaf)]


def test_a_turn_is_a_finished_question_and_an_empty_growing_reply(
    messages: Messages, conversations: Conversations, conversation_id: str
) -> None:
    asked, reply = messages.append_turn(
        conversation_id, expected_head=None, parent_id=None, text="Hello", writing=Writing()
    )
    assert (asked.role, asked.text, asked.status, asked.parent_id, asked.depth) == (
        "user",
        "Hello",
        "complete",
        None,
        0,
    )
    assert (reply.role, reply.text, reply.status, reply.parent_id, reply.depth) == (
        "assistant",
        "",
        "streaming",
        asked.id,
        1,
    )
    assert conversations.get(conversation_id).head_id == reply.id
    assert asked.seq < reply.seq


def test_a_growing_reply_is_checkpointed_and_finished_with_all_its_details(
    messages: Messages, conversation_id: str
) -> None:
    asked, reply = messages.append_turn(
        conversation_id, expected_head=None, parent_id=None, text="Hello there", writing=Writing()
    )
    messages.checkpoint(reply.id, "Good", "Let me think")
    assert (messages.get(reply.id).text, messages.get(reply.id).reasoning) == ("Good", "Let me think")
    details = ReplyDetails(
        model_id="m",
        model_name="M",
        sampling={"temperature": 0.5, "top_k": 40},
        prompt=(PromptPart("system", content="Be kind"), PromptPart("user", message_id=asked.id, length=5)),
        left_out=3,
        context_length=2048,
        finish_reason="stop",
        prompt_tokens=7,
        completion_tokens=2,
        tokens_per_second=12.5,
    )
    tokens = [TokenProbability("Good", -0.25, (("Bad", -2.0),)), TokenProbability(" day", -1.5)]
    messages.finish(
        reply.id, status="complete", text="Good day", reasoning="", reply=details, failure=None, probabilities=tokens
    )
    kept = messages.get(reply.id)
    assert (kept.status, kept.text, kept.reply) == ("complete", "Good day", details)
    assert messages.path(reply.id)[-1].message == kept
    assert messages.prompt(reply.id) == [("system", "Be kind"), ("user", "Hello")]
    assert messages.probabilities(reply.id) == tokens


def test_a_reply_that_ended_takes_no_late_writes(messages: Messages, conversation_id: str) -> None:
    _, reply = turn(messages, conversation_id, None, "one")
    messages.checkpoint(reply.id, "late", "late")
    messages.finish(reply.id, status="failed", text="late", reasoning="", reply=None, failure=None)
    assert (messages.get(reply.id).text, messages.get(reply.id).status) == ("Answer to one", "complete")


def test_a_failure_is_kept_with_its_words_until_the_reply_goes_on(messages: Messages, conversation_id: str) -> None:
    _, reply = messages.append_turn(conversation_id, expected_head=None, parent_id=None, text="Hi", writing=Writing())
    failure = Failure("engine_crashed", {"code": 9, "name": "x"}, "The engine stopped.")
    messages.finish(reply.id, status="failed", text="Half", reasoning="", reply=None, failure=failure)
    assert messages.get(reply.id).failure == failure
    resumed = messages.resume(reply.id, expected_head=reply.id)
    assert (resumed.status, resumed.text, resumed.failure) == ("streaming", "Half", None)


def test_continue_keeps_what_was_sent_and_adds_the_new_tokens_after_the_old(
    messages: Messages, conversation_id: str
) -> None:
    asked, reply = messages.append_turn(
        conversation_id, expected_head=None, parent_id=None, text="Hi", writing=Writing()
    )
    first = ReplyDetails("m", "M", prompt=(PromptPart("user", message_id=asked.id, length=2),))
    token = TokenProbability
    messages.finish(
        reply.id,
        status="stopped",
        text="One",
        reasoning="",
        reply=first,
        failure=None,
        probabilities=[token("One", -1.0)],
    )
    assert messages.resume(reply.id, expected_head=reply.id).reply == first
    second = ReplyDetails(
        "m", "M", prompt=(*first.prompt, PromptPart("assistant", message_id=reply.id, length=len("One")))
    )
    messages.finish(
        reply.id,
        status="complete",
        text="One two",
        reasoning="",
        reply=second,
        failure=None,
        probabilities=[token(" two", -2.0)],
        keep_probabilities=True,
    )
    assert messages.prompt(reply.id) == [("user", "Hi"), ("assistant", "One")]
    assert [t.token for t in messages.probabilities(reply.id)] == ["One", " two"]


def test_only_the_leaf_that_is_shown_can_be_continued(
    messages: Messages, conversations: Conversations, conversation_id: str
) -> None:
    _, first = turn(messages, conversation_id, None, "one")
    asked, second = turn(messages, conversation_id, first.id, "two")
    for wrong in (first.id, asked.id):
        with pytest.raises(StaleHead):
            messages.resume(wrong, expected_head=second.id)
    with pytest.raises(StaleHead):
        messages.resume(second.id, expected_head=first.id)
    conversations.select_head(conversation_id, first.id)
    with pytest.raises(StaleHead):
        messages.resume(first.id, expected_head=first.id)


def test_a_stale_tab_cannot_write_and_learns_the_head(messages: Messages, conversation_id: str) -> None:
    _, first = turn(messages, conversation_id, None, "one")
    _, second = turn(messages, conversation_id, first.id, "two")
    writes = [
        lambda: messages.append_turn(
            conversation_id, expected_head=first.id, parent_id=first.id, text="lost?", writing=Writing()
        ),
        lambda: messages.append_reply(first.parent_id or "", expected_head=first.id, writing=Writing()),
        lambda: messages.append_edited_reply(second.id, "mine", expected_head=first.id),
    ]
    for write in writes:
        with pytest.raises(StaleHead) as caught:
            write()
        assert caught.value.params["current"] == second.id
    assert texts(messages, second.id) == ["one", "Answer to one", "two", "Answer to two"]


def test_nothing_is_added_while_a_reply_is_being_written(
    messages: Messages, conversations: Conversations, conversation_id: str
) -> None:
    _, first = turn(messages, conversation_id, None, "one")
    asked, reply = messages.append_turn(
        conversation_id, expected_head=first.id, parent_id=first.id, text="two", writing=Writing()
    )
    writes = [
        lambda: messages.append_turn(
            conversation_id, expected_head=reply.id, parent_id=first.id, text="three", writing=Writing()
        ),
        lambda: messages.append_reply(asked.id, expected_head=reply.id, writing=Writing()),
        lambda: messages.append_edited_reply(first.id, "mine", expected_head=reply.id),
        lambda: messages.resume(reply.id, expected_head=reply.id),
        lambda: messages.trash(asked.id),
        lambda: conversations.select_head(conversation_id, first.id),
    ]
    for write in writes:
        with pytest.raises(StillStreaming):
            write()
    assert conversations.get(conversation_id).head_id == reply.id


def test_of_many_tabs_that_send_at_once_exactly_one_wins(
    messages: Messages, conversation_id: str, conversations: Conversations
) -> None:
    _, head = turn(messages, conversation_id, None, "one")
    barrier, results = threading.Barrier(8), {}

    def send(text: str) -> None:
        barrier.wait()
        try:
            results[text] = messages.append_turn(
                conversation_id, expected_head=head.id, parent_id=head.id, text=text, writing=Writing()
            )
        except StorageError as error:
            results[text] = error

    threads = [threading.Thread(target=send, args=(f"text {n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    won = {text: result for text, result in results.items() if isinstance(result, tuple)}
    assert len(results) == 8
    assert len(won) == 1
    assert all(isinstance(r, StaleHead) for text, r in results.items() if text not in won)
    ((text, (asked, reply)),) = won.items()
    assert conversations.get(conversation_id).head_id == reply.id
    assert messages.get(asked.id).text == text
    assert messages.path(asked.id)[-1].variants == (asked.id,)


def test_retry_and_edit_add_variants_and_overwrite_nothing(messages: Messages, conversation_id: str) -> None:
    asked, first = turn(messages, conversation_id, None, "one")
    second = messages.append_reply(asked.id, expected_head=first.id, writing=Writing())
    finish(messages, second.id, "Another")
    third = messages.append_edited_reply(second.id, "Better", expected_head=second.id)
    assert (third.status, third.edited_from, third.role) == ("complete", second.id, "assistant")
    path = messages.path(third.id)
    assert [item.message.text for item in path] == ["one", "Better"]
    assert path[-1].variants == (first.id, second.id, third.id)
    assert path[0].variants == (asked.id,)
    edited, reply = messages.append_turn(
        conversation_id,
        expected_head=third.id,
        parent_id=None,
        text="uno",
        writing=Writing(),
        edited_from=asked.id,
    )
    assert (edited.parent_id, edited.depth, edited.edited_from) == (None, 0, asked.id)
    assert messages.path(reply.id)[0].variants == (asked.id, edited.id)
    assert texts(messages, first.id) == ["one", "Answer to one"]


def test_a_variant_is_shown_to_where_it_was_last_written(
    messages: Messages, conversations: Conversations, conversation_id: str
) -> None:
    asked, first = turn(messages, conversation_id, None, "one")
    second = messages.append_reply(asked.id, expected_head=first.id, writing=Writing())
    finish(messages, second.id)
    conversations.select_head(conversation_id, first.id)
    _, deep = turn(messages, conversation_id, first.id, "two")
    assert messages.leaf_under(first.id) == deep.id
    assert messages.leaf_under(second.id) == second.id
    assert messages.leaf_under(asked.id) == deep.id


def test_a_path_is_the_end_of_the_branch(messages: Messages, conversation_id: str) -> None:
    head: str | None = None
    for number in range(5):
        head = turn(messages, conversation_id, head, str(number))[1].id
    assert head is not None
    assert [item.message.depth for item in messages.path(head, limit=3)] == [7, 8, 9]
    assert [item.message.depth for item in messages.path(head)] == list(range(10))
    with pytest.raises(NotFound):
        messages.path("nobody")


def test_only_the_newest_reply_of_a_path_carries_its_prompt(messages: Messages, conversation_id: str) -> None:
    head, replies = None, []
    for number in range(3):
        asked, reply = messages.append_turn(
            conversation_id, expected_head=head, parent_id=head, text=str(number), writing=Writing()
        )
        part = PromptPart("user", message_id=asked.id, length=1)
        messages.finish(
            reply.id,
            status="complete",
            text="a",
            reasoning="",
            reply=ReplyDetails("m", "M", prompt=(part,)),
            failure=None,
        )
        head = reply.id
        replies.append(reply.id)
    assert head is not None
    prompts = [len(i.message.reply.prompt) for i in messages.path(head) if i.message.reply]
    assert prompts == [0, 0, 1]
    assert all(messages.get(id_).reply.prompt for id_ in replies)  # type: ignore[union-attr]


def test_trash_hides_a_message_with_all_below_and_restore_brings_back_exactly_that(
    messages: Messages, conversations: Conversations, conversation_id: str
) -> None:
    asked, first = turn(messages, conversation_id, None, "one")
    second = messages.append_reply(asked.id, expected_head=first.id, writing=Writing())
    finish(messages, second.id)
    below, deep = turn(messages, conversation_id, second.id, "two")
    assert messages.trash(second.id) == first.id
    assert messages.path(first.id)[-1].variants == (first.id,)
    for hidden in (second.id, below.id, deep.id):
        with pytest.raises(NotFound):
            conversations.select_head(conversation_id, hidden)
    with pytest.raises(NotFound):
        messages.append_turn(conversation_id, expected_head=first.id, parent_id=deep.id, text="x", writing=Writing())
    assert messages.trash(second.id) == first.id
    messages.restore(second.id)
    assert conversations.get(conversation_id).head_id == deep.id
    assert messages.path(deep.id)[1].variants == (first.id, second.id)


def test_trash_without_another_variant_goes_to_the_parent_and_at_the_root_to_nothing(
    messages: Messages, conversations: Conversations, conversation_id: str
) -> None:
    asked, first = turn(messages, conversation_id, None, "one")
    assert messages.trash(first.id) == asked.id
    assert messages.trash(asked.id) is None
    messages.restore(asked.id)
    assert conversations.get(conversation_id).head_id == asked.id
    messages.restore(first.id)
    assert conversations.get(conversation_id).head_id == first.id


def test_restoring_out_of_order_never_leads_to_a_hidden_head(
    messages: Messages, conversations: Conversations, conversation_id: str
) -> None:
    asked, first = turn(messages, conversation_id, None, "one")
    below, deep = turn(messages, conversation_id, first.id, "two")
    messages.trash(asked.id)
    messages.trash(below.id)
    messages.restore(asked.id)
    assert conversations.get(conversation_id).head_id == first.id
    messages.restore(below.id)
    assert conversations.get(conversation_id).head_id == first.id
    assert messages.leaf_under(asked.id) == deep.id


def test_at_start_growing_replies_become_interrupted_with_their_text(messages: Messages, conversation_id: str) -> None:
    _, reply = messages.append_turn(conversation_id, expected_head=None, parent_id=None, text="Hi", writing=Writing())
    messages.checkpoint(reply.id, "So far", "")
    assert messages.interrupt_streaming() == 1
    assert (messages.get(reply.id).status, messages.get(reply.id).text) == ("interrupted", "So far")
    assert messages.interrupt_streaming() == 0
    assert messages.resume(reply.id, expected_head=reply.id).text == "So far"


def test_messages_of_another_conversation_and_unknown_ids_are_refused(
    messages: Messages, conversations: Conversations, conversation_id: str
) -> None:
    _, here = turn(messages, conversation_id, None, "here")
    other = conversations.create(mode="dialogue").id
    with pytest.raises(NotFound):
        messages.append_turn(other, expected_head=None, parent_id=here.id, text="x", writing=Writing())
    with pytest.raises(NotFound):
        conversations.select_head(other, here.id)
    for ask in (messages.get, messages.leaf_under, messages.trash, messages.restore, messages.prompt):
        with pytest.raises(NotFound):
            ask("nobody")


def test_a_conversation_in_the_trash_takes_no_messages(
    messages: Messages, conversations: Conversations, conversation_id: str
) -> None:
    _, head = turn(messages, conversation_id, None, "one")
    conversations.trash(conversation_id)
    with pytest.raises(NotFound) as caught:
        turn(messages, conversation_id, head.id, "two")
    assert caught.value.params["noun"] == "conversation"
    conversations.restore(conversation_id)
    turn(messages, conversation_id, head.id, "two")


def test_a_copied_branch_is_whole_and_stands_alone(
    messages: Messages, conversations: Conversations, conversation_id: str
) -> None:
    conversations.change_settings(conversation_id, system_prompt="Be brief", sampling={"temperature": 0.1})
    asked, first = messages.append_turn(
        conversation_id, expected_head=None, parent_id=None, text="one", writing=Writing()
    )
    parts = (PromptPart("system", content="Be brief"), PromptPart("user", message_id=asked.id, length=3))
    details = ReplyDetails("m", "M", prompt=parts, completion_tokens=1)
    messages.finish(
        first.id,
        status="complete",
        text="eins",
        reasoning="hm",
        reply=details,
        failure=None,
        probabilities=[TokenProbability("eins", -0.5)],
    )
    _, growing = messages.append_turn(
        conversation_id, expected_head=first.id, parent_id=first.id, text="two", writing=Writing()
    )
    messages.checkpoint(growing.id, "zw", "")
    copy = conversations.copy_branch(growing.id, "A copy")
    assert (copy.title, copy.system_prompt, copy.sampling) == ("A copy", "Be brief", {"temperature": 0.1})
    assert copy.head_id is not None
    path = [item.message for item in messages.path(copy.head_id)]
    assert [m.text for m in path] == ["one", "eins", "two", "zw"]
    assert [m.status for m in path] == ["complete", "complete", "complete", "interrupted"]
    assert {m.conversation_id for m in path} == {copy.id}
    assert not {m.id for m in path} & {asked.id, first.id, growing.id}
    copied = messages.get(path[1].id)
    assert copied.reasoning == "hm"
    assert copied.reply is not None
    assert copied.reply.prompt[1].message_id == path[0].id
    assert messages.prompt(copied.id) == [("system", "Be brief"), ("user", "one")]
    assert messages.probabilities(copied.id) == [TokenProbability("eins", -0.5)]
    messages.interrupt_streaming()
    messages.trash(asked.id)
    assert texts(messages, copy.head_id) == ["one", "eins", "two", "zw"]
