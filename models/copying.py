"""Reading a whole database out of a running gateway, and writing one in, on either kind.

Tables are taken as they are found and not from the models, so that a database of an older schema
can be copied too. Rows cross over as lists of plain JSON values: moments as ISO texts in UTC.
Like models.database, this knows which database it is.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from models.database.engine import Database

#: What Alembic keeps for itself: the copy carries the revision by name.
_NOT_COPIED = "alembic_version"
#: So many rows are in memory at once.
ROWS_AT_ONCE = 500

#: SQLite makes the row of a sequence with the first row of its table.
_BEGIN_SEQUENCE = """
INSERT INTO sqlite_sequence (name, seq)
SELECT :name, 0 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = :name)
"""
_RAISE_SEQUENCE = "UPDATE sqlite_sequence SET seq = max(seq, :highest) WHERE name = :name"

Row = list[Any]


class NotStorable(Exception):
    """A database refuses a row of another one; the text names table and row."""


class Snapshot:
    """Every row of every table as they stood at one moment, and the ids that were ever given."""

    def __init__(self, connection: sa.Connection) -> None:
        """See the tables; the moment is that of the transaction."""
        self._connection = connection
        self._tables = {table.name: table for table in tables_of(connection)}

    @property
    def tables(self) -> Sequence[str]:
        """Name the tables, each after those that it refers to."""
        return tuple(self._tables)

    def columns(self, table: str) -> list[str]:
        """Name a table's columns in their order."""
        return [column.name for column in self._tables[table].columns]

    def rows(self, table: str) -> Iterator[Row]:
        """Give a table's rows by their keys, a few in memory at a time."""
        found = self._tables[table]
        columns = list(found.columns)
        query = sa.select(found).order_by(*found.primary_key.columns)
        streamed = self._connection.execution_options(yield_per=ROWS_AT_ONCE).execute(query)
        for row in streamed:
            yield [_plain(column, value) for column, value in zip(columns, row, strict=True)]

    def highest_id(self, table: str) -> int:
        """Give the highest id that a numbered table ever gave, deleted rows included; else 0."""
        return _highest_id(self._connection, self._tables[table])


@contextmanager
def snapshot(database: Database) -> Iterator[Snapshot]:
    """Look at one moment for as long as the block lasts; nobody waits for it.

    SQLite keeps what is overwritten meanwhile in its write-ahead log, which grows by that.
    PostgreSQL would cut off a transaction that is idle while a slow disk writes.
    """
    with database.engine.connect() as plain:
        connection = plain
        if not database.is_sqlite:
            connection = plain.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
        with connection.begin():
            if not database.is_sqlite:
                for limit in ("statement_timeout", "idle_in_transaction_session_timeout"):
                    connection.exec_driver_sql(f"SET LOCAL {limit} = 0")
            yield Snapshot(connection)


def tables_of(connection: sa.Connection) -> list[sa.Table]:
    """Find the tables that hold rows of ours, each after those that it refers to."""
    metadata = sa.MetaData()
    metadata.reflect(connection)
    found = [table for table in metadata.sorted_tables if table.name != _NOT_COPIED]
    for table in found:
        for column in table.columns:
            if isinstance(column.type, sa.JSON):
                # A value that is not there is not the JSON value null.
                json = sa.JSON(none_as_null=True)
                column.type = json.with_variant(JSONB(none_as_null=True), "postgresql")
    return found


def count_rows(connection: sa.Connection) -> dict[str, int]:
    """Count the rows of each table that has any."""
    counts = {
        table.name: connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0
        for table in tables_of(connection)
    }
    return {name: count for name, count in counts.items() if count}


def keep_others_out(connection: sa.Connection) -> None:
    """Let nobody write into any table until the transaction ends; SQLite's writer is alone."""
    if connection.dialect.name == "postgresql":
        names = ", ".join(f'"{table.name}"' for table in tables_of(connection))
        connection.exec_driver_sql(f"LOCK TABLE {names} IN EXCLUSIVE MODE")


def insert(
    connection: sa.Connection, table: sa.Table, columns: Sequence[str], rows: Iterable[Row]
) -> None:
    """Insert rows, a few at a time; raise NotStorable for one that this database refuses."""
    targets = [table.columns[name] for name in columns]
    some: list[dict[str, Any]] = []

    def write() -> None:
        try:
            connection.execute(sa.insert(table), some)
        except (sa.exc.DataError, sa.exc.IntegrityError, sa.exc.ProgrammingError) as error:
            first = next(iter(some[0].values()))
            kind = type(error.orig).__name__
            raise NotStorable(
                f"table {table.name}: this database refuses one of the {len(some)} rows from"
                f" {first} on ({kind})"
            ) from None
        some.clear()

    for row in rows:
        values = zip(targets, row, strict=True)
        some.append({column.name: _typed(column, value) for column, value in values})
        if len(some) >= ROWS_AT_ONCE:
            write()
    if some:
        write()


def give_no_id_up_to(connection: sa.Connection, table: sa.Table, highest: int) -> None:
    """Let a numbered table go on after this id, whatever it holds; others are left alone."""
    if not is_numbered(table) or highest < 1:
        return
    if connection.dialect.name == "sqlite":
        named = {"name": table.name, "highest": highest}
        connection.execute(sa.text(_BEGIN_SEQUENCE), named)
        connection.execute(sa.text(_RAISE_SEQUENCE), named)
    else:
        connection.execute(sa.select(sa.func.setval(_sequence(table), highest)))


def is_numbered(table: sa.Table) -> bool:
    """Say whether the database itself numbers the rows of a table."""
    keys = list(table.primary_key.columns)
    return len(keys) == 1 and keys[0].name == "id" and isinstance(keys[0].type, sa.Integer)


def _highest_id(connection: sa.Connection, table: sa.Table) -> int:
    if not is_numbered(table):
        return 0
    # Beside the sequence, as not every table of SQLite has one: what is there was given for sure.
    there = connection.scalar(sa.select(sa.func.max(table.c.id))) or 0
    return max(there, _last_of_sequence(connection, table))


def _last_of_sequence(connection: sa.Connection, table: sa.Table) -> int:
    if connection.dialect.name == "sqlite":
        query = sa.text("SELECT seq FROM sqlite_sequence WHERE name = :name")
        return connection.scalar(query, {"name": table.name}) or 0
    # None where it has given none yet. A sequence belongs to no transaction: this may be higher
    # than what the snapshot holds, never lower.
    last = connection.scalar(sa.select(sa.func.pg_sequence_last_value(_sequence(table))))
    return last or 0


def _sequence(table: sa.Table) -> sa.ColumnElement[Any]:
    named = sa.func.pg_get_serial_sequence(f'"{table.name}"', "id")
    return sa.cast(named, sa.dialects.postgresql.REGCLASS)


def _plain(column: sa.Column[Any], value: Any) -> Any:  # noqa: ANN401  # any column's value
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    if isinstance(column.type, sa.Boolean) and value is not None:
        return bool(value)
    return value


def _typed(column: sa.Column[Any], value: Any) -> Any:  # noqa: ANN401  # any column's value
    if isinstance(column.type, sa.DateTime) and value is not None:
        moment = datetime.fromisoformat(value)
        # SQLite keeps no zone: what stands there is UTC.
        return moment if column.type.timezone else moment.replace(tzinfo=None)
    return value
