"""channels: how they are, their alarms and canaries; tokens, lines and parts of messages

Revision ID: 5b1d0a4c7e21
Revises: 7736a6dfae19

Rules: add first, remove a release later; no rewrite of a large table under a lock; up and down
are both run in the tests, on both databases.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "5b1d0a4c7e21"
down_revision = "7736a6dfae19"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
_ALARM_KIND = sa.Enum(
    "credit",
    "account",
    "unreachable",
    "down",
    "deaf",
    "sim",
    "signal",
    "battery",
    "backlog",
    "canary",
    "flood",
    "lockout",
    "destination",
    name="alarmkind",
    native_enum=False,
    create_constraint=True,
    length=24,
)
_FAULT = sa.Enum(
    "throttled", "sim", name="fault", native_enum=False, create_constraint=True, length=24
)
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
        batch_op.add_column(sa.Column("line", sa.Text(), nullable=True))
        batch_op.add_column(
            sa.Column("refused_by", _JSON, nullable=False, server_default=sa.text("'[]'"))
        )
        batch_op.add_column(
            sa.Column("is_bound", sa.Boolean(), nullable=False, server_default=sa.false())
        )
        batch_op.create_index(
            "ix_outbox_channel_claimed_at", ["channel", "claimed_at"], unique=False
        )
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.alter_column("refused_by", existing_type=_JSON, server_default=None)
        batch_op.alter_column("is_bound", existing_type=sa.Boolean(), server_default=None)
    with op.batch_alter_table("inbox", schema=None) as batch_op:
        for name in ("part_reference", "part_number", "part_total"):
            batch_op.add_column(sa.Column(name, sa.Integer(), nullable=True))
    with op.batch_alter_table("delivery_reports", schema=None) as batch_op:
        batch_op.add_column(sa.Column("fault", _FAULT, nullable=True))
    with op.batch_alter_table("poll_cursors", schema=None) as batch_op:
        batch_op.add_column(sa.Column("begun_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE poll_cursors SET begun_at = polled_at")
    with op.batch_alter_table("poll_cursors", schema=None) as batch_op:
        batch_op.alter_column("begun_at", existing_type=sa.DateTime(timezone=True), nullable=False)
    op.create_table(
        "channel_states",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("paused_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("pause_reason", sa.Text(), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("heard_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("inbound_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("is_up", sa.Boolean(), nullable=True),
        sa.Column("says", sa.Text(), nullable=True),
        sa.Column("signal", sa.Integer(), nullable=True),
        sa.Column("battery", sa.Integer(), nullable=True),
        sa.Column("balance", sa.Text(), nullable=True),
        sa.Column("backlog", sa.Integer(), nullable=True),
        sa.Column("up_since", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("channel", name=op.f("pk_channel_states")),
    )
    op.create_table(
        "alarms",
        sa.Column("id", _ID, nullable=False),
        sa.Column("kind", _ALARM_KIND, nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("says", sa.Text(), nullable=False),
        sa.Column("raised_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("again_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cleared_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alarms")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("alarms", schema=None) as batch_op:
        batch_op.create_index(
            "uq_alarms_open",
            ["kind", "subject"],
            unique=True,
            sqlite_where=sa.text("cleared_at IS NULL"),
            postgresql_where=sa.text("cleared_at IS NULL"),
        )
    op.create_table(
        "canaries",
        sa.Column("id", _ID, nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("outbound_id", _ID, nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("came_by", sa.Text(), nullable=True),
        sa.Column("back_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["outbound_id"], ["outbox.id"], name=op.f("fk_canaries_outbound_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_canaries")),
        sa.UniqueConstraint("token", name=op.f("uq_canaries_token")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("canaries", schema=None) as batch_op:
        batch_op.create_index("ix_canaries_channel_id", ["channel", "id"], unique=False)
    op.create_table(
        "evidence",
        sa.Column("id", _ID, nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("inbox_id", _ID, nullable=True),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["inbox_id"], ["inbox.id"], name=op.f("fk_evidence_inbox_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evidence")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("evidence", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_evidence_inbox_id"), ["inbox_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_evidence_received_at"), ["received_at"], unique=False)


def downgrade() -> None:
    op.drop_table("evidence")
    op.drop_table("canaries")
    op.drop_table("alarms")
    op.drop_table("channel_states")
    op.drop_column("poll_cursors", "begun_at")
    with op.batch_alter_table("delivery_reports", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("ck_delivery_reports_fault"), type_="check")
        batch_op.drop_column("fault")
    # Not by a new table: the outbox refers to this one, and SQLite would not let it go.
    for name in ("part_total", "part_number", "part_reference"):
        op.drop_column("inbox", name)
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.drop_index("ix_outbox_channel_claimed_at")
        batch_op.drop_column("is_bound")
        batch_op.drop_column("refused_by")
        batch_op.drop_column("line")
        batch_op.drop_constraint(batch_op.f("uq_outbox_token"), type_="unique")
        batch_op.drop_column("token")
