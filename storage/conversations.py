"""Conversations: the list, their settings, the head that is shown, the trash."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session
from uuid_utils import uuid7

from storage.database import Database
from storage.errors import NotFound
from storage.records import Conversation, TitleSource
from storage.rows import conversation_record, now
from storage.tables import ConversationRow, CounterRow, MessageRow


def conversation_row(session: Session, conversation_id: str) -> ConversationRow:
    """The row, or NotFound."""
    row = session.scalar(select(ConversationRow).where(ConversationRow.id == conversation_id))
    if row is None:
        raise NotFound(noun="conversation")
    return row


def next_number(session: Session, name: str) -> int:
    """The next value of a counter that only grows."""
    row = session.get(CounterRow, name)
    if row is None:
        row = CounterRow(name=name, value=0)
        session.add(row)
    row.value += 1
    session.flush()
    return row.value


def changed(session: Session, row: ConversationRow, *, active: bool = False) -> None:
    """Note a change of the row; `active` moves it to the top of the list."""
    row.revision += 1
    row.updated_at = now()
    if active:
        row.activity = next_number(session, "activity")
    next_number(session, "list_version")


class Conversations:
    """The conversations of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(
        self,
        *,
        mode: str,
        model_id: str | None = None,
        system_prompt: str = "",
        sampling: Mapping[str, float | int] | None = None,
        title: str = "",
        title_source: TitleSource = "none",
    ) -> Conversation:
        """A new, empty conversation."""
        with self._database.write() as session:
            row = ConversationRow(
                id=str(uuid7()),
                title=title,
                title_source=title_source,
                head_id=None,
                mode=mode,
                model_id=model_id,
                system_prompt=system_prompt,
                sampling=dict(sampling or {}),
                revision=0,
                activity=0,
                created_at=now(),
                updated_at=now(),
                trashed_at=None,
            )
            session.add(row)
            changed(session, row, active=True)
            session.flush()
            return conversation_record(row)

    def get(self, conversation_id: str) -> Conversation:
        """The conversation, trashed or not; NotFound where there is none."""
        with self._database.read() as session:
            return conversation_record(conversation_row(session, conversation_id))

    def page(
        self, *, before: int | None = None, limit: int = 50, title_query: str = "", trashed: bool = False
    ) -> list[Conversation]:
        """Newest activity first, below activity `before`; titles that contain `title_query`, in any case."""
        query = select(ConversationRow).order_by(ConversationRow.activity.desc()).limit(limit)
        column = ConversationRow.trashed_at
        query = query.where(column.is_not(None) if trashed else column.is_(None))
        if before is not None:
            query = query.where(ConversationRow.activity < before)
        if title_query:
            query = query.where(func.lower(ConversationRow.title).contains(title_query.lower(), autoescape=True))
        with self._database.read() as session:
            return [conversation_record(row) for row in session.scalars(query)]

    def rename(self, conversation_id: str, title: str, source: TitleSource) -> None:
        """Set the title; an automatic one never replaces one that a person gave."""
        with self._database.write() as session:
            row = conversation_row(session, conversation_id)
            if source == "auto" and row.title_source == "user":
                return
            row.title, row.title_source = title, source
            changed(session, row)

    def change_settings(self, conversation_id: str, **settings: Any) -> None:
        """Set the given ones of system_prompt, sampling, mode, model_id."""
        allowed = {"system_prompt", "sampling", "mode", "model_id"}
        assert settings.keys() <= allowed, settings.keys() - allowed  # noqa: S101  # a caller's mistake
        with self._database.write() as session:
            row = conversation_row(session, conversation_id)
            for name, value in settings.items():
                setattr(row, name, dict(value) if name == "sampling" else value)
            row.revision += 1
            row.updated_at = now()

    def trash(self, conversation_id: str) -> None:
        """Put it in the trash."""
        with self._database.write() as session:
            row = conversation_row(session, conversation_id)
            row.trashed_at = row.trashed_at or now()
            changed(session, row)

    def restore(self, conversation_id: str) -> None:
        """Take it out of the trash."""
        with self._database.write() as session:
            row = conversation_row(session, conversation_id)
            row.trashed_at = None
            changed(session, row)

    def select_head(self, conversation_id: str, message_id: str) -> None:
        """Show the branch that ends at `message_id`."""
        with self._database.write() as session:
            row = conversation_row(session, conversation_id)
            message = session.scalar(
                select(MessageRow).where(
                    MessageRow.id == message_id,
                    MessageRow.conversation_id == conversation_id,
                    MessageRow.trashed_at.is_(None),
                )
            )
            if message is None:
                raise NotFound(noun="message")
            row.head_id = message.id
            row.revision += 1

    def version(self) -> int:
        """Grows with every change of the list."""
        with self._database.read() as session:
            row = session.get(CounterRow, "list_version")
            return row.value if row else 0

    def copy_branch(self, message_id: str, title: str) -> Conversation:
        """A new conversation that holds copies of the messages from the root to `message_id`."""
        with self._database.write() as session:
            branch: list[MessageRow] = []
            wanted: str | None = message_id
            while wanted is not None:
                found = session.scalar(select(MessageRow).where(MessageRow.id == wanted))
                if found is None:
                    raise NotFound(noun="message")
                branch.append(found)
                wanted = found.parent_id
            old = conversation_row(session, branch[0].conversation_id)
            names = ("mode", "model_id", "system_prompt", "sampling")
            new = ConversationRow(
                id=str(uuid7()),
                title=title,
                title_source="auto",
                revision=0,
                activity=0,
                created_at=now(),
                updated_at=now(),
                **{name: getattr(old, name) for name in names},
            )
            session.add(new)
            session.flush()
            parent: str | None = None
            for row in reversed(branch):
                parent = _copy(session, row, new.id, parent)
            new.head_id = parent
            changed(session, new, active=True)
            session.flush()
            return conversation_record(new)


def _copy(session: Session, row: MessageRow, conversation_id: str, parent_id: str | None) -> str:
    kept = ("depth", "role", "text", "reasoning", "mode", "reply", "failure", "created_at", "updated_at")
    copy = MessageRow(
        id=str(uuid7()),
        conversation_id=conversation_id,
        parent_id=parent_id,
        status="interrupted" if row.status == "streaming" else row.status,
        edited_from=None,
        **{name: getattr(row, name) for name in kept},
    )
    session.add(copy)
    session.flush()
    return copy.id
