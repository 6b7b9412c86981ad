"""an index of what is more urgent than `nothing to report`, by time

Revision ID: e2a95c70b416
Revises: b7c04e51d2f8

The latest of a province show the urgent ones first: a few thousand in a month, which were looked
for among all that say that there is nothing. On a large database it may be made beforehand by hand,
with CONCURRENTLY, under the same name.
"""

import sqlalchemy as sa
from alembic import op

revision = "e2a95c70b416"
down_revision = "b7c04e51d2f8"
branch_labels = None
depends_on = None


def upgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        # To make an index takes as long as the table is large.
        connection.execute(sa.text("SET LOCAL statement_timeout = 0"))
    which = sa.text("urgency <> 'info'")
    op.create_index(
        "ix_reports_above_info_received_at",
        "reports",
        ["received_at", "village_code"],
        if_not_exists=True,
        sqlite_where=which,
        postgresql_where=which,
    )


def downgrade() -> None:
    op.drop_index("ix_reports_above_info_received_at", table_name="reports")
