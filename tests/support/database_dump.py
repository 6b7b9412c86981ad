"""Everything that stands in the product's database, read behind its back."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa


@contextmanager
def connected(url: str) -> Iterator[sa.Connection]:
    """Give a connection of our own for the length of a with block."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def dump_database(url: str) -> dict[str, list[dict[str, Any]]]:
    """Return every row of every table."""
    with connected(url) as connection:
        metadata = sa.MetaData()
        metadata.reflect(connection)
        return {
            table.name: [dict(row) for row in connection.execute(sa.select(table)).mappings()]
            for table in metadata.sorted_tables
        }


def cells(dump: dict[str, list[dict[str, Any]]]) -> Iterator[tuple[str, str]]:
    """Yield each value as text, with table and column."""
    for table, rows in dump.items():
        for row in rows:
            for column, value in row.items():
                if value is not None:
                    readable = value.decode("latin-1") if isinstance(value, bytes) else str(value)
                    yield f"{table}.{column}", readable
