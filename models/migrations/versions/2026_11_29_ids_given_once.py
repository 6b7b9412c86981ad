"""ids that SQLite gives once only

Revision ID: 8d1f60b2a9c3
Revises: 3c9e5a7d10b4

SQLite gives an id again after its row is deleted, unless the table says AUTOINCREMENT; three tables
lost that word when an earlier migration made them anew.
"""

import sqlalchemy as sa
from alembic import op

revision = "8d1f60b2a9c3"
down_revision = "3c9e5a7d10b4"
branch_labels = None
depends_on = None


def upgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name != "sqlite":
        return
    tables = connection.execute(
        sa.text("SELECT name, sql FROM sqlite_master WHERE type = 'table' ORDER BY name")
    ).all()
    for name, made_by in tables:
        if "id INTEGER NOT NULL" in made_by and "AUTOINCREMENT" not in made_by:
            with op.batch_alter_table(
                name, recreate="always", table_kwargs={"sqlite_autoincrement": True}
            ):
                pass


def downgrade() -> None:
    """Leave them so: it takes nothing from an older version."""
