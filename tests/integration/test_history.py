"""What years of messages cost: nothing that the gateway does may read a large table in whole.

Each piece of work that the bench measures with five million reports is done here with thousands,
and each statement that it sends is explained by a PostgreSQL that takes any index it can: where it
reads a table from end to end all the same, no index helps. SQLite tells too little of its plans.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import sqlalchemy as sa
from support.databases import opened
from support.postgres import PostgresServer
from support.redis_server import RedisServer

from bench import growth, history, morning, ours
from gateway.audit import Audit
from models import schema
from models.database.engine import Database

_VILLAGES = 200
_MESSAGES = 20_000
#: Of the others there are few even after years, so few here that any plan is as good.
_LARGE = {
    *("inbox", "outbox", "reports", "report_events", "report_links", "delivery_reports"),
    *("confirmation_numbers", "audit_entries"),
}
_ROWS_OF_YEARS = (
    "SELECT id, channel, text, outcome, age(max(received_at) OVER (), received_at)"
    " FROM inbox ORDER BY id DESC LIMIT 300"
)


@pytest.fixture(scope="module")
def roster(postgres: PostgresServer) -> str:
    """A database with villages and phones, and no messages."""
    url = postgres.new_database(locale="C.UTF-8")
    with opened(url) as database:
        schema.upgrade(database)
        morning.register(database, _VILLAGES)
    return url


@pytest.fixture(scope="module")
def filled(postgres: PostgresServer, roster: str) -> str:
    url = postgres.new_database(like=roster)
    history.fill(url, _MESSAGES, ours.SECRET_KEY, in_five_years=_MESSAGES)
    return url


@pytest.fixture(scope="module")
def site(
    filled: str,
    postgres: PostgresServer,
    redis_server: RedisServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[growth.Site]:
    folder = tmp_path_factory.mktemp("growth")
    office = growth.open_office(folder, filled, redis_server.url)
    yield growth.Site(office, postgres.pid)
    office.database.dispose()


def test_a_history_that_was_made_is_whole(filled: str) -> None:
    with opened(filled) as database, database.reading() as session:
        counts = {
            table: session.scalar(sa.text(f"SELECT count(*) FROM {table}"))  # noqa: S608
            for table in history.TABLES
        }
        refers = session.execute(
            sa.text(
                "SELECT conrelid::regclass::text AS table, a.attname AS column,"
                " confrelid::regclass::text AS other, b.attname AS key FROM pg_constraint"
                " JOIN pg_attribute a ON a.attrelid = conrelid AND a.attnum = conkey[1]"
                " JOIN pg_attribute b ON b.attrelid = confrelid AND b.attnum = confkey[1]"
                " WHERE contype = 'f'"
            )
        ).all()
        orphans = [
            one
            for one in refers
            if session.scalar(
                sa.text(
                    f"SELECT count(*) FROM {one.table} WHERE {one.column} IS NOT NULL AND"  # noqa: S608
                    f" {one.column} NOT IN (SELECT {one.key} FROM {one.other})"
                )
            )
        ]
        assert Audit(ours.SECRET_KEY).verify(session) is None
    assert counts["inbox"] == counts["outbox"] == _MESSAGES
    assert all(counts.values()), counts
    assert len(refers) > 10
    assert orphans == []


def test_a_history_that_was_made_has_every_index_and_constraint(filled: str) -> None:
    with opened(filled) as database:
        schema.difference(database)


def test_the_newest_messages_are_the_same_however_many_there_are(
    postgres: PostgresServer, roster: str, filled: str
) -> None:
    url = postgres.new_database(like=roster)
    history.fill(url, 300, ours.SECRET_KEY, in_five_years=_MESSAGES)

    def newest(url: str) -> list[tuple[Any, ...]]:
        with opened(url) as database, database.reading() as session:
            rows = session.execute(sa.text(_ROWS_OF_YEARS)).all()
        # A number in a text is the row's own; the others of a row stand in it.
        return [(row.channel, re.sub(r"\d+", "", row.text), row.outcome, row.age) for row in rows]

    assert newest(url) == newest(filled)


@pytest.mark.parametrize("table", ["report_events", "delivery_reports", "canaries"])
def test_ids_grow_with_time_where_a_table_counts_them_itself(filled: str, table: str) -> None:
    column = {"report_events": "report_id", "canaries": "outbound_id"}.get(table, "received_at")
    with opened(filled) as database, database.reading() as session:
        in_order = session.scalar(
            sa.text(
                f"SELECT bool_and({column} >= before) FROM (SELECT {column}, lag({column})"  # noqa: S608
                f" OVER (ORDER BY id) AS before FROM {table}) AS beside"
            )
        )
    assert in_order


def test_a_server_keeps_its_word_again_when_it_is_filled() -> None:
    with PostgresServer.start() as server:
        with history.filling(server):
            url = server.new_database()
            assert _shown(url, "fsync") == "off"
        assert (_shown(url, "fsync"), _shown(url, "wal_level")) == ("on", "replica")


def _shown(url: str, setting: str) -> str:
    with opened(url) as database, database.reading() as session:
        return str(session.scalar(sa.text(f"SHOW {setting}")))


@pytest.mark.parametrize("work", growth.all_work(), ids=lambda work: work[0])
def test_nothing_reads_a_large_table_from_end_to_end(
    site: growth.Site, work: growth.Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(growth, "_VILLAGES", _VILLAGES)
    _, before, do = work
    growth.listen([site], before, do, times=1)

    read = {
        table: statement
        for statement, values in site.said
        for table in _read_whole(site.office.database, statement, values)
    }
    assert read == {}


def _read_whole(database: Database, statement: str, values: Any) -> set[str]:
    """Name the tables of history that a statement could only read from end to end."""
    if not statement.lstrip().upper().startswith(("SELECT", "UPDATE", "DELETE", "WITH")):
        return set()
    of_one = values[0] if isinstance(values, list) else values
    with database.engine.connect() as connection:
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        (plan,) = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", of_one).one()
        partial = set(
            connection.exec_driver_sql(
                "SELECT relname FROM pg_index JOIN pg_class ON oid = indexrelid"
                " WHERE indpred IS NOT NULL"
            ).scalars()
        )
        connection.rollback()
    return set(_scans(plan[0]["Plan"], partial, stops_early=False)) & _LARGE


#: Above these a limit stops nothing: they want all rows before they give one.
_WANT_ALL = {"Aggregate", "Sort", "Hash", "Bitmap Heap Scan"}


def _scans(node: Mapping[str, Any], partial: set[str], *, stops_early: bool) -> Iterator[str]:
    kind = node["Node Type"]
    is_whole = kind.startswith("Index") and not node.get("Index Cond") and not stops_early
    if kind == "Seq Scan" or (is_whole and node["Index Name"] not in partial):
        yield node["Relation Name"]
    stops_early = kind == "Limit" or (stops_early and kind not in _WANT_ALL)
    for below in node.get("Plans", ()):
        yield from _scans(below, partial, stops_early=stops_early)


def test_a_look_that_no_index_helps_is_found(site: growth.Site) -> None:
    database = site.office.database
    looks = {
        "SELECT count(*) FROM outbox": {"outbox"},
        "SELECT id FROM inbox WHERE text = 'x'": {"inbox"},
        "SELECT id FROM inbox ORDER BY id DESC LIMIT 1": set(),
        "SELECT id FROM outbox WHERE report_id = 5": set(),
        "SELECT count(*) FROM outbox WHERE status = 'queued'": set(),
    }
    assert {look: _read_whole(database, look, {}) for look in looks} == looks


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("outbox", "report_id"),
        ("outbox", "in_reply_to"),
        ("reports", "inbox_id"),
        ("report_events", "report_id"),
        ("report_links", "report_id"),
        ("report_links", "other_id"),
        ("canaries", "outbound_id"),
        ("evidence", "inbox_id"),
    ],
)
def test_who_deletes_a_row_finds_what_points_to_it_by_an_index(
    site: growth.Site, table: str, column: str
) -> None:
    look = f"SELECT 1 FROM ONLY {table} WHERE {column} = %(id)s FOR KEY SHARE"  # noqa: S608
    with site.office.database.engine.connect() as connection:
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        plan = "\n".join(connection.exec_driver_sql(f"EXPLAIN {look}", {"id": 1}).scalars())
    assert "Index Cond" in plan
