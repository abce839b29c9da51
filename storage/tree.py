"""The message tree in SQL: from a message up to its root, down to the leaves, and across to its variants.

Only the top of what was trashed carries a mark; a message is visible when no message from it up to its root has one.
Every step checks the depth, so that a damaged tree with a ring in it cannot hold a query forever. `CROSS JOIN` is
SQLite's way to say: walk from the left table to the right one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, TextClause, select, text
from sqlalchemy.orm import Session

from storage.errors import NotFound, StillStreaming
from storage.tables import MessageRow

BranchRow = Row[Any]
"""The columns of a message without an object that follows changes: a long branch is read in a third of the time."""
ALL = 2**31

UPWARDS = """
WITH RECURSIVE branch (seq, id, conversation_id, parent_id, depth, n) AS (
    SELECT seq, id, conversation_id, parent_id, depth, 1 FROM messages WHERE id = :leaf
    UNION ALL
    SELECT m.seq, m.id, m.conversation_id, m.parent_id, m.depth, n + 1
    FROM branch CROSS JOIN messages m ON m.id = branch.parent_id
    WHERE m.depth = branch.depth - 1 AND n < :limit
)
"""


def _upwards(then: str) -> TextClause:
    return text(UPWARDS + then)


BRANCH = _upwards("SELECT m.* FROM branch CROSS JOIN messages m ON m.seq = branch.seq ORDER BY m.depth").columns(
    **{column.name: column.type for column in MessageRow.__table__.columns}
)
VARIANTS = _upwards(
    """
SELECT v.parent_id, v.role, v.id
FROM branch CROSS JOIN messages v ON v.conversation_id = branch.conversation_id AND v.parent_id IS branch.parent_id
WHERE v.trashed_at IS NULL ORDER BY v.seq
"""
)
HIDDEN = _upwards(
    "SELECT 1 FROM branch CROSS JOIN messages m ON m.seq = branch.seq WHERE m.trashed_at IS NOT NULL LIMIT 1"
)
ABOVE = _upwards("SELECT 1 FROM branch WHERE id = :upper")
NEWEST_BELOW = text(
    """
WITH RECURSIVE below (id, seq, conversation_id, depth) AS (
    SELECT id, seq, conversation_id, depth FROM messages WHERE id = :top
    UNION ALL
    SELECT m.id, m.seq, m.conversation_id, m.depth
    FROM below CROSS JOIN messages m ON m.conversation_id = below.conversation_id AND m.parent_id = below.id
    WHERE m.trashed_at IS NULL AND m.depth = below.depth + 1
)
SELECT seq, id FROM below ORDER BY seq DESC LIMIT 1
"""
)


def message_row(session: Session, message_id: str) -> MessageRow:
    """The row, or NotFound."""
    row = session.scalar(select(MessageRow).where(MessageRow.id == message_id))
    if row is None:
        raise NotFound(noun="message")
    return row


def visible_row(session: Session, message_id: str, conversation_id: str | None = None) -> MessageRow:
    """The row of a message that is not hidden (and belongs to the conversation), or NotFound."""
    row = message_row(session, message_id)
    if (conversation_id is not None and row.conversation_id != conversation_id) or is_hidden(session, message_id):
        raise NotFound(noun="message")
    return row


def refuse_streaming(session: Session, message_id: str) -> None:
    """Raise StillStreaming while the message is being written."""
    if session.scalar(select(MessageRow.status).where(MessageRow.id == message_id)) == "streaming":
        raise StillStreaming()


def is_hidden(session: Session, message_id: str) -> bool:
    """Whether the message, or one above it, is in the trash."""
    return session.execute(HIDDEN, {"leaf": message_id, "limit": ALL}).first() is not None


def is_above(session: Session, upper_id: str, lower_id: str) -> bool:
    """Whether `upper_id` is on the way from `lower_id` (itself included) to the root."""
    return session.execute(ABOVE, {"leaf": lower_id, "limit": ALL, "upper": upper_id}).first() is not None


def branch_rows(session: Session, leaf_id: str, limit: int | None) -> Sequence[BranchRow]:
    """The rows from the leaf upwards, at most `limit`, given oldest first; NotFound for an unknown leaf."""
    rows = session.execute(BRANCH, {"leaf": leaf_id, "limit": ALL if limit is None else limit}).all()
    if not rows:
        raise NotFound(noun="message")
    return rows


def variants(session: Session, rows: Sequence[MessageRow | BranchRow]) -> dict[str, tuple[str, ...]]:
    """For each row of a branch the visible messages that stand in its place, itself among them, oldest first."""
    beside: dict[tuple[str | None, str], list[str]] = {}
    values = {"leaf": rows[-1].id, "limit": len(rows)}
    for parent_id, role, message_id in session.execute(VARIANTS, values):
        beside.setdefault((parent_id, role), []).append(message_id)
    found = {row.id: beside.get((row.parent_id, row.role), []) for row in rows}
    # A hidden message is looked at only from the trash: it is then shown among those that took its place.
    return {id_: tuple(ids) if id_ in ids else (*ids, id_) for id_, ids in found.items()}


def newest_leaf(session: Session, top_id: str) -> tuple[int, str]:
    """Order and id of the message below `top_id` (itself included) that was written last: always a leaf."""
    found = session.execute(NEWEST_BELOW, {"top": top_id}).first()
    if found is None:
        raise NotFound(noun="message")
    return int(found[0]), str(found[1])


def head_without(session: Session, row: MessageRow) -> str | None:
    """Where a conversation stands once `row` is hidden: the newest leaf of a visible variant, else the parent."""
    ids = variants(session, [row])[row.id]
    leaves = [newest_leaf(session, id_) for id_ in ids if id_ != row.id]
    return max(leaves)[1] if leaves else row.parent_id
