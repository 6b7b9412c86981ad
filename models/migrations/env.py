"""Run one migration after the other, each database under its own lock."""

from typing import Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext

from models.base import BigId, Json, UtcDateTime
from models.database.engine import Database
from models.database.locks import lock_name
from models.schema import metadata

database: Database = context.config.attributes["database"]


def render_item(kind: str, item: object, autogen: AutogenContext) -> str | Literal[False]:
    """Write our types as plain SQLAlchemy, so that an old migration never changes with the code."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and item is BigId:
        return 'sa.BigInteger().with_variant(sa.Integer(), "sqlite")'
    if kind == "type" and item is Json:
        autogen.imports.add("from sqlalchemy.dialects.postgresql import JSONB")
        return 'sa.JSON().with_variant(JSONB(), "postgresql")'
    return False


def run() -> None:
    """Run them in one transaction; two processes that start at once wait for each other."""
    with database.migrating() as session:
        connection = session.connection()
        lock_name(session, "migrations")
        context.configure(
            connection=connection,
            target_metadata=metadata,
            render_item=render_item,
            render_as_batch=database.is_sqlite,
            compare_type=True,
            transaction_per_migration=False,
        )
        context.run_migrations()


run()
