"""The first schema."""
import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table('conversations',
        sa.Column('seq', sa.Integer(), autoincrement=True, nullable=False),
        sa.Column('id', sa.String(length=36), nullable=False),
        sa.Column('title', sa.Text(), nullable=False),
        sa.Column('title_source', sa.String(length=8), nullable=False),
        sa.Column('head_id', sa.String(length=36), nullable=True),
        sa.Column('mode', sa.String(length=64), nullable=False),
        sa.Column('model_id', sa.Text(), nullable=True),
        sa.Column('system_prompt', sa.Text(), nullable=False),
        sa.Column('sampling', sa.JSON(), nullable=False),
        sa.Column('revision', sa.Integer(), nullable=False),
        sa.Column('activity', sa.Integer(), nullable=False),
        sa.Column('created_at', sa.DateTime(), nullable=False),
        sa.Column('updated_at', sa.DateTime(), nullable=False),
        sa.Column('trashed_at', sa.DateTime(), nullable=True),
        sa.CheckConstraint("title_source in ('none','auto','user')", name=op.f('ck_conversations_title_source')),
        sa.PrimaryKeyConstraint('seq', name=op.f('pk_conversations')),
        sa.UniqueConstraint('id', name=op.f('uq_conversations_id')),
        sqlite_autoincrement=True
    )
    op.create_index('ix_conversations_activity', 'conversations', ['activity'], unique=True)
    op.create_table('counters',
        sa.Column('name', sa.String(length=32), nullable=False),
        sa.Column('value', sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint('name', name=op.f('pk_counters'))
    )
    op.create_table('drafts',
        sa.Column('key', sa.String(length=64), nullable=False),
        sa.Column('text', sa.Text(), nullable=False),
        sa.Column('updated_at', sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint('key', name=op.f('pk_drafts'))
    )
    op.create_table('preferences',
        sa.Column('key', sa.String(length=128), nullable=False),
        sa.Column('value', sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint('key', name=op.f('pk_preferences'))
    )
    op.create_table('messages',
        sa.Column('seq', sa.Integer(), autoincrement=True, nullable=False),
        sa.Column('id', sa.String(length=36), nullable=False),
        sa.Column('conversation_id', sa.String(length=36), nullable=False),
        sa.Column('parent_id', sa.String(length=36), nullable=True),
        sa.Column('depth', sa.Integer(), nullable=False),
        sa.Column('role', sa.String(length=16), nullable=False),
        sa.Column('text', sa.Text(), nullable=False),
        sa.Column('reasoning', sa.Text(), nullable=False),
        sa.Column('status', sa.String(length=16), nullable=False),
        sa.Column('mode', sa.String(length=64), nullable=False),
        sa.Column('reply', sa.JSON(none_as_null=True), nullable=True),
        sa.Column('failure', sa.JSON(none_as_null=True), nullable=True),
        sa.Column('edited_from', sa.String(length=36), nullable=True),
        sa.Column('created_at', sa.DateTime(), nullable=False),
        sa.Column('updated_at', sa.DateTime(), nullable=False),
        sa.Column('trashed_at', sa.DateTime(), nullable=True),
        sa.Column('trashed_head', sa.String(length=36), nullable=True),
        sa.CheckConstraint("role in ('system','user','assistant')", name=op.f('ck_messages_role')),
        sa.CheckConstraint("status in ('streaming','complete','stopped','failed','interrupted')", name=op.f('ck_messages_status')),
        sa.ForeignKeyConstraint(['conversation_id'], ['conversations.id'], name=op.f('fk_messages_conversation_id')),
        sa.ForeignKeyConstraint(['parent_id'], ['messages.id'], name=op.f('fk_messages_parent_id')),
        sa.PrimaryKeyConstraint('seq', name=op.f('pk_messages')),
        sa.UniqueConstraint('id', name=op.f('uq_messages_id')),
        sqlite_autoincrement=True
    )
    op.create_index('ix_messages_children', 'messages', ['conversation_id', 'parent_id', 'seq'], unique=False)
    op.create_index('ix_messages_streaming', 'messages', ['status'], unique=False, sqlite_where=sa.text("status = 'streaming'"))
    op.create_table('token_probabilities',
        sa.Column('message_id', sa.String(length=36), nullable=False),
        sa.Column('data', sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(['message_id'], ['messages.id'], name=op.f('fk_token_probabilities_message_id')),
        sa.PrimaryKeyConstraint('message_id', name=op.f('pk_token_probabilities'))
    )
