"""The tables, typed. Text ids are UUIDv7; order comes from integer sequences, never from a clock."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, LargeBinary, MetaData, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """What all tables share: the names of constraints, so that migrations can name them."""

    metadata = MetaData(naming_convention=NAMING)


class ConversationRow(Base):
    """A conversation; `title_key` is the title as it is searched (see `rows.title_key`)."""

    __tablename__ = "conversations"

    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(String(36), unique=True)
    title: Mapped[str] = mapped_column(Text)
    title_source: Mapped[str] = mapped_column(String(8))
    head_id: Mapped[str | None] = mapped_column(String(36))
    mode: Mapped[str] = mapped_column(String(64))
    model_id: Mapped[str | None] = mapped_column(Text)
    system_prompt: Mapped[str] = mapped_column(Text)
    sampling: Mapped[dict[str, Any]] = mapped_column(JSON)
    revision: Mapped[int]
    activity: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    trashed_at: Mapped[datetime | None]
    title_key: Mapped[str] = mapped_column(Text, server_default="")
    fields: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))

    __table_args__ = (
        CheckConstraint("title_source in ('none','auto','user')", name="title_source"),
        Index("ix_conversations_activity", "activity", unique=True),
        {"sqlite_autoincrement": True},
    )


class MessageRow(Base):
    """A message. `sent` is what a mode made of a person's text, where it made something of it.

    `trashed_at` marks the top of a hidden subtree; `trashed_head` is the head that was inside it.
    """

    __tablename__ = "messages"

    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(String(36), unique=True)
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id"))
    parent_id: Mapped[str | None] = mapped_column(ForeignKey("messages.id"))
    depth: Mapped[int]
    role: Mapped[str] = mapped_column(String(16))
    text: Mapped[str] = mapped_column(Text)
    reasoning: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(16))
    mode: Mapped[str] = mapped_column(String(64))
    reply: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    failure: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    edited_from: Mapped[str | None] = mapped_column(String(36))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    trashed_at: Mapped[datetime | None]
    trashed_head: Mapped[str | None] = mapped_column(String(36))
    fields: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    sent: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (
        CheckConstraint("role in ('system','user','assistant')", name="role"),
        CheckConstraint("status in ('streaming','complete','stopped','failed','interrupted')", name="status"),
        # Covers every walk through the tree: a long text in a row is never read past.
        Index(
            "ix_messages_children",
            "conversation_id",
            "parent_id",
            "seq",
            "role",
            "depth",
            "trashed_at",
            "id",
        ),
        Index("ix_messages_streaming", "status", sqlite_where=status == "streaming"),
        {"sqlite_autoincrement": True},
    )


class CounterRow(Base):
    """A number that only grows: the order of the list, its version."""

    __tablename__ = "counters"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    value: Mapped[int]


class PromptRow(Base):
    """The messages that were sent for a reply, compressed (see `packed`)."""

    __tablename__ = "prompts"

    message_id: Mapped[str] = mapped_column(ForeignKey("messages.id"), primary_key=True)
    data: Mapped[bytes] = mapped_column(LargeBinary)


class ProbabilityRow(Base):
    """The log-probabilities of a reply's tokens, compressed (see `packed`)."""

    __tablename__ = "token_probabilities"

    message_id: Mapped[str] = mapped_column(ForeignKey("messages.id"), primary_key=True)
    data: Mapped[bytes] = mapped_column(LargeBinary)


class PreferenceRow(Base):
    __tablename__ = "preferences"

    key: Mapped[str] = mapped_column(String(128), primary_key=True)
    value: Mapped[Any] = mapped_column(JSON)


class DraftRow(Base):
    """What stands unsent in the composer; the key is a conversation's id or "new"."""

    __tablename__ = "drafts"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    text: Mapped[str] = mapped_column(Text)
    updated_at: Mapped[datetime]
