"""indexes that bound each look, however long the history is

Revision ID: b7c04e51d2f8
Revises: 8d1f60b2a9c3

Measured with five million reports; see docs/large-tables.md. On a large database these may be made
beforehand by hand, with CONCURRENTLY, under the same names: then nothing waits for this migration.

- What a phone reported lately is asked for at each of its texts, and by its text only among that:
  one index serves both, and the texts alone did not, as NIHIL is the same text for years.
- A report's messages: without it the whole outbox is read for each report that is deleted; the same
  for a message's canary.
- Reports by time: what came since a moment, and a month of a province. A BRIN index costs an insert
  less, but is read in whole for each look, and so grows with the table.
- The others are of a few rows: what needs nobody is in none of them.
"""

import sqlalchemy as sa
from alembic import op

revision = "b7c04e51d2f8"
down_revision = "8d1f60b2a9c3"
branch_labels = None
depends_on = None

_INDEXES: tuple[tuple[str, str, list[str], str | None], ...] = (
    ("ix_reports_phone_id_received_at", "reports", ["phone_id", "received_at"], None),
    ("ix_reports_received_at", "reports", ["received_at"], None),
    (
        "ix_reports_for_a_person_newest",
        "reports",
        ["id"],
        "(state = 'draft' OR (NOT verified AND state <> 'invalid'))",
    ),
    (
        "ix_inbox_for_a_person_phone_id",
        "inbox",
        ["phone_id", "id"],
        "(outcome IN ('chat', 'operator') OR set_aside_at IS NOT NULL)",
    ),
    ("ix_outbox_report_id", "outbox", ["report_id"], "report_id IS NOT NULL"),
    ("ix_outbox_not_sent", "outbox", ["status", "id"], "status IN ('failed', 'expired')"),
    ("ix_alarms_kind_subject_told_at", "alarms", ["kind", "subject", "told_at"], None),
    ("ix_quarantine_received_at", "quarantine", ["received_at"], None),
    ("ix_canaries_outbound_id", "canaries", ["outbound_id"], None),
    ("ix_audit_entries_copies", "audit_entries", ["id"], "action = 'backup_taken'"),
)


def upgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        # To make an index takes as long as the table is large.
        connection.execute(sa.text("SET LOCAL statement_timeout = 0"))
    for name, table, columns, which in _INDEXES:
        where = None if which is None else sa.text(which)
        op.create_index(
            name,
            table,
            columns,
            if_not_exists=True,
            sqlite_where=where,
            postgresql_where=where,
        )
    op.drop_index("ix_reports_phone_id_text_key", table_name="reports")


def downgrade() -> None:
    op.create_index("ix_reports_phone_id_text_key", "reports", ["phone_id", "text_key"])
    for name, table, _, _ in reversed(_INDEXES):
        op.drop_index(name, table_name=table)
