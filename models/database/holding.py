"""Locks that last longer than a transaction: of several processes one at a time holds a name."""

import fcntl
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.engine import URL, Connection
from sqlalchemy.orm import Session

from models.database.engine import Database


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
