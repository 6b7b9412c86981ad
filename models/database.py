"""The one module that knows which database it is: sessions, the turnstile, locks, conflicts.

Two kinds of transaction are given out. `writing()` takes its place in the queue of writers on
SQLite; `reading()` never waits for a writer on either database. Only entry points (a webhook, a
job, a sweep, a command) open them; what lies below takes a Session and never commits.
"""

import fcntl
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from functools import cache
from pathlib import Path
from typing import Any, Protocol, TypeVar

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


def _look_at_no_references(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys=OFF")
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


def insert_rows(session: Session, model: type[Any], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows that name the same columns, and read nothing of them back.

    On PostgreSQL each column travels as one array: with a value for each row and column the driver
    would spend more on the statement than the server on its rows.
    """
    if not rows:
        return
    table = model.__table__
    if _is_sqlite(session):
        session.connection().execute(sa.insert(table), [dict(row) for row in rows])
        return
    names = tuple(rows[0])
    arrays = {name: [row[name] for row in rows] for name in names}
    session.connection().execute(_insert_arrays(table, names), arrays)


@cache
def _insert_arrays(table: sa.Table, names: tuple[str, ...]) -> sa.Insert:
    types = [table.c[name].type for name in names]
    arrays = [
        sa.cast(sa.bindparam(name, type_=(of := postgresql.ARRAY(type_, dimensions=1))), of)
        for name, type_ in zip(names, types, strict=True)
    ]
    columns = (sa.column(name, type_) for name, type_ in zip(names, types, strict=True))
    given = sa.func.unnest(*arrays).table_valued(*columns).render_derived(name="given")
    return sa.insert(table).from_select(list(names), sa.select(*given.c), include_defaults=False)


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


def is_one_of(
    session: Session, column: InstrumentedAttribute[V], values: Iterable[V]
) -> sa.ColumnElement[bool]:
    """Tell rows of which a column has one of some values.

    On PostgreSQL the values travel as one array: with a parameter for each, the driver would read
    another statement for each number of values.
    """
    wanted = list(values)
    if _is_sqlite(session):
        return column.in_(wanted)
    return column == sa.any_(sa.literal(wanted, postgresql.ARRAY(column.type)))


def is_far(session: Session) -> bool:
    """Say whether a statement is a journey, so that it pays to ask for much at once."""
    return not _is_sqlite(session)


def draw_ids(session: Session, model: type[Any], many: int) -> list[int | None]:
    """Draw ids for new rows before they are written; None where the database gives them then."""
    if _is_sqlite(session):
        return [None] * many
    sequence = sa.func.pg_get_serial_sequence(model.__tablename__, "id")
    drawn = sa.select(sa.func.nextval(sa.cast(sequence, sa.Text).op("::")(sa.text("regclass"))))
    each = sa.func.generate_series(1, many).table_valued("one")
    return list(session.connection().execute(drawn.select_from(each)).scalars())


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


class NotLeading(Exception):
    """We do not hold the lock, or hold it no longer: what was about to be written is not."""


class Hold(Protocol):
    """A lock of a name that one process has at a time, for as long as it lives and is connected.

    Not of a transaction: it is kept while nothing is open, and gone with its holder, however that
    one ends.
    """

    def take(self) -> bool:
        """Take it, or see that it is still ours; say whether we have it. Never waits for it.

        Raises UNAVAILABLE where the database cannot be asked; then it is not ours any more.
        """
        ...

    def let_go(self) -> None:
        """Give it back; nothing happens where it is not ours."""
        ...

    def settle(self) -> None:
        """Wait until who had it before us writes nothing any more; raise UNAVAILABLE if it does."""
        ...

    def demand(self, session: Session) -> None:
        """Raise NotLeading unless it is ours, and keep it ours until the transaction ends."""
        ...


class _FileHold:
    """On SQLite: an flock on a file beside the database. All processes are on one machine.

    A process that is stopped (SIGSTOP) keeps it, so that nobody takes over from it meanwhile.
    """

    def __init__(self, database: Path, name: str, holder: str) -> None:
        self._path = Path(f"{database}.{name}")
        self._holder = holder
        self._file: int | None = None

    def take(self) -> bool:
        if self._file is not None and _is_file(self._file, self._path):
            return True
        self.let_go()
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise exc.InterfaceError("lock file", None, error) from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return False
        # Somebody may have removed it between our opening and our locking.
        if not _is_file(file, self._path):
            os.close(file)
            return False
        os.ftruncate(file, 0)
        os.pwrite(file, self._holder.encode(), 0)
        self._file = file
        return True

    def let_go(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def settle(self) -> None:
        """Have nothing to wait for: nobody loses an flock while it lives."""

    def demand(self, session: Session) -> None:  # noqa: ARG002  # as the other one
        if self._file is None or not _is_file(self._file, self._path):
            raise NotLeading

    @staticmethod
    def holder(database: Path, name: str) -> str | None:
        try:
            file = os.open(f"{database}.{name}", os.O_RDONLY)
        except OSError:
            return None
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return os.pread(file, 200, 0).decode("utf-8", "replace") or "a process"
        finally:
            os.close(file)
        return None


def _is_file(file: int, path: Path) -> bool:
    """Say whether an open file is still the one at that path."""
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except OSError:
        return False


#: After so many seconds without a word from its holder the server ends a hold, or a transaction
#: that needs one: a process that is stopped, or behind a broken network, is not waited for.
_HOLD_LASTS = 10.0


class _SessionHold:
    """On PostgreSQL: a session-level advisory lock on a connection of its own."""

    def __init__(self, url: URL, name: str, holder: str, lasts: float) -> None:
        self._lasts = lasts
        self._lock = f"timpora {name}"
        self._fence = f"timpora {name} writes"
        # Its own at each start: a number of a process is used again by the server.
        self._holder = f"{holder[:40]} {secrets.token_hex(4)}"
        self._pid: int | None = None
        self._connection: Connection | None = None
        self._engine = sa.create_engine(
            url,
            poolclass=sa.NullPool,
            isolation_level="AUTOCOMMIT",
            hide_parameters=True,
            connect_args={
                "connect_timeout": 3,
                "application_name": self._holder,
                # A broken network is noticed by both sides within seconds.
                "keepalives_idle": 3,
                "keepalives_interval": 2,
                "keepalives_count": 2,
                "tcp_user_timeout": 4000,
                "options": "-c statement_timeout=5000 -c tcp_keepalives_idle=3"
                " -c tcp_keepalives_interval=2 -c tcp_keepalives_count=2",
            },
        )

    def take(self) -> bool:
        try:
            return self._try()
        except exc.SQLAlchemyError:
            self.let_go()
            raise

    def _try(self) -> bool:
        if self._connection is None:
            self._connection = self._engine.connect()
            version = self._connection.scalar(sa.text("SHOW server_version_num"))
            if int(version or 0) >= _FIRST_WITH_IDLE_TIMEOUT:
                # Not among the options above: an older server would refuse the connection.
                lasts = sa.text(f"SET idle_session_timeout = {self._lasts * 1000:.0f}")
                self._connection.execute(lasts)
        if self._pid is None:
            got, pid = self._connection.execute(
                sa.select(sa.func.pg_try_advisory_lock(_key(self._lock)), sa.func.pg_backend_pid())
            ).one()
            self._pid = pid if got else None
            return bool(got)
        # It lives as long as its connection. Behind a pooler that hands out another server's
        # process for each statement this is not so, and it would never be ours for long.
        if self._connection.scalar(sa.select(sa.func.pg_backend_pid())) != self._pid:
            self.let_go()
            return False
        return True

    def let_go(self) -> None:
        connection, self._connection = self._connection, None
        pid, self._pid = self._pid, None
        if connection is None:
            return
        with suppress(exc.SQLAlchemyError):
            if pid is not None:
                # Now, and not when the server has seen that the connection is closed.
                connection.execute(sa.select(sa.func.pg_advisory_unlock(_key(self._lock))))
        with suppress(exc.SQLAlchemyError):
            connection.close()

    def settle(self) -> None:
        if self._connection is None:
            raise NotLeading
        try:
            self._connection.execute(sa.select(sa.func.pg_advisory_lock(_key(self._fence))))
            self._connection.execute(sa.select(sa.func.pg_advisory_unlock(_key(self._fence))))
        except exc.SQLAlchemyError:
            self.let_go()
            raise

    def demand(self, session: Session) -> None:
        # Who takes the lock after us waits at the fence until this transaction has ended. One that
        # is stopped in its midst is not waited for: the server ends it.
        session.execute(
            sa.select(
                sa.func.set_config(
                    "idle_in_transaction_session_timeout", f"{_HOLD_LASTS * 1000:.0f}", sa.true()
                ),
                sa.func.pg_advisory_xact_lock_shared(_key(self._fence)),
            )
        )
        if session.scalar(_HOLDING, {"name": self._lock}) != self._holder:
            raise NotLeading

    @staticmethod
    def holder(session: Session, name: str) -> str | None:
        found: str | None = session.scalar(_HOLDING, {"name": f"timpora {name}"})
        return found.rsplit(" ", 1)[0] if found else found


#: PostgreSQL 14; before it, only a connection that breaks ends a hold.
_FIRST_WITH_IDLE_TIMEOUT = 140000


def _key(name: str) -> sa.ColumnElement[int]:
    return sa.func.hashtextextended(name, 0)


#: The application name of the session that holds an advisory lock. PostgreSQL shows the two halves
#: of the lock's 64 bits apart.
_HOLDING = sa.text(
    "SELECT coalesce(s.application_name, 'a process')"
    " FROM pg_locks l JOIN pg_stat_activity s USING (pid)"
    " WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1"
    " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    " AND (l.classid::bigint << 32) | l.objid::bigint = hashtextextended(:name, 0)"
)


def hold(database: Database, name: str, lasts: float | None = None) -> Hold:
    """Prepare to take a lock of that name; nothing is opened until it is tried.

    Its holder must `take` it again within `lasts` seconds (ten unless told), or PostgreSQL gives it
    to another.
    """
    holder = f"{socket.gethostname()[:24]} process {os.getpid()}"
    if database.is_sqlite:
        return _FileHold(Path(database.url.database or "timpora.db"), name, holder)
    return _SessionHold(database.url, name, holder, lasts or _HOLD_LASTS)


def holder_of(database: Database, name: str) -> str | None:
    """Say who holds the lock of that name (machine and process), or None where nobody does."""
    if database.is_sqlite:
        return _FileHold.holder(Path(database.url.database or "timpora.db"), name)
    with database.reading() as session:
        return _SessionHold.holder(session, name)


class HeldDatabase(Database):
    """A database in which only the holder of a lock can write.

    Whoever has lost it, though it does not know so yet, gets NotLeading instead of a transaction;
    and the next holder begins only when the last transaction of the one before it has ended.
    """

    def __init__(self, database: Database, held: Hold) -> None:
        """Prepare to connect, as a Database does."""
        super().__init__(database.url)
        self._held = held

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """One transaction that writes, if the lock is ours; else NotLeading, before it begins."""
        with super().writing() as session:
            self._held.demand(session)
            yield session
