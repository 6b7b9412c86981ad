"""Connections to PostgreSQL that break while nobody uses them, or in use."""

import time

import pytest
import sqlalchemy as sa
from support.waiting import wait_until

from models.database import engine
from models.database.engine import UNAVAILABLE, Database

pytestmark = pytest.mark.parametrize("kind", ["postgresql"], indirect=True)


def backend(database: Database) -> int:
    with database.reading() as session:
        return int(session.scalars(sa.select(sa.func.pg_backend_pid())).one())


def cut_off(database: Database, pid: int) -> None:
    """End a connection from the server's side, by another one."""
    # In one transaction PostgreSQL shows its backends as they were at the first look.
    other = sa.create_engine(database.url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    with other.connect() as connection:
        connection.execute(sa.select(sa.func.pg_terminate_backend(pid)))
        gone = sa.text("SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = :pid")
        wait_until(
            lambda: bool(connection.execute(gone, {"pid": pid}).scalar_one()),
            within=10,
            what="the connection has ended",
        )


def test_a_connection_that_broke_while_idle_is_never_given_out(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_FRESH_FOR", 0.05)
    pid = backend(database)
    assert backend(database) == pid, "connections are used again"
    cut_off(database, pid)
    time.sleep(0.06)  # longer than it is taken to be alive
    assert backend(database) != pid


def test_one_that_broke_a_moment_after_its_use_fails_once_as_a_database_that_is_away(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_FRESH_FOR", 60.0)
    pid = backend(database)
    cut_off(database, pid)
    with pytest.raises(UNAVAILABLE):
        backend(database)
    assert backend(database) != pid
