"""channels: tokens of outgoing messages

Revision ID: 5b1d0a4c7e21
Revises: 7736a6dfae19

Rules: add first, remove a release later; no rewrite of a large table under a lock; up and down
are both run in the tests, on both databases.
"""

import sqlalchemy as sa
from alembic import op

revision = "5b1d0a4c7e21"
down_revision = "7736a6dfae19"
branch_labels = None
depends_on = None

_RANDOM = {
    "sqlite": "lower(hex(randomblob(8)))",
    "postgresql": "substr(md5(random()::text || id::text), 1, 16)",
}


def upgrade() -> None:
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.add_column(sa.Column("token", sa.Text(), nullable=True))
    op.execute(f"UPDATE outbox SET token = {_RANDOM[op.get_bind().dialect.name]}")  # noqa: S608
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.alter_column("token", existing_type=sa.Text(), nullable=False)
        batch_op.create_unique_constraint(batch_op.f("uq_outbox_token"), ["token"])


def downgrade() -> None:
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("uq_outbox_token"), type_="unique")
        batch_op.drop_column("token")
