"""Messages: an append-only tree in each conversation. An edit or a retry adds a sibling; nothing is overwritten."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from sqlalchemy import CursorResult, update
from sqlalchemy.orm import Session
from uuid_utils import uuid7

from storage import packed, tree
from storage.conversations import changed, conversation_row, new_conversation
from storage.database import Database
from storage.errors import NotFound, StaleHead
from storage.records import (
    Failure,
    Message,
    MessageStatus,
    PathItem,
    ReplyDetails,
    Role,
    TokenProbability,
    Writing,
)
from storage.rows import failure_json, message_record, now, reply_json
from storage.tables import ConversationRow, MessageRow
from storage.text import kept


class Messages:
    """The messages of one database. Texts are kept as `text.clean` leaves them.

    Every method raises NotFound for an unknown id, and what `Database.write` raises.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    # ---- new messages ------------------------------------------------------------------------------------------

    def append_turn(
        self,
        conversation_id: str,
        *,
        expected_head: str | None,
        parent_id: str | None,
        text: str,
        writing: Writing,
        edited_from: str | None = None,
    ) -> tuple[Message, Message]:
        """Add the user's message under `parent_id` (None: a root) and a streaming reply, in one transaction.

        Raises StaleHead when the conversation's head is not `expected_head` any more, StillStreaming while its head
        is being written, NotFound for a parent that is hidden or elsewhere, or a conversation in the trash.
        """
        with self._database.write() as session:
            conversation = _expect(session, conversation_id, expected_head)
            parent = _parent(session, conversation, parent_id)
            asked = _add(session, conversation_id, parent, "user", writing, text=text, edited_from=edited_from)
            reply = _add(session, conversation_id, asked, "assistant", writing, status="streaming")
            conversation.head_id = reply.id
            conversation.mode, conversation.fields = writing.mode, dict(writing.fields) or None
            changed(session, conversation, active=True)
            return message_record(asked), message_record(reply)

    def append_first_turn(
        self, *, text: str, title: str, writing: Writing, system_prompt: str, sampling: Mapping[str, float | int]
    ) -> tuple[Message, Message]:
        """A new conversation (its title an automatic one) with its first turn, all in one transaction."""
        with self._database.write() as session:
            conversation = new_conversation(session, title, "auto", writing.mode, system_prompt, sampling)
            asked = _add(session, conversation.id, None, "user", writing, text=text)
            reply = _add(session, conversation.id, asked, "assistant", writing, status="streaming")
            conversation.head_id, conversation.fields = reply.id, dict(writing.fields) or None
            session.flush()
            return message_record(asked), message_record(reply)

    def append_reply(
        self, parent_id: str, *, expected_head: str | None, writing: Writing, edited_from: str | None = None
    ) -> Message:
        """Add another streaming reply under a user's message (Retry; `edited_from`: a repair of that reply).

        Raises like `append_turn`.
        """
        with self._database.write() as session:
            conversation_id = tree.message_row(session, parent_id).conversation_id
            conversation = _expect(session, conversation_id, expected_head)
            parent = _parent(session, conversation, parent_id)
            reply = _add(
                session, conversation_id, parent, "assistant", writing, status="streaming", edited_from=edited_from
            )
            conversation.head_id = reply.id
            changed(session, conversation, active=True)
            return message_record(reply)

    def append_edited_reply(self, message_id: str, text: str, *, expected_head: str | None) -> Message:
        """Add a model's message as a person rewrote it, beside the original. Raises like `append_turn`."""
        with self._database.write() as session:
            old = tree.visible_row(session, message_id)
            conversation = _expect(session, old.conversation_id, expected_head)
            parent = tree.message_row(session, old.parent_id) if old.parent_id else None
            written = Writing(old.mode, old.fields or {})
            new = _add(session, conversation.id, parent, old.role, written, text=text, edited_from=old.id)
            conversation.head_id = new.id
            changed(session, conversation, active=True)
            return message_record(new)

    # ---- a growing reply ---------------------------------------------------------------------------------------

    def resume(self, message_id: str, *, expected_head: str | None) -> Message:
        """Let a reply that ended grow again, its text kept (Continue). Only the leaf that is shown can grow."""
        with self._database.write() as session:
            row = tree.message_row(session, message_id)
            conversation = _expect(session, row.conversation_id, expected_head)
            leaf = tree.newest_leaf(session, row.id)[1]
            if row.role != "assistant" or conversation.head_id != row.id or leaf != row.id:
                raise StaleHead(current=conversation.head_id or "")
            row.status, row.failure, row.updated_at = "streaming", None, now()
            changed(session, conversation, active=True)
            return message_record(row, packed.load_prompt(session, row.id))

    def checkpoint(self, message_id: str, text: str, reasoning: str) -> None:
        """Keep what a growing reply holds so far; nothing happens to one that has ended."""
        growing = (MessageRow.id == message_id, MessageRow.status == "streaming")
        values = {"text": kept(text), "reasoning": kept(reasoning), "updated_at": now()}
        with self._database.write() as session:
            session.execute(update(MessageRow).where(*growing).values(values))

    def finish(
        self,
        message_id: str,
        *,
        status: MessageStatus,
        text: str,
        reasoning: str,
        reply: ReplyDetails | None,
        failure: Failure | None,
        probabilities: Sequence[TokenProbability] = (),
        keep_probabilities: bool = False,
    ) -> None:
        """End a growing reply; nothing happens to one that has ended.

        `reply=None` leaves the details as they were. `keep_probabilities` adds the new tokens after those of the
        part that was written before Continue.
        """
        text, reasoning, tokens = kept(text), kept(reasoning), packed.pack_probabilities(probabilities)
        with self._database.write() as session:
            row = tree.message_row(session, message_id)
            if row.status != "streaming":
                return
            row.status, row.text, row.reasoning, row.updated_at = status, text, reasoning, now()
            row.failure = failure_json(failure) if failure else None
            if reply is not None:
                row.reply = reply_json(reply)
                packed.keep_prompt(session, message_id, reply.prompt)
            packed.keep_probabilities(session, message_id, tokens, append=keep_probabilities)
            changed(session, conversation_row(session, row.conversation_id))

    def interrupt_streaming(self) -> int:
        """At start-up: replies that were being written when the app ended are interrupted; how many there were."""
        growing = update(MessageRow).where(MessageRow.status == "streaming")
        with self._database.write() as session:
            found = session.execute(growing.values(status="interrupted", updated_at=now()))
            return cast("CursorResult[tuple[()]]", found).rowcount

    # ---- reading -----------------------------------------------------------------------------------------------

    def get(self, message_id: str) -> Message:
        """The message, hidden or not, with its whole `reply`."""
        with self._database.read() as session:
            row = tree.message_row(session, message_id)
            return message_record(row, packed.load_prompt(session, message_id))

    def path(self, leaf_id: str, *, limit: int | None = None) -> list[PathItem]:
        """The branch from `leaf_id` upwards, at most `limit` messages, oldest first, with their visible variants.

        Of all these replies only the newest that has one carries its `reply.prompt`: `get` and `prompt` have the rest.
        """
        with self._database.read() as session:
            rows = tree.branch_rows(session, leaf_id, limit)
            beside = tree.variants(session, rows)
            newest = next((row.id for row in reversed(rows) if row.reply), None)
            prompt = packed.load_prompt(session, newest) if newest else ()
            return [PathItem(message_record(row, prompt if row.id == newest else ()), beside[row.id]) for row in rows]

    def leaf_under(self, message_id: str) -> str:
        """The visible message below (itself, where nothing is below) that was written last: always a leaf."""
        with self._database.read() as session:
            return tree.newest_leaf(session, message_id)[1]

    def prompt(self, message_id: str) -> list[tuple[Role, str]]:
        """The exact messages that were sent for a reply; empty where nothing was sent."""
        with self._database.read() as session:
            tree.message_row(session, message_id)
            return [(cast(Role, role), text) for role, text in packed.sent_texts(session, message_id)]

    def probabilities(self, message_id: str) -> list[TokenProbability]:
        """The tokens of a reply with their log-probabilities; empty where none were kept."""
        with self._database.read() as session:
            return packed.load_probabilities(session, message_id)

    # ---- trash -------------------------------------------------------------------------------------------------

    def trash(self, message_id: str) -> str | None:
        """Hide a message and all below it; the conversation's head afterwards.

        A head that was inside moves to the newest leaf of a visible variant, else to the parent (None: no message
        is left). Raises StillStreaming while that head is being written.
        """
        with self._database.write() as session:
            row = tree.message_row(session, message_id)
            conversation = conversation_row(session, row.conversation_id)
            if row.trashed_at is not None:
                return conversation.head_id
            head = conversation.head_id
            row.trashed_at = now()
            session.flush()
            if head is not None and tree.is_above(session, row.id, head):
                tree.refuse_streaming(session, head)
                row.trashed_head = head
                conversation.head_id = tree.head_without(session, row)
            changed(session, conversation)
            return conversation.head_id

    def restore(self, message_id: str) -> None:
        """Show again exactly what `trash` of this message hid; the head returns to where it was.

        Raises StillStreaming while the head that would move is being written.
        """
        with self._database.write() as session:
            row = tree.message_row(session, message_id)
            if row.trashed_at is None:
                return
            conversation = conversation_row(session, row.conversation_id)
            row.trashed_at, head, row.trashed_head = None, row.trashed_head, None
            session.flush()
            if head is not None and not tree.is_hidden(session, row.id):
                if conversation.head_id is not None:
                    tree.refuse_streaming(session, conversation.head_id)
                # What was trashed inside in the meantime stays hidden: then the newest of what shows is the head.
                shown = not tree.is_hidden(session, head)
                conversation.head_id = head if shown else tree.newest_leaf(session, row.id)[1]
            changed(session, conversation)


def _expect(session: Session, conversation_id: str, head: str | None) -> ConversationRow:
    """The conversation, if it still stands where the caller saw it and nothing is being written at its head."""
    conversation = conversation_row(session, conversation_id)
    if conversation.trashed_at is not None:
        raise NotFound(noun="conversation")
    if conversation.head_id != head:
        raise StaleHead(current=conversation.head_id or "")
    if head is not None:
        tree.refuse_streaming(session, head)
    return conversation


def _parent(session: Session, conversation: ConversationRow, parent_id: str | None) -> MessageRow | None:
    if parent_id is None:
        return None
    if parent_id == conversation.head_id:
        return tree.message_row(session, parent_id)  # the head is visible: no need to walk up to the root
    return tree.visible_row(session, parent_id, conversation.id)


def _add(
    session: Session,
    conversation_id: str,
    parent: MessageRow | None,
    role: str,
    writing: Writing,
    *,
    text: str = "",
    status: MessageStatus = "complete",
    edited_from: str | None = None,
) -> MessageRow:
    moment = now()
    row = MessageRow(
        id=str(uuid7()),
        conversation_id=conversation_id,
        parent_id=parent.id if parent else None,
        depth=parent.depth + 1 if parent else 0,
        role=role,
        text=kept(text or (writing.opening if role == "assistant" else "")),
        reasoning="",
        status=status,
        mode=writing.mode,
        fields=dict(writing.fields) or None,
        sent=kept(writing.sent) if role == "user" and writing.sent is not None else None,
        edited_from=edited_from,
        created_at=moment,
        updated_at=moment,
    )
    session.add(row)
    session.flush()
    return row
