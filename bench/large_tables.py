"""What years of rows cost on PostgreSQL, and what clears them: `python -m bench.large_tables`.

Everything is done on a PostgreSQL of its own, filled by `bench.history`. A row count after the name
makes it smaller: `python -m bench.large_tables 200000`. `python -m bench.large_tables queue 1000000
tuned` measures one regime of the last part alone. What the figures mean: docs/large-tables.md.
"""

import logging
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import psycopg
import structlog
from sqlalchemy.engine import make_url
from support.postgres import PostgresServer

from bench import history
from bench.pipeline import office_on
from gateway.app import create_app
from gateway.wiring import Wiring

Figures = Iterator[tuple[str, str]]

_SIZE = 5_000_000
#: Rows that one transaction of a clean-up takes; and how long it lets others go first.
_BATCH = 1000
_PAUSE = 0.01
#: Requests in a second to the webhook beside each clean-up.
_RATE = 10
#: Messages that are queued, claimed and sent, to see what that leaves behind.
_QUEUED = 1_000_000
#: The same where the answer does not depend on how many they are.
_FEWER = 200_000
_A_CALL = 2000


def measure(size: int = _SIZE) -> Figures:
    """Fill a database, and measure what a clean-up, a partition and a busy queue cost in it."""
    with tempfile.TemporaryDirectory() as folder, PostgresServer.start() as server:
        url = server.new_database()
        office = office_on(url, folder)
        with _connected(url) as connection:
            began = time.perf_counter()
            with _without_fsync(connection):
                history.fill(url, size)
            yield f"fill, {size} messages, s", f"{time.perf_counter() - began:.0f}"
            yield from _sizes(connection, size)
            yield from _time_indexes(connection)
            yield from _cleaning(connection, office, size)
            yield from _unindexed_reference(connection)
            yield from _partitions(connection, size)
        office.database.dispose()
    yield from measure_queue(min(size, _QUEUED))


def measure_queue(rows: int = _QUEUED, *regimes: str) -> Figures:
    """Measure what a queue leaves behind, in a database that holds nothing else."""
    with tempfile.TemporaryDirectory() as folder, PostgresServer.start() as server:
        url = server.new_database()
        office_on(url, folder).database.dispose()
        with _connected(url) as connection:
            yield from _queue(connection, rows, regimes)


@contextmanager
def _connected(url: str) -> Iterator[psycopg.Connection]:
    place = make_url(url)
    dsn = f"dbname={place.database} user={place.username} host={place.query['host']}"
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield connection


@contextmanager
def _without_fsync(connection: psycopg.Connection) -> Iterator[None]:
    """Fill faster; what is measured afterwards is measured on a server that keeps its word."""
    for setting in ("fsync = off", "max_wal_size = '8GB'"):
        connection.execute(f"ALTER SYSTEM SET {setting}".encode())
    connection.execute("SELECT pg_reload_conf()")
    yield
    connection.execute("ALTER SYSTEM RESET ALL")
    connection.execute("SELECT pg_reload_conf()")
    connection.execute("CHECKPOINT")


def _sizes(connection: psycopg.Connection, size: int) -> Figures:
    for table in history.TABLES:
        heap, all_of_it, rows = connection.execute(
            "SELECT pg_table_size(c.oid), pg_total_relation_size(c.oid), c.reltuples"
            " FROM pg_class c WHERE c.oid = %s::regclass",
            (table,),
        ).fetchone() or (0, 0, 0)
        yield f"{table}, rows", f"{rows:.0f}"
        yield f"{table}, MB rows / MB indexes", f"{_mb(heap)} / {_mb(all_of_it - heap)}"
    (whole,) = connection.execute("SELECT pg_database_size(current_database())").fetchone() or (0,)
    yield "bytes in all for one message", f"{whole / size:.0f}"


def _mb(count: float) -> str:
    return f"{count / 1_000_000:.0f}"


# Cleaning up in small batches ---------------------------------------------------------------------

#: What one batch does, between two ids. The first erases, as reports point to the row; the others
#: delete, from the outside in.
_STEPS = (
    (
        "erase texts of inbox",
        "inbox",
        "UPDATE inbox SET text = '', payload = '{}' WHERE id >= %s AND id < %s AND text <> ''",
    ),
    (
        "erase texts of outbox",
        "outbox",
        "UPDATE outbox SET text = '' WHERE id >= %s AND id < %s AND text <> ''",
    ),
    (
        "delete delivery reports",
        "delivery_reports",
        "DELETE FROM delivery_reports WHERE id >= %s AND id < %s",
    ),
    (
        "delete report events",
        "report_events",
        "DELETE FROM report_events WHERE id >= %s AND id < %s",
    ),
    ("delete outbox", "outbox", "DELETE FROM outbox WHERE id >= %s AND id < %s"),
)


def _cleaning(connection: psycopg.Connection, office: Wiring, size: int) -> Figures:
    with _calling(office, []):
        time.sleep(5)  # the first requests load what all others use
    yield from _latency("webhook alone", office, lambda: time.sleep(20))
    rows = min(200_000, size // 5)
    for what, table, statement in _STEPS:
        began = time.perf_counter()
        clean = partial(_in_batches, connection, table, statement, rows)
        yield from _latency(f"webhook beside: {what}", office, clean)
        seconds = time.perf_counter() - began
        yield f"{what}, s for a million rows", f"{seconds / rows * 1_000_000:.0f}"
        began = time.perf_counter()
        connection.execute(f"VACUUM {table}")
        yield f"{what}, VACUUM after {rows} rows, s", f"{time.perf_counter() - began:.1f}"
    # The same as one statement, which is what must not be done.
    (first,) = connection.execute("SELECT min(id) FROM inbox WHERE text <> ''").fetchone() or (1,)

    def at_once() -> None:
        connection.execute(_STEPS[0][2], (first, first + rows))

    yield from _latency(f"webhook beside: the first as one statement of {rows}", office, at_once)
    connection.execute("VACUUM inbox")
    yield from _latency("webhook alone again", office, lambda: time.sleep(20))


def _in_batches(connection: psycopg.Connection, table: str, statement: str, rows: int) -> None:
    """Go through a table by its ids, with a pause after each batch."""
    (first,) = connection.execute(f"SELECT min(id) FROM {table}").fetchone() or (1,)  # noqa: S608
    for start in range(first, first + rows, _BATCH):
        connection.execute(statement, (start, start + _BATCH))
        time.sleep(_PAUSE)


def _latency(what: str, office: Wiring, work: Callable[[], object]) -> Figures:
    """Measure how long the webhook takes while something else is done."""
    took: list[float] = []
    with _calling(office, took):
        work()
    ordered = sorted(took) or [0.0]
    p99 = ordered[int(len(ordered) * 0.99)]
    figures = f"{statistics.median(ordered):.0f} / {p99:.0f} / {ordered[-1]:.0f}"
    yield f"{what}, ms p50/p99/max", figures


@contextmanager
def _calling(office: Wiring, took: list[float]) -> Iterator[None]:
    """Post messages at an even rate; each is reckoned from when it was due, so none is left out."""
    stop = threading.Event()
    path = f"/webhooks/africastalking/{office.settings.secret_of('africastalking')}/sms"
    client = create_app(office).test_client()

    def call() -> None:
        due = time.perf_counter()
        number = 0
        while not stop.is_set():
            time.sleep(max(0.0, due - time.perf_counter()))
            number += 1
            form = {
                "id": f"beside-{due}-{number}",
                "from": f"+6281237{number % 278 + 1:06d}",
                "to": "22345",
                "text": "NIHIL",
            }
            answer = client.post(path, data=form)
            if answer.status_code != 200:
                raise RuntimeError(f"the webhook answered {answer.status_code}")
            took.append((time.perf_counter() - due) * 1000)
            due += 1 / _RATE

    caller = threading.Thread(target=call)
    caller.start()
    try:
        yield
    finally:
        stop.set()
        caller.join()


def _unindexed_reference(connection: psycopg.Connection) -> Figures:
    """Delete reports while `outbox.report_id` has no index, and with one."""
    delete = (
        "WITH gone AS (SELECT id FROM reports WHERE id <= %s ORDER BY id DESC LIMIT 5)"
        " DELETE FROM reports USING gone WHERE reports.id = gone.id"
    )
    # Old enough that nothing points to them any more.
    (top,) = connection.execute("SELECT min(report_id) - 1 FROM outbox").fetchone() or (0,)
    for table in ("report_links", "report_events"):
        connection.execute(f"DELETE FROM {table} WHERE report_id <= %s", (top,))  # noqa: S608
    connection.execute("DELETE FROM report_links WHERE other_id <= %s", (top,))
    yield "delete 5 reports, no index on outbox.report_id, ms", _ms(connection, delete, top)
    began = time.perf_counter()
    connection.execute("CREATE INDEX CONCURRENTLY outbox_report ON outbox (report_id)")
    yield "make that index beside others' work, s", f"{time.perf_counter() - began:.1f}"
    yield "delete 5 reports with it, ms", _ms(connection, delete, top)


def _ms(connection: psycopg.Connection, statement: str, *values: object) -> str:
    began = time.perf_counter()
    connection.execute(statement, values)
    return f"{(time.perf_counter() - began) * 1000:.1f}"


def _time_indexes(connection: psycopg.Connection) -> Figures:
    """Compare ways to find the first row that is not older than a moment half-way."""
    connection.execute(
        "CREATE TEMPORARY TABLE moment AS SELECT received_at AS at FROM inbox WHERE id ="
        " (SELECT (min(id) + max(id)) / 2 FROM inbox)"
    )
    find = "SELECT min(id) FROM inbox WHERE received_at >= (SELECT at FROM moment)"
    yield "find a day in inbox, no index, ms", _ms(connection, find)
    for kind in ("brin", "btree"):
        connection.execute(f"CREATE INDEX inbox_at ON inbox USING {kind} (received_at)")
        connection.execute("ANALYZE inbox")
        (size,) = connection.execute("SELECT pg_relation_size('inbox_at')").fetchone() or (0,)
        yield f"find a day in inbox, {kind}, ms", _ms(connection, find)
        yield f"size of that {kind} index, MB", f"{size / 1_000_000:.2f}"
        connection.execute("DROP INDEX inbox_at")
    yield "find a day in inbox, halving the ids, ms", _halving(connection)


def _halving(connection: psycopg.Connection) -> str:
    """Find it by the primary key alone: ids grow as time does."""
    began = time.perf_counter()
    low, high = connection.execute("SELECT min(id), max(id) FROM inbox").fetchone() or (0, 0)
    while low < high:
        middle = (low + high) // 2
        young = connection.execute(
            "SELECT received_at >= (SELECT at FROM moment) FROM inbox WHERE id >= %s"
            " ORDER BY id LIMIT 1",
            (middle,),
        ).fetchone()
        low, high = (low, middle) if young and young[0] else (middle + 1, high)
    return f"{(time.perf_counter() - began) * 1000:.1f}"


# Partitions ---------------------------------------------------------------------------------------


def _partitions(connection: psycopg.Connection, size: int) -> Figures:
    """Show what partitions by time refuse, and what partitions by id cost and save."""
    for what, columns in (
        (
            "id_key unique over months",
            "id bigint, id_key text UNIQUE, received_at timestamptz",
        ),
        (
            "id as the key that others point to, over months",
            "id bigint PRIMARY KEY, received_at timestamptz",
        ),
    ):
        try:
            made = f"CREATE TABLE p ({columns}) PARTITION BY RANGE (received_at)"
            connection.execute(made.encode())
        except psycopg.errors.FeatureNotSupported:
            yield f"{what}, PostgreSQL", "refuses"
        else:
            yield f"{what}, PostgreSQL", "takes"
            connection.execute("DROP TABLE p")
    connection.execute(
        "CREATE TABLE deliveries (LIKE delivery_reports, PRIMARY KEY (id)) PARTITION BY RANGE (id)"
    )
    step = max(size // 5, 1)
    for start in range(0, size + 1, step):
        connection.execute(
            f"CREATE TABLE deliveries_{start} PARTITION OF deliveries"
            f" FOR VALUES FROM ({start}) TO ({start + step})"
        )
    connection.execute(
        "INSERT INTO deliveries SELECT * FROM delivery_reports WHERE id < %s", (size,)
    )
    (rows,) = connection.execute(f"SELECT count(*) FROM deliveries_{step}").fetchone() or (0,)  # noqa: S608
    detach = f"ALTER TABLE deliveries DETACH PARTITION deliveries_{step} CONCURRENTLY"
    yield f"detach a partition by id of {rows} rows, ms", _ms(connection, detach)
    yield "drop it, ms", _ms(connection, f"DROP TABLE deliveries_{step}")


# A queue's life -----------------------------------------------------------------------------------

#: As the product does it: a row comes in; ten at a time are claimed, sent, delivered.
_LIFE = """
CREATE PROCEDURE live(rows int) LANGUAGE plpgsql AS $$
DECLARE base bigint;
BEGIN
  FOR turn IN 1 .. rows / 10 LOOP
    INSERT INTO busy (token, channel, phone_id, text, reply_key, is_capped, lane, lane_rank, status,
                      segments, created_at, expires_at, refused_by, attempts,
                      resend_if_unconfirmed, is_bound)
    SELECT gen_random_uuid()::text, 'kannel', 1, repeat('x', 120), 'OK', false, 'reply', 1,
           'queued', 1, now(), now(), '[]', 0, false, false FROM generate_series(1, 10);
    COMMIT;
    UPDATE busy SET status = 'sending', attempts = 1, claimed_at = clock_timestamp()
    WHERE id IN (SELECT id FROM busy WHERE status = 'queued' ORDER BY lane_rank, id LIMIT 10);
    COMMIT;
    UPDATE busy SET status = 'sent', sent_at = clock_timestamp(), provider_key = token
    WHERE id IN (SELECT id FROM busy WHERE status = 'sending');
    COMMIT;
  END LOOP;
END $$
"""
_TUNED = (
    "autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,"
    " autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0"
)
_NEXT = "SELECT id FROM busy WHERE status = 'queued' ORDER BY lane_rank, id LIMIT 10"


def _queue(connection: psycopg.Connection, rows: int, regimes: tuple[str, ...]) -> Figures:
    """Let a queue live under four regimes; tell its dead rows, and what the next claim costs."""
    connection.execute(_LIFE)
    connection.execute("SET synchronous_commit = off")
    fewer = min(rows, _FEWER)
    for name, options, number in (
        ("autovacuum off", "autovacuum_enabled = false", fewer),
        ("fillfactor 70", "fillfactor = 70", fewer),
        ("as installed", "fillfactor = 100", rows),
        ("tuned", _TUNED, rows),
    ):
        if regimes and name not in regimes:
            continue
        connection.execute("CREATE TABLE busy (LIKE outbox INCLUDING ALL)")
        connection.execute(f"ALTER TABLE busy SET ({options})")
        began = time.perf_counter()
        for _ in range(0, number, _A_CALL):
            # The server's autovacuum hears of what a call did when that call ends.
            connection.execute("CALL live(%s)", (_A_CALL,))
        yield f"queue, {name}, messages/s", f"{number / (time.perf_counter() - began):.0f}"
        yield f"queue, {name}, ms to find the next after {number}", _ms(connection, _NEXT)
        yield from _state(connection, name)
        connection.execute("DROP TABLE busy")


def _state(connection: psycopg.Connection, name: str) -> Figures:
    connection.execute("SELECT pg_stat_force_next_flush()")
    updated, hot, dead, vacuums = connection.execute(
        "SELECT n_tup_upd, n_tup_hot_upd, n_dead_tup, autovacuum_count"
        " FROM pg_stat_user_tables WHERE relname = 'busy'"
    ).fetchone() or (0, 0, 0, 0)
    heap, queue = connection.execute(
        "SELECT pg_relation_size('busy'), (SELECT pg_relation_size(indexrelid) FROM pg_index"
        " WHERE indrelid = 'busy'::regclass AND pg_get_indexdef(indexrelid) LIKE '%queued%')"
    ).fetchone() or (0, 0)
    yield f"queue, {name}, HOT updates of {updated}", f"{hot}"
    yield f"queue, {name}, dead rows / autovacuums", f"{dead} / {vacuums}"
    yield f"queue, {name}, MB rows / MB index of what waits", f"{_mb(heap)} / {queue / 1e6:.1f}"


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    match sys.argv[1:]:
        case ["queue", _rows, *_regimes]:
            _figures = measure_queue(int(_rows), *_regimes)
        case rest:
            _figures = measure(*(int(one) for one in rest))
    for _what, _figure in _figures:
        print(f"{_what:<72} {_figure:>18}", flush=True)  # noqa: T201
