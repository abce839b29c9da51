"""Copies a branch of messages into another conversation, with all that is kept beside them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import insert, select
from sqlalchemy.orm import Session
from uuid_utils import uuid7

from storage.packed import renumbered
from storage.tables import Base, MessageRow, ProbabilityRow, PromptRow
from storage.tree import BranchRow

COPIED = (
    "depth",
    "role",
    "text",
    "reasoning",
    "mode",
    "reply",
    "failure",
    "fields",
    "sent",
    "created_at",
    "updated_at",
)


def copy_messages(session: Session, branch: Sequence[BranchRow], conversation_id: str) -> str:
    """Copy the messages of a branch, oldest first, into an empty conversation; the id of the last copy.

    A reply that is being written is copied as far as it came, as interrupted.
    """
    ids = {row.id: str(uuid7()) for row in branch}
    copies = [
        {
            "id": ids[row.id],
            "conversation_id": conversation_id,
            "parent_id": ids[row.parent_id] if row.parent_id else None,
            "status": "interrupted" if row.status == "streaming" else row.status,
            **{name: getattr(row, name) for name in COPIED},
        }
        for row in branch
    ]
    # Into the plain table: the ORM would split this into a statement for each run of rows of one shape.
    session.execute(insert(Base.metadata.tables["messages"]), copies)
    made = select(MessageRow.id, MessageRow.seq).where(MessageRow.conversation_id == conversation_id)
    new_seqs = dict(session.execute(made).all())
    seqs = {row.seq: new_seqs[ids[row.id]] for row in branch}
    for table in (PromptRow, ProbabilityRow):
        beside = session.execute(select(table.message_id, table.data).where(table.message_id.in_(ids)))
        rows = [
            {"message_id": ids[id_], "data": renumbered(data, seqs) if table is PromptRow else data}
            for id_, data in beside
        ]
        if rows:
            session.execute(insert(table), rows)
    return ids[branch[-1].id]
