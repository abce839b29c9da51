"""With each message the values of its mode's fields, and with a person's what the mode made of it."""
import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    # Without a default: a column that may be empty costs nothing, however many messages there are.
    op.add_column('messages', sa.Column('fields', sa.JSON(), nullable=True))
    op.add_column('messages', sa.Column('sent', sa.Text(), nullable=True))
    op.add_column('conversations', sa.Column('fields', sa.JSON(), nullable=True))
