"""Conversations: the list, their settings, the head that is shown, the trash."""

from __future__ import annotations

from collections.abc import Mapping
from types import EllipsisType

from sqlalchemy import func, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import Session
from uuid_utils import uuid7

from storage import tree
from storage.copying import copy_messages
from storage.database import Database
from storage.errors import NotFound
from storage.records import Conversation, TitleSource
from storage.rows import conversation_record, now, title_key
from storage.tables import ConversationRow, CounterRow
from storage.text import kept


def conversation_row(session: Session, conversation_id: str) -> ConversationRow:
    """The row, or NotFound."""
    row = session.scalar(select(ConversationRow).where(ConversationRow.id == conversation_id))
    if row is None:
        raise NotFound(noun="conversation")
    return row


def changed(session: Session, row: ConversationRow, *, active: bool = False) -> None:
    """Note a change that the list may show; `active` moves the conversation to the top of the list."""
    _touch(row)
    if active:
        row.activity = _next_number(session, "activity")
    _next_number(session, "list_version")
    session.flush()


def _touch(row: ConversationRow) -> None:
    row.revision += 1
    row.updated_at = now()


def _next_number(session: Session, name: str) -> int:
    """The next value of a counter that only grows."""
    added = insert(CounterRow).values(name=name, value=1)
    grown = added.on_conflict_do_update(index_elements=["name"], set_={"value": CounterRow.value + 1})
    return session.execute(grown.returning(CounterRow.value)).scalar_one()


def new_conversation(
    session: Session,
    title: str,
    source: TitleSource,
    mode: str,
    system_prompt: str,
    sampling: Mapping[str, float | int],
) -> ConversationRow:
    """The row of a new, empty conversation at the top of the list."""
    row = _new(session, title, source)
    row.mode, row.system_prompt, row.sampling = mode, kept(system_prompt), dict(sampling)
    session.add(row)
    changed(session, row)
    return row


class Conversations:
    """The conversations of one database. Raises NotFound for an unknown id, and what `Database.write` raises."""

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
        """A new, empty conversation at the top of the list."""
        with self._database.write() as session:
            row = new_conversation(session, title, title_source, mode, system_prompt, sampling or {})
            row.model_id = model_id
            session.flush()
            return conversation_record(row)

    def get(self, conversation_id: str) -> Conversation:
        """The conversation, trashed or not."""
        with self._database.read() as session:
            return conversation_record(conversation_row(session, conversation_id))

    def page(
        self, *, before: int | None = None, limit: int = 50, title_query: str = "", trashed: bool = False
    ) -> list[Conversation]:
        """Newest activity first, below activity `before`; titles that contain `title_query`, in any case or width."""
        column = ConversationRow.trashed_at
        query = select(ConversationRow).order_by(ConversationRow.activity.desc()).limit(limit)
        query = query.where(column.is_not(None) if trashed else column.is_(None))
        if before is not None:
            query = query.where(ConversationRow.activity < before)
        if title_query:
            query = query.where(func.instr(ConversationRow.title_key, title_key(kept(title_query))) > 0)
        with self._database.read() as session:
            return [conversation_record(row) for row in session.scalars(query)]

    def rename(self, conversation_id: str, title: str, source: TitleSource) -> None:
        """Set the title; an automatic one never replaces one that a person gave."""
        with self._database.write() as session:
            row = conversation_row(session, conversation_id)
            if source == "auto" and row.title_source == "user":
                return
            _set_title(row, title, source)
            changed(session, row)

    def change_settings(
        self,
        conversation_id: str,
        *,
        system_prompt: str | EllipsisType = ...,
        sampling: Mapping[str, float | int] | EllipsisType = ...,
        mode: str | EllipsisType = ...,
        model_id: str | EllipsisType | None = ...,
    ) -> None:
        """Set those that are given; the list does not move."""
        with self._database.write() as session:
            row = conversation_row(session, conversation_id)
            if not isinstance(system_prompt, EllipsisType):
                row.system_prompt = kept(system_prompt)
            if not isinstance(sampling, EllipsisType):
                row.sampling = dict(sampling)
            if not isinstance(mode, EllipsisType):
                row.mode = mode
            if not isinstance(model_id, EllipsisType):
                row.model_id = model_id
            _touch(row)

    def trash(self, conversation_id: str) -> None:
        """Put it in the trash, as it is."""
        with self._database.write() as session:
            row = conversation_row(session, conversation_id)
            if row.trashed_at is None:
                row.trashed_at = now()
                changed(session, row)

    def restore(self, conversation_id: str) -> None:
        """Take it out of the trash, to where it stood in the list."""
        with self._database.write() as session:
            row = conversation_row(session, conversation_id)
            if row.trashed_at is not None:
                row.trashed_at = None
                changed(session, row)

    def select_head(self, conversation_id: str, message_id: str) -> None:
        """Show the branch that ends at `message_id`, a visible message of this conversation.

        Raises NotFound for any other message, StillStreaming while the present head is being written.
        """
        with self._database.write() as session:
            row = conversation_row(session, conversation_id)
            message = tree.visible_row(session, message_id, conversation_id)
            if row.head_id == message.id:
                return
            if row.head_id is not None:
                tree.refuse_streaming(session, row.head_id)
            row.head_id = message.id
            _touch(row)

    def version(self) -> int:
        """Grows with every change of the list: titles, order, trash."""
        with self._database.read() as session:
            return session.scalar(select(CounterRow.value).where(CounterRow.name == "list_version")) or 0

    def copy_branch(self, message_id: str, title: str) -> Conversation:
        """A new conversation that holds copies of the messages from the root to `message_id`, and the settings."""
        with self._database.write() as session:
            branch = tree.branch_rows(session, message_id, None)
            old = conversation_row(session, branch[-1].conversation_id)
            new = _new(session, title, "auto")
            new.mode, new.fields, new.model_id = old.mode, old.fields, old.model_id
            new.system_prompt, new.sampling = old.system_prompt, dict(old.sampling)
            session.add(new)
            changed(session, new)
            new.head_id = copy_messages(session, branch, new.id)
            session.flush()
            return conversation_record(new)


def _new(session: Session, title: str, source: TitleSource) -> ConversationRow:
    moment = now()
    number = _next_number(session, "activity")
    row = ConversationRow(id=str(uuid7()), revision=0, activity=number, created_at=moment, updated_at=moment)
    _set_title(row, title, source)
    return row


def _set_title(row: ConversationRow, title: str, source: TitleSource) -> None:
    row.title, row.title_source = kept(title), source
    row.title_key = title_key(row.title)
