"""indexes by which what lies in an area is found, however a server sorts texts

Revision ID: e2a95c70b416
Revises: b7c04e51d2f8

What lies in an area is found by how its code begins, which an index serves only if it sorts texts
by their bytes; most servers do not. On a large database these may be made beforehand by hand, with
CONCURRENTLY, under the same names.
"""

import sqlalchemy as sa
from alembic import op

revision = "e2a95c70b416"
down_revision = "b7c04e51d2f8"
branch_labels = None
depends_on = None

_FOR_A_PERSON = sa.text("(state = 'draft' OR (NOT verified AND state <> 'invalid'))")
_NEWEST = "ix_reports_for_a_person_newest"
_BY_TIME = "ix_reports_village_code_received_at"
#: Each with the column that is found by its beginning first.
_BY_PREFIX: tuple[tuple[str, str, list[str], sa.TextClause | None], ...] = (
    ("ix_reports_village_prefix_received_at", "reports", ["village_code", "received_at"], None),
    ("ix_reports_for_a_person_prefix", "reports", ["village_code", "id"], _FOR_A_PERSON),
    ("ix_villages_code_prefix", "villages", ["code"], None),
    ("ix_reporters_village_prefix", "reporters", ["village_code"], None),
)


def upgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        # To make an index takes as long as the table is large.
        connection.execute(sa.text("SET LOCAL statement_timeout = 0"))
    for name, table, columns, which in _BY_PREFIX:
        op.create_index(
            name,
            table,
            columns,
            if_not_exists=True,
            postgresql_ops={columns[0]: "text_pattern_ops"},
            sqlite_where=which,
            postgresql_where=which,
        )
    op.drop_index(_BY_TIME, table_name="reports", if_exists=True)
    _make_newest(["id", "village_code"])


def downgrade() -> None:
    _make_newest(["id"])
    op.create_index(_BY_TIME, "reports", ["village_code", "received_at"])
    for name, table, _, _ in reversed(_BY_PREFIX):
        op.drop_index(name, table_name=table)


def _make_newest(columns: list[str]) -> None:
    op.drop_index(_NEWEST, table_name="reports")
    op.create_index(
        _NEWEST,
        "reports",
        columns,
        sqlite_where=_FOR_A_PERSON,
        postgresql_where=_FOR_A_PERSON,
    )
