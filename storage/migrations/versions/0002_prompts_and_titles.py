"""Prompts apart from their replies, compressed; titles searchable in every script; a covering index of children."""
import json
import unicodedata
import zlib

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column('conversations', sa.Column('title_key', sa.Text(), nullable=False, server_default=''))
    op.create_table('prompts',
        sa.Column('message_id', sa.String(length=36), nullable=False),
        sa.Column('data', sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(['message_id'], ['messages.id'], name=op.f('fk_prompts_message_id')),
        sa.PrimaryKeyConstraint('message_id', name=op.f('pk_prompts'))
    )
    op.drop_index('ix_messages_children', 'messages')
    op.create_index('ix_messages_children', 'messages',
        ['conversation_id', 'parent_id', 'seq', 'role', 'depth', 'trashed_at', 'id'])
    connection = op.get_bind()
    for conversation_id, title in connection.execute(sa.text("SELECT id, title FROM conversations")).all():
        connection.execute(sa.text("UPDATE conversations SET title_key = :key WHERE id = :id"),
            {"key": unicodedata.normalize("NFKC", title).casefold(), "id": conversation_id})
    _move_prompts(connection)


def _move_prompts(connection: sa.Connection) -> None:
    seqs = {row.id: row.seq for row in connection.execute(sa.text("SELECT id, seq FROM messages"))}
    replies = connection.execute(sa.text("SELECT id, reply FROM messages WHERE reply IS NOT NULL")).all()
    for message_id, text in replies:
        reply = json.loads(text)
        if not isinstance(reply, dict) or not reply.get("prompt"):
            continue
        parts = [
            [p["role"], seqs.get(p["message_id"], p["message_id"]), p.get("length")]
            if p.get("message_id") else [p["role"], p.get("content", "")]
            for p in reply.pop("prompt") if isinstance(p, dict) and "role" in p
        ]
        packed = zlib.compress(json.dumps(parts).encode())
        connection.execute(sa.text("INSERT INTO prompts (message_id, data) VALUES (:id, :data)"),
            {"id": message_id, "data": packed})
        connection.execute(sa.text("UPDATE messages SET reply = :reply WHERE id = :id"),
            {"reply": json.dumps(reply), "id": message_id})
