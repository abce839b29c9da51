"""Messages: an append-only tree in each conversation. An edit or a retry adds a sibling; nothing is overwritten."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import literal, select, update
from sqlalchemy.orm import Session, aliased
from uuid_utils import uuid7

from storage.conversations import changed, conversation_row
from storage.database import Database
from storage.errors import NotFound, StaleHead, StillStreaming
from storage.records import (
    Failure,
    Message,
    MessageStatus,
    PathItem,
    ReplyDetails,
    Role,
    TokenProbability,
)
from storage.rows import message_record, now, reply_json
from storage.tables import ConversationRow, MessageRow, ProbabilityRow


def message_row(session: Session, message_id: str) -> MessageRow:
    """The row, or NotFound."""
    row = session.scalar(select(MessageRow).where(MessageRow.id == message_id))
    if row is None:
        raise NotFound(noun="message")
    return row


class Messages:
    """The messages of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # ---- writing ---------------------------------------------------------------------------------------------

    def append_turn(
        self,
        conversation_id: str,
        *,
        expected_head: str | None,
        parent_id: str | None,
        text: str,
        mode: str,
        edited_from: str | None = None,
    ) -> tuple[Message, Message]:
        """Add the user's message under `parent_id` and an empty streaming reply under it, in one transaction.

        Raises StaleHead when the conversation's head is not `expected_head` any more, StillStreaming while its head
        is being written.
        """
        with self._database.write() as session:
            conversation = self._expect(session, conversation_id, expected_head)
            depth = message_row(session, parent_id).depth + 1 if parent_id else 0
            asked = _add(session, conversation_id, parent_id, depth, "user", text, "complete", mode, edited_from)
            reply = _add(session, conversation_id, asked.id, depth + 1, "assistant", "", "streaming", mode)
            conversation.head_id = reply.id
            changed(session, conversation, active=True)
            return message_record(asked), message_record(reply)

    def append_reply(self, parent_id: str, *, expected_head: str | None, mode: str) -> Message:
        """Add another streaming reply under a user's message."""
        with self._database.write() as session:
            parent = message_row(session, parent_id)
            conversation = self._expect(session, parent.conversation_id, expected_head)
            reply = _add(session, conversation.id, parent.id, parent.depth + 1, "assistant", "", "streaming", mode)
            conversation.head_id = reply.id
            changed(session, conversation, active=True)
            return message_record(reply)

    def append_edited_reply(self, message_id: str, text: str, *, expected_head: str | None) -> Message:
        """Add a model's message as a person rewrote it, beside the original."""
        with self._database.write() as session:
            old = message_row(session, message_id)
            conversation = self._expect(session, old.conversation_id, expected_head)
            new = _add(
                session,
                conversation.id,
                old.parent_id,
                old.depth,
                old.role,
                text,
                "complete",
                old.mode,
                old.id,
            )
            conversation.head_id = new.id
            changed(session, conversation, active=True)
            return message_record(new)

    def resume(self, message_id: str, *, expected_head: str | None) -> Message:
        """Make a reply that ended grow again; its text is kept."""
        with self._database.write() as session:
            row = message_row(session, message_id)
            conversation = self._expect(session, row.conversation_id, expected_head)
            if row.role != "assistant" or conversation.head_id != row.id:
                raise StaleHead()
            row.status, row.failure, row.updated_at = "streaming", None, now()
            changed(session, conversation, active=True)
            return message_record(row)

    def _expect(self, session: Session, conversation_id: str, head: str | None) -> ConversationRow:
        conversation = conversation_row(session, conversation_id)
        if conversation.head_id:
            status = session.scalar(select(MessageRow.status).where(MessageRow.id == conversation.head_id))
            if status == "streaming":
                raise StillStreaming()
        if conversation.head_id != head:
            raise StaleHead()
        return conversation

    def checkpoint(self, message_id: str, text: str, reasoning: str) -> None:
        """Keep what a growing reply holds so far; nothing happens to one that has ended."""
        with self._database.write() as session:
            session.execute(
                update(MessageRow)
                .where(MessageRow.id == message_id, MessageRow.status == "streaming")
                .values(text=text, reasoning=reasoning, updated_at=now())
            )

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
        """End a growing reply; on Continue the earlier tokens' probabilities are kept before the new ones."""
        with self._database.write() as session:
            row = message_row(session, message_id)
            if row.status != "streaming":
                return
            row.status, row.text, row.reasoning = status, text, reasoning
            row.reply = reply_json(reply) if reply else row.reply
            row.failure = asdict(failure) | {"params": dict(failure.params)} if failure else None
            row.updated_at = now()
            changed(session, conversation_row(session, row.conversation_id))
            _keep_probabilities(session, message_id, probabilities, append=keep_probabilities)

    def interrupt_streaming(self) -> int:
        """At start-up: replies that were being written when the app ended are interrupted; how many there were."""
        with self._database.write() as session:
            ended = update(MessageRow).where(MessageRow.status == "streaming").values(status="interrupted")
            return len(session.scalars(ended.returning(MessageRow.seq)).all())

    # ---- reading ---------------------------------------------------------------------------------------------

    def get(self, message_id: str) -> Message:
        """The message; NotFound where there is none."""
        with self._database.read() as session:
            return message_record(message_row(session, message_id))

    def path(self, leaf_id: str, *, limit: int | None = None) -> list[PathItem]:
        """The branch from `leaf_id` upwards, at most `limit` messages, oldest first, with their variants."""
        with self._database.read() as session:
            step = select(MessageRow.seq, MessageRow.parent_id, literal(1).label("n")).where(MessageRow.id == leaf_id)
            branch = step.cte("branch", recursive=True)
            above = aliased(MessageRow)
            upwards = select(above.seq, above.parent_id, branch.c.n + 1).where(above.id == branch.c.parent_id)
            if limit is not None:
                upwards = upwards.where(branch.c.n < limit)
            branch = branch.union_all(upwards)
            query = select(MessageRow).join(branch, branch.c.seq == MessageRow.seq).order_by(MessageRow.depth)
            rows = list(session.scalars(query))
            variants = _variants(session, rows)
            return [PathItem(message_record(row), variants[row.id]) for row in rows]

    def leaf_under(self, message_id: str) -> str:
        """The newest visible leaf below a message (itself, where nothing is below)."""
        with self._database.read() as session:
            return _leaf(session, message_row(session, message_id))

    def prompt(self, message_id: str) -> list[tuple[Role, str]]:
        """The exact messages that were sent for a reply."""
        with self._database.read() as session:
            record = message_record(message_row(session, message_id))
            if record.reply is None:
                return []
            sent: list[tuple[Role, str]] = []
            for part in record.reply.prompt:
                content = part.content or ""
                if part.message_id is not None:
                    text = message_row(session, part.message_id).text
                    content = text if part.length is None else text[: part.length]
                sent.append((part.role, content))
            return sent

    def probabilities(self, message_id: str) -> list[TokenProbability]:
        """The tokens of a reply with their log-probabilities; empty where none were kept."""
        with self._database.read() as session:
            row = session.get(ProbabilityRow, message_id)
            return _unpack(row.data) if row else []

    # ---- trash -----------------------------------------------------------------------------------------------

    def trash(self, message_id: str) -> str | None:
        """Hide a message and what is below it; the conversation's new head."""
        with self._database.write() as session:
            row = message_row(session, message_id)
            conversation = conversation_row(session, row.conversation_id)
            inside = conversation.head_id is not None and _is_above(session, row.id, conversation.head_id)
            row.trashed_at, row.trashed_head = now(), conversation.head_id if inside else None
            session.flush()
            if inside:
                conversation.head_id = _head_without(session, row)
            changed(session, conversation)
            return conversation.head_id

    def restore(self, message_id: str) -> None:
        """Show again what `trash` hid, with the head where it was."""
        with self._database.write() as session:
            row = message_row(session, message_id)
            if row.trashed_at is None:
                return
            conversation = conversation_row(session, row.conversation_id)
            row.trashed_at = None
            if row.trashed_head:
                conversation.head_id, row.trashed_head = row.trashed_head, None
            changed(session, conversation)


def _add(
    session: Session,
    conversation_id: str,
    parent_id: str | None,
    depth: int,
    role: str,
    text: str,
    status: str,
    mode: str,
    edited_from: str | None = None,
) -> MessageRow:
    row = MessageRow(
        id=str(uuid7()),
        conversation_id=conversation_id,
        parent_id=parent_id,
        depth=depth,
        role=role,
        text=text,
        reasoning="",
        status=status,
        mode=mode,
        reply=None,
        failure=None,
        edited_from=edited_from,
        created_at=now(),
        updated_at=now(),
        trashed_at=None,
        trashed_head=None,
    )
    session.add(row)
    session.flush()
    return row


def _variants(session: Session, rows: Sequence[MessageRow]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for row in rows:
        same = select(MessageRow.id).where(
            MessageRow.conversation_id == row.conversation_id,
            MessageRow.parent_id.is_(None) if row.parent_id is None else MessageRow.parent_id == row.parent_id,
            MessageRow.role == row.role,
            MessageRow.trashed_at.is_(None),
        )
        found[row.id] = tuple(session.scalars(same.order_by(MessageRow.seq))) or (row.id,)
    return found


def _leaf(session: Session, row: MessageRow) -> str:
    current = row.id
    while True:
        below = session.scalar(
            select(MessageRow.id)
            .where(
                MessageRow.conversation_id == row.conversation_id,
                MessageRow.parent_id == current,
                MessageRow.trashed_at.is_(None),
            )
            .order_by(MessageRow.seq.desc())
            .limit(1)
        )
        if below is None:
            return current
        current = below


def _is_above(session: Session, upper: str, lower: str) -> bool:
    current: str | None = lower
    while current is not None:
        if current == upper:
            return True
        current = session.scalar(select(MessageRow.parent_id).where(MessageRow.id == current))
    return False


def _head_without(session: Session, row: MessageRow) -> str | None:
    sibling = session.scalar(
        select(MessageRow)
        .where(
            MessageRow.conversation_id == row.conversation_id,
            MessageRow.parent_id.is_(None) if row.parent_id is None else MessageRow.parent_id == row.parent_id,
            MessageRow.trashed_at.is_(None),
        )
        .order_by(MessageRow.seq.desc())
        .limit(1)
    )
    return _leaf(session, sibling) if sibling is not None else row.parent_id


def _keep_probabilities(session: Session, message_id: str, tokens: Sequence[TokenProbability], *, append: bool) -> None:
    row = session.get(ProbabilityRow, message_id)
    earlier = _unpack(row.data) if row is not None and append else []
    if not tokens and not earlier:
        return
    data = [[t.token, t.logprob, [list(a) for a in t.alternatives]] for t in [*earlier, *tokens]]
    packed = zlib.compress(json.dumps(data, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    session.merge(ProbabilityRow(message_id=message_id, data=packed))


def _unpack(data: bytes) -> list[TokenProbability]:
    tokens = json.loads(zlib.decompress(data).decode("utf-8", "surrogatepass"))
    return [TokenProbability(t, p, tuple((a, q) for a, q in others)) for t, p, others in tokens]
