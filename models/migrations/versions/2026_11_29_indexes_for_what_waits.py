"""indexes for what waits for a person, and for who sent a message

Revision ID: 3c9e5a7d10b4
Revises: 5b1d0a4c7e21

All but one are of a few rows: what needs nobody is in none of them.
"""

import sqlalchemy as sa
from alembic import op

revision = "3c9e5a7d10b4"
down_revision = "5b1d0a4c7e21"
branch_labels = None
depends_on = None

_INDEXES = (
    ("ix_reporters_phone_id", "reporters", ["phone_id"], None),
    (
        "ix_inbox_for_a_person",
        "inbox",
        ["id"],
        "(outcome IN ('chat', 'operator') OR set_aside_at IS NOT NULL)",
    ),
    ("ix_inbox_set_aside", "inbox", ["id"], "set_aside_at IS NOT NULL"),
    (
        "ix_reports_for_a_person",
        "reports",
        ["village_code", "id"],
        "(state = 'draft' OR (NOT verified AND state <> 'invalid'))",
    ),
    (
        "ix_report_events_withdrawal_asked",
        "report_events",
        ["report_id"],
        "event = 'withdrawal_asked'",
    ),
    ("ix_outbox_unconfirmed", "outbox", ["id"], "status = 'unconfirmed'"),
)


def upgrade() -> None:
    for name, table, columns, which in _INDEXES:
        where = None if which is None else sa.text(which)
        op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    for name, table, _, _ in reversed(_INDEXES):
        op.drop_index(name, table_name=table)
