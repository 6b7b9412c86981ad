"""Transactions: sessions, the turnstile of SQLite's one writer, and how long a turn is.

Two kinds of transaction are given out. `writing()` takes its place in the queue of writers on
SQLite; `reading()` never waits for a writer on either database. Only entry points (a webhook, a
job, a sweep, a command) open them; what lies below takes a Session and never commits.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import event, exc
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

#: What a caller may see when the database cannot be had now: nothing was kept, so say "send again".
UNAVAILABLE = (exc.OperationalError, exc.InterfaceError, exc.TimeoutError, exc.InternalError)

#: What a table that is not there raises on either database.
NOT_MIGRATED = (exc.OperationalError, exc.ProgrammingError)

#: How many rows one holder of the turnstile may drain before it lets others pass, how many of them
#: together, and after how many seconds it begins no other round: a slow machine drains one round a
#: turn. Measured on such a one, a writer beside a drain loop waits 82 ms (p99), and with rounds of
#: ten 137; without the turnstile it waited seconds.
_SQLITE_ROWS = 10
_SQLITE_ROUND = 5
_SQLITE_TURN = 0.020
#: PostgreSQL makes no writer wait for another: a turn there is bounded by its rows, whose phones it
#: keeps from other workers, and which are done again when it fails.
_POSTGRES_ROWS = 100
#: No turn lasts longer, in seconds. Only this one cuts a round short: most of what a round costs on
#: a slow machine is what is looked up for all of it before its first row is done.
_LONGEST_TURN = 5.0
#: A connection that was in use so many seconds ago is taken to be alive.
_FRESH_FOR = 1.0
_USED_AT = "timpora_used_at"


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

    def __init__(self, rows: int, rows_a_round: int, seconds: float) -> None:
        """Begin the turn now; after so many seconds no round begins."""
        self.rows = rows
        self.rows_a_round = rows_a_round
        self._taken = 0
        self._began = time.monotonic()
        self._seconds = seconds

    def goes_on(self) -> bool:
        """Say whether another round may begin; the first one always."""
        return not self._taken or self._lasts_less_than(self._seconds)

    def take(self) -> bool:
        """Take one more row, if rows and time are left; the first one always.

        A turn that took none would look like an empty inbox.
        """
        is_over = self._taken >= self.rows or not self._lasts_less_than(_LONGEST_TURN)
        if self._taken and is_over:
            return False
        self._taken += 1
        return True

    def _lasts_less_than(self, seconds: float) -> bool:
        return time.monotonic() < self._began + seconds


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
                pool_timeout=5,
                connect_args={
                    "connect_timeout": 3,
                    # In UTC: a moment near the end of time cannot be shown in a zone to the east.
                    "options": "-c timezone=UTC -c statement_timeout=15000 -c lock_timeout=5000"
                    " -c idle_in_transaction_session_timeout=60000",
                },
            )
            event.listen(self.engine, "checkin", _note_time)
            event.listen(self.engine, "checkout", _try_unless_just_used)
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
    def migrating(self) -> Iterator[Session]:
        """One transaction that may make tables anew, to which others refer.

        SQLite would delete their rows, or refuse; so it looks at references only at the end.
        """
        if not self.is_sqlite:
            with self.writing() as session:
                yield session
            return
        engine = sa.create_engine(self.url, poolclass=sa.NullPool, hide_parameters=True)
        event.listen(engine, "connect", _open_sqlite)
        event.listen(engine, "connect", _look_at_no_references)
        event.listen(engine, "begin", _begin_sqlite)
        writer = engine.execution_options(timpora_writes=True)
        with self._turnstile.passing(), Session(writer) as session, session.begin():
            yield session
            broken = session.execute(sa.text("PRAGMA foreign_key_check")).first()
            if broken is not None:
                raise RuntimeError(f"a row of {broken[0]} refers to nothing in {broken[2]}")

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
        if self.is_sqlite:
            return Turn(_SQLITE_ROWS, _SQLITE_ROUND, _SQLITE_TURN)
        return Turn(_POSTGRES_ROWS, _POSTGRES_ROWS, _LONGEST_TURN)

    def dispose(self) -> None:
        """Close what is open."""
        self.engine.dispose()


def _note_time(_connection: DBAPIConnection, entry: ConnectionPoolEntry) -> None:
    entry.info[_USED_AT] = time.monotonic()


def _try_unless_just_used(
    connection: DBAPIConnection, entry: ConnectionPoolEntry, _given: PoolProxiedConnection
) -> None:
    # To try one each time would be a journey more for each transaction. One that has broken since
    # it was used a moment ago fails in use: then nothing was kept, and all others are tried anew.
    used_at = entry.info.get(_USED_AT)
    if used_at is None or time.monotonic() - used_at < _FRESH_FOR:
        return
    try:
        with closing(connection.cursor()) as cursor:
            cursor.execute("SELECT 1")
        connection.rollback()
    except Exception as error:
        raise exc.InvalidatePoolError from error


def _open_sqlite(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    # The driver would begin transactions by itself, too late and deferred; we say BEGIN ourselves.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=5000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _look_at_no_references(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys=OFF")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("timpora_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def is_sqlite(session: Session) -> bool:
    """Say whether a session is one of SQLite."""
    return session.get_bind().dialect.name == "sqlite"
