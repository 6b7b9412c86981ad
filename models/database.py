"""The one module that knows which database it is: sessions, the turnstile, locks, conflicts.

Two kinds of transaction are given out. `writing()` takes its place in the queue of writers on
SQLite; `reading()` never waits for a writer on either database. Only entry points (a webhook, a
job, a sweep, a command) open them; what lies below takes a Session and never commits.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import event, exc
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.orm import InstrumentedAttribute, Session
from sqlalchemy.pool import ConnectionPoolEntry

#: What a caller may see when the database cannot be had now: nothing was kept, so say "send again".
UNAVAILABLE = (exc.OperationalError, exc.InterfaceError, exc.TimeoutError, exc.InternalError)

#: What a table that is not there raises on either database.
NOT_MIGRATED = (exc.OperationalError, exc.ProgrammingError)

#: How long one holder may keep the turnstile before it lets others pass, in seconds, and how many
#: rows it may drain in that time. Measured: with these a writer beside a drain loop waits 13 ms
#: (p99), without the turnstile it waited seconds.
_SQLITE_TURN = 0.020
_SQLITE_ROWS = 10
#: PostgreSQL makes no writer wait for another: a turn there is bounded by its rows alone, whose
#: phones it keeps from other workers, and which are done again when it fails.
_POSTGRES_TURN = 5.0
_POSTGRES_ROWS = 100


V = TypeVar("V")


class Turnstile:
    """A fair lock across processes for SQLite's one writer.

    SQLite's own busy handler polls, so whoever asks most often wins and a draining worker starves
    everyone. Here a writer first takes the gate, then waits in it for the room, and opens the gate
    when it is in: whoever leaves the room must queue at the gate behind those who already wait.
    """

    def __init__(self, database: Path) -> None:
        """Put the two lock files beside the database file."""
        self._gate = f"{database}.gate"
        self._room = f"{database}.room"

    @contextmanager
    def passing(self) -> Iterator[None]:
        """Be the one writer for the length of the block."""
        # The files are opened anew each time: a descriptor that a fork inherits shares its lock.
        gate = os.open(self._gate, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(gate, fcntl.LOCK_EX)
            room = os.open(self._room, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(room, fcntl.LOCK_EX)
            except BaseException:
                os.close(room)
                raise
        finally:
            os.close(gate)
        try:
            yield
        finally:
            os.close(room)


class Turn:
    """How much of a turn is left; a drain stops when it is over, so that others may write."""

    def __init__(self, rows: int, seconds: float) -> None:
        """Begin the turn now."""
        self.rows = rows
        self._taken = 0
        self._until = time.monotonic() + seconds

    def take(self) -> bool:
        """Take one more row, if rows and time are left; the first one always.

        A turn that took none would look like an empty inbox.
        """
        if self._taken and (self._taken >= self.rows or time.monotonic() >= self._until):
            return False
        self._taken += 1
        return True


class Database:
    """The database of one process."""

    def __init__(self, url: str | URL) -> None:
        """Prepare to connect; nothing is opened until the first transaction."""
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        if self.is_sqlite:
            self.engine = sa.create_engine(self.url, pool_size=20, hide_parameters=True)
            event.listen(self.engine, "connect", _open_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)
            self._turnstile = Turnstile(Path(self.url.database or "timpora.db"))
        else:
            self.engine = sa.create_engine(
                self.url,
                hide_parameters=True,
                pool_size=10,
                pool_pre_ping=True,
                pool_timeout=5,
                connect_args={
                    "connect_timeout": 3,
                    # In UTC: a moment near the end of time cannot be shown in a zone to the east.
                    "options": "-c timezone=UTC -c statement_timeout=15000 -c lock_timeout=5000"
                    " -c idle_in_transaction_session_timeout=60000",
                },
            )
        self._writer = self.engine.execution_options(timpora_writes=True)

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """One transaction that writes: committed at the end of the block, or not at all."""
        with (
            self._turnstile.passing() if self.is_sqlite else nullcontext(),
            Session(self._writer, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """One transaction that only reads."""
        with Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    @property
    def rows_a_turn(self) -> int:
        """Say how many rows one transaction may work off."""
        return _SQLITE_ROWS if self.is_sqlite else _POSTGRES_ROWS

    def turn(self) -> Turn:
        """Begin a turn, as long as this database lets one writer have it."""
        return Turn(self.rows_a_turn, _SQLITE_TURN if self.is_sqlite else _POSTGRES_TURN)

    def dispose(self) -> None:
        """Close what is open."""
        self.engine.dispose()


def _open_sqlite(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    # The driver would begin transactions by itself, too late and deferred; we say BEGIN ourselves.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=5000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("timpora_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def insert_unless_there(
    session: Session,
    model: type[Any],
    values: Mapping[str, Any],
    returning: InstrumentedAttribute[V],
) -> V | None:
    """Insert a row and return one column of it, or None where any unique constraint forbids it."""
    insert = sqlite.insert if _is_sqlite(session) else postgresql.insert
    statement = insert(model).values(**values).on_conflict_do_nothing().returning(returning)
    return session.execute(statement).scalar_one_or_none()


def insert_many_unless_there(
    session: Session, model: type[Any], values: Sequence[Mapping[str, Any]]
) -> None:
    """Insert many rows; those that a unique constraint forbids are left out."""
    if values:
        insert = sqlite.insert if _is_sqlite(session) else postgresql.insert
        session.connection().execute(
            insert(model.__table__).on_conflict_do_nothing(), [dict(one) for one in values]
        )


def insert_each_unless_there(
    session: Session,
    model: type[Any],
    values: Sequence[Mapping[str, Any]],
    returning: Sequence[InstrumentedAttribute[Any]],
) -> Sequence[Sequence[Any]]:
    """Insert many rows, and return columns of those that no unique constraint forbids.

    All rows name the same columns; of several alike the first is inserted.
    """
    if not values:
        return []
    insert = sqlite.insert if _is_sqlite(session) else postgresql.insert
    statement = insert(model.__table__).on_conflict_do_nothing()
    table = model.__table__.c
    columns = [table[column.key] for column in returning]
    done = session.connection().execute(
        statement.returning(*columns), [dict(one) for one in values]
    )
    return done.all()


def insert_or_count(
    session: Session,
    model: type[Any],
    values: Mapping[str, Any],
    unique: list[str],
    counter: str,
) -> None:
    """Insert a row, or add one to the counter of the row that has the same unique columns."""
    insert = sqlite.insert if _is_sqlite(session) else postgresql.insert
    column = getattr(model, counter)
    session.execute(
        insert(model)
        .values(**values)
        .on_conflict_do_update(index_elements=unique, set_={counter: column + 1})
    )


def for_each(
    session: Session,
    types: Mapping[str, sa.types.TypeEngine[Any]],
    keys: Sequence[Mapping[str, Any]],
    select: Callable[[Mapping[str, sa.ColumnElement[Any]]], sa.Select[Any]],
) -> Sequence[Sequence[Any]]:
    """Give what a query finds for each of several keys, in the order in which it finds it.

    `types` names the parts of a key; `select` makes the query from columns of those names. On
    PostgreSQL it is one statement; SQLite, which is no network away, is asked for each key.
    """
    if _is_sqlite(session):
        found: list[Sequence[Any]] = []
        for key in keys:
            columns = {name: sa.literal(key[name], type_) for name, type_ in types.items()}
            found += session.execute(select(columns)).all()
        return found
    arrays = [
        sa.cast([key[name] for key in keys], postgresql.ARRAY(type_))
        for name, type_ in types.items()
    ]
    named = (sa.column(name, type_) for name, type_ in types.items())
    table = sa.func.unnest(*arrays).table_valued(*named, joins_implicitly=True)
    table = table.render_derived(name="key")
    each = select({name: table.c[name] for name in types}).lateral("found")
    return session.execute(sa.select(each).select_from(sa.join(table, each, sa.true()))).all()


def lock_name(session: Session, name: str) -> None:
    """Hold a lock of that name until the transaction ends; wait for it.

    SQLite needs none: a writing transaction is alone.
    """
    lock_names(session, [name])


def lock_names(session: Session, names: Iterable[str]) -> None:
    """Hold locks of several names, taken in one order by whoever takes them."""
    wanted = sorted(set(names))
    if wanted and not _is_sqlite(session):
        name = sa.func.unnest(sa.cast(wanted, postgresql.ARRAY(sa.Text))).column_valued("name")
        key = sa.func.hashtextextended(name, 0)
        session.execute(sa.select(sa.func.pg_advisory_xact_lock(key)))


def try_to_lock(session: Session, space: str, ids: Iterable[int], most: int) -> set[int]:
    """Lock at most so many of these ids, in order, until the transaction ends; say which.

    What somebody else holds is passed over, never waited for.
    """
    wanted = list(dict.fromkeys(ids))
    if _is_sqlite(session):
        return set(wanted[:most])
    locked: set[int] = set()
    while wanted and len(locked) < most:
        # Only as many as are still needed are tried: a lock that is taken is kept to the end.
        some, wanted = wanted[: most - len(locked)], wanted[most - len(locked) :]
        id_ = sa.func.unnest(sa.cast(some, postgresql.ARRAY(sa.BigInteger))).column_valued("id")
        key = sa.func.hashtextextended(sa.literal(f"{space}:") + sa.cast(id_, sa.Text), 0)
        rows = session.execute(sa.select(id_, sa.func.pg_try_advisory_xact_lock(key)))
        locked |= {row[0] for row in rows if row[1]}
    return locked


def _is_sqlite(session: Session) -> bool:
    return session.get_bind().dialect.name == "sqlite"
