"""What years of rows cost on PostgreSQL, and what clears them: `python -m bench.large_tables`.

Everything is done on a PostgreSQL of its own, filled by `bench.history`. A row count after the name
makes it smaller: `python -m bench.large_tables 200000`; parts named after that are measured alone:
`python -m bench.large_tables 5000000 cleaning queue`. What the figures mean: docs/large-tables.md.
"""

import logging
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import psycopg
import structlog
from sqlalchemy.engine import make_url
from support.payloads import incoming_sms, phone
from support.postgres import PostgresServer

from bench import growth, history, morning, ours
from gateway.app import create_app
from gateway.wiring import Wiring
from models import schema
from models.database.engine import Database

Figures = Iterator[tuple[str, str]]

_SIZE = 5_000_000
#: Rows that one transaction of a clean-up takes; and how long it lets others go first.
_BATCH = 1000
_PAUSE = 0.01
#: Requests in a second to the webhook beside each clean-up.
_RATE = 10
#: So many rows a clean-up takes away, at most.
_CLEANED = 200_000
#: So long each regime of the queue is watched, in seconds, and so many messages pass in one call.
_WATCHED = 200
_A_CALL = 500
#: So many messages a second at most: more than any gateway hands out for long.
_PACE = 1000
#: So many messages where the answer does not depend on how many they are.
_FEWER = 50_000
_VILLAGES = 83_971


def measure(size: int = _SIZE, *parts: str) -> Figures:
    """Fill a database, and measure what a clean-up, a partition and a busy queue cost in it."""
    with tempfile.TemporaryDirectory() as folder, PostgresServer.start() as server:
        began = time.perf_counter()
        with history.filling(server):
            url = server.new_database()
            database = Database(url)
            schema.upgrade(database)
            morning.register(database, min(_VILLAGES, size))
            database.dispose()
            history.fill(url, size, ours.SECRET_KEY)
        yield f"fill, {size} messages, s", f"{time.perf_counter() - began:.0f}"
        office = growth.open_office(Path(folder), url, f"unix://{folder}/none.sock")
        with _connected(url) as connection:
            for name in parts or _PARTS:
                yield from _PARTS[name](connection, office, size)
        office.database.dispose()


@contextmanager
def _connected(url: str) -> Iterator[psycopg.Connection]:
    place = make_url(url)
    dsn = f"dbname={place.database} user={place.username} host={place.query['host']}"
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield connection


def _sizes(connection: psycopg.Connection, _office: Wiring, size: int) -> Figures:
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

#: What one batch does, between two ids. The first two erase, as others point to the row; the others
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
    ("delete canaries", "canaries", "DELETE FROM canaries WHERE id >= %s AND id < %s"),
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
    ("delete report links", "report_links", "DELETE FROM report_links WHERE id >= %s AND id < %s"),
    ("delete outbox", "outbox", "DELETE FROM outbox WHERE id >= %s AND id < %s"),
    ("delete reports", "reports", "DELETE FROM reports WHERE id >= %s AND id < %s"),
    ("delete inbox", "inbox", "DELETE FROM inbox WHERE id >= %s AND id < %s"),
)
#: Rows of a table for each message, where it is not about one: each step goes as far into the past.
_SHARE: Mapping[str, float] = {"report_events": 1.96, "canaries": 0.01, "report_links": 0.04}


def _extent(connection: psycopg.Connection, table: str) -> tuple[str, int]:
    """Say how many MB a table and its indexes are, and how many dead rows it is known to hold."""
    connection.execute("SELECT pg_stat_force_next_flush()")
    size, dead = connection.execute(
        "SELECT pg_total_relation_size(relid), n_dead_tup FROM pg_stat_user_tables"
        " WHERE relname = %s",
        (table,),
    ).fetchone() or (0, 0)
    return _mb(size), dead


def _cleaning(connection: psycopg.Connection, office: Wiring, size: int) -> Figures:
    with _calling(office, []):
        time.sleep(5)  # the first requests load what all others use
    yield from _latency("webhook alone", office, lambda: time.sleep(20))
    rows = min(_CLEANED, size // 5)
    for what, table, statement in _STEPS:
        here = int(rows * _SHARE.get(table, 1))
        before = _extent(connection, table)
        began = time.perf_counter()
        clean = partial(_in_batches, connection, table, statement, here)
        yield from _latency(f"webhook beside: {what}", office, clean)
        seconds = time.perf_counter() - began
        yield f"{what}, rows in a second", f"{here / seconds:.0f}"
        dead = _extent(connection, table)
        began = time.perf_counter()
        vacuum = partial(connection.execute, f"VACUUM {table}".encode())
        yield from _latency(f"webhook beside: VACUUM after {what}", office, vacuum)
        yield f"{what}, VACUUM after {here} rows, s", f"{time.perf_counter() - began:.1f}"
        after = _extent(connection, table)
        told = " / ".join(f"{mb} + {free}" for mb, free in (before, dead, after))
        yield f"{what}, MB + dead rows: before / after / vacuumed", told
    # The same as one statement, which is what must not be done.
    (first,) = connection.execute("SELECT min(id) FROM inbox WHERE text <> ''").fetchone() or (1,)

    def at_once() -> None:
        connection.execute(_STEPS[0][2], (first, first + rows))

    yield from _latency(f"webhook beside: the first as one statement of {rows}", office, at_once)
    connection.execute("VACUUM inbox")
    yield from _latency("webhook alone again", office, lambda: time.sleep(20))


def _in_batches(connection: psycopg.Connection, table: str, statement: str, rows: int) -> None:
    """Go through a table by its ids, the oldest first, with a pause after each batch."""
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
        for number in count(1):
            time.sleep(max(0.0, due - time.perf_counter()))
            if stop.is_set():
                break
            form = incoming_sms(
                f"WNA 2 Australia rumah {number}", phone(number * 7 % _VILLAGES + 1)
            )
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


def _references(connection: psycopg.Connection, _office: Wiring, _size: int) -> Figures:
    """Delete reports with the index on `outbox.report_id`, and without it as it once was."""
    delete = (
        "WITH gone AS (SELECT id FROM reports WHERE id <= %s ORDER BY id DESC LIMIT 5)"
        " DELETE FROM reports USING gone WHERE reports.id = gone.id"
    )
    # So that nothing points to the oldest any more.
    top = _oldest(connection, "reports") + 500
    for table, column in (
        ("report_links", "report_id"),
        ("report_links", "other_id"),
        ("report_events", "report_id"),
        ("canaries", "outbound_id"),
        ("outbox", "report_id"),
    ):
        connection.execute(f"DELETE FROM {table} WHERE {column} <= %s", (top,))  # noqa: S608
    yield "delete 5 reports, ms", _ms(connection, delete, top)
    connection.execute("DROP INDEX ix_outbox_report_id")
    yield "delete 5 reports, no index on outbox.report_id, ms", _ms(connection, delete, top)
    began = time.perf_counter()
    connection.execute(
        "CREATE INDEX CONCURRENTLY ix_outbox_report_id ON outbox (report_id)"
        " WHERE report_id IS NOT NULL"
    )
    yield "make that index beside others' work, s", f"{time.perf_counter() - began:.1f}"


def _inserts(connection: psycopg.Connection, _office: Wiring, size: int) -> Figures:
    """Measure what an index that a look needs costs each insert, with and without it in turn."""
    for table, column in (("outbox", "report_id"), ("reports", "received_at")):
        connection.execute(f"CREATE TABLE copied (LIKE {table} INCLUDING ALL)".encode())
        some = f"INSERT INTO copied SELECT * FROM {table} WHERE id >= %s AND id < %s"  # noqa: S608
        connection.execute(some, (0, size // 2))
        name, made = connection.execute(
            "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'copied'"
            " AND indexdef ~ %s",
            (rf"\({column}\)",),
        ).fetchone() or ("", "")
        took: dict[bool, list[float]] = {True: [], False: []}
        for turn in range(10):
            has_it = turn % 2 == 0
            connection.execute((made if has_it else f"DROP INDEX {name}").encode() if turn else "")
            connection.execute("CHECKPOINT")
            first = size // 2 + turn * size // 50
            took[has_it].append(float(_ms(connection, some, first, first + size // 50)))
        with_it, without = (statistics.median(took[one]) for one in (True, False))
        what = f"insert {size // 50} rows into {table}, with an index on {column} / without"
        yield f"{what}, ms", f"{with_it:.0f} / {without:.0f}"
        connection.execute("DROP TABLE copied")


def _oldest(connection: psycopg.Connection, table: str) -> int:
    found = connection.execute(f"SELECT min(id) FROM {table}").fetchone()  # noqa: S608
    return int(found[0]) if found else 1


def _ms(connection: psycopg.Connection, statement: str, *values: object) -> str:
    began = time.perf_counter()
    connection.execute(statement, values)
    return f"{(time.perf_counter() - began) * 1000:.1f}"


#: Where in the years the days lie that are looked for.
_DAYS = (0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95)


def _time_indexes(connection: psycopg.Connection, _office: Wiring, _size: int) -> Figures:
    """Compare ways to find the first row that is not older than a moment, for days of all years."""
    (oldest, newest) = connection.execute(
        "SELECT (SELECT received_at FROM inbox ORDER BY id LIMIT 1),"
        " (SELECT received_at FROM inbox ORDER BY id DESC LIMIT 1)"
    ).fetchone() or (None, None)
    days = [oldest + (newest - oldest) * part for part in _DAYS]
    find = "SELECT min(id) FROM inbox WHERE received_at >= %s"
    for kind in ("no index", "brin", "btree"):
        if kind != "no index":
            began = time.perf_counter()
            connection.execute(
                f"CREATE INDEX inbox_at ON inbox USING {kind} (received_at)".encode()
            )
            yield f"make the {kind}, s", f"{time.perf_counter() - began:.1f}"
            connection.execute("ANALYZE inbox")
            size = connection.execute("SELECT pg_relation_size('inbox_at')").fetchone() or (0,)
            yield f"size of that {kind}, MB", f"{size[0] / 1_000_000:.2f}"
        yield _of_days(f"find a day in inbox, {kind}", [_ms(connection, find, day) for day in days])
        if kind != "no index":
            connection.execute("DROP INDEX inbox_at")
    yield _of_days("find a day in inbox, halving the ids", [_halving(connection, d) for d in days])


def _of_days(what: str, found: list[str]) -> tuple[str, str]:
    ms = sorted(float(one) for one in found)
    return f"{what}, ms, {len(ms)} days: least / half / most", f"{ms[0]} / {ms[3]} / {ms[-1]}"


def _halving(connection: psycopg.Connection, day: object) -> str:
    """Find it by the primary key alone: ids grow as time does."""
    began = time.perf_counter()
    low, high = connection.execute("SELECT min(id), max(id) FROM inbox").fetchone() or (0, 0)
    while low < high:
        middle = (low + high) // 2
        young = connection.execute(
            "SELECT received_at >= %s FROM inbox WHERE id >= %s ORDER BY id LIMIT 1", (day, middle)
        ).fetchone()
        low, high = (low, middle) if young and young[0] else (middle + 1, high)
    return f"{(time.perf_counter() - began) * 1000:.1f}"


# Partitions ---------------------------------------------------------------------------------------


def _partitions(connection: psycopg.Connection, _office: Wiring, size: int) -> Figures:
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
    # From the first to the last: what was cleaned away before leaves no partition empty.
    step = max(size // 10, 1)
    for start in range(0, size + 1, step):
        connection.execute(
            f"CREATE TABLE deliveries_{start} PARTITION OF deliveries"
            f" FOR VALUES FROM ({start}) TO ({start + step})"
        )
    began = time.perf_counter()
    connection.execute(
        "INSERT INTO deliveries SELECT * FROM delivery_reports WHERE id < %s", (size,)
    )
    yield "move delivery reports into partitions by id, s", f"{time.perf_counter() - began:.0f}"
    third = step * 2
    (rows,) = connection.execute(f"SELECT count(*) FROM deliveries_{third}").fetchone() or (0,)  # noqa: S608
    detach = f"ALTER TABLE deliveries DETACH PARTITION deliveries_{third} CONCURRENTLY"
    yield f"detach a partition by id of {rows} rows, ms", _ms(connection, detach)
    attach = (
        f"ALTER TABLE deliveries ATTACH PARTITION deliveries_{third}"
        f" FOR VALUES FROM ({third}) TO ({third + step})"
    )
    yield "attach it again, ms", _ms(connection, attach)
    connection.execute(detach.encode())
    checked = (
        f"ALTER TABLE deliveries_{third} ADD CONSTRAINT here CHECK"
        f" (id >= {third} AND id < {third + step}) NOT VALID"
    )
    connection.execute(checked.encode())
    validate = f"ALTER TABLE deliveries_{third} VALIDATE CONSTRAINT here"
    yield "check beforehand that its rows fit, ms", _ms(connection, validate)
    yield "attach it then, ms", _ms(connection, attach)
    connection.execute(detach.encode())
    yield "drop it, ms", _ms(connection, f"DROP TABLE deliveries_{third}")
    connection.execute("DROP TABLE deliveries")


# A queue's life -----------------------------------------------------------------------------------

#: As the product does it: a row comes in; ten at a time are claimed, sent, delivered.
_LIFE = """
CREATE OR REPLACE PROCEDURE live(rows int) LANGUAGE plpgsql AS $$
BEGIN
  FOR turn IN 1 .. rows / 10 LOOP
    INSERT INTO {table} (token, channel, phone_id, text, reply_key, is_capped, lane, lane_rank,
                         status, segments, created_at, expires_at, refused_by, attempts,
                         resend_if_unconfirmed, is_bound)
    SELECT gen_random_uuid()::text, 'kannel', 1, repeat('x', 120), 'OK', false, 'reply', 1,
           'queued', 1, now(), now(), '[]', 0, false, false FROM generate_series(1, 10);
    COMMIT;
    UPDATE {table} SET status = 'sending', attempts = 1, claimed_at = clock_timestamp()
    WHERE id IN (SELECT id FROM {table} WHERE status = 'queued' ORDER BY lane_rank, id LIMIT 10);
    COMMIT;
    UPDATE {table} SET status = 'sent', sent_at = clock_timestamp(), provider_key = token
    WHERE id IN (SELECT id FROM {table} WHERE status = 'sending');
    COMMIT;
  END LOOP;
END $$
"""
_NEXT = "SELECT id FROM {table} WHERE status = 'queued' ORDER BY lane_rank, id LIMIT 10"
#: What large gateways may set for the outbox.
_REGIMES: Mapping[str, str] = {
    "as installed": "",
    "20,000 dead": "autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,"
    " autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0",
    "a hundredth dead": "autovacuum_vacuum_scale_factor = 0.01,"
    " autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0",
}


def _small_queue(connection: psycopg.Connection, _office: Wiring, size: int) -> Figures:
    """Let a queue live where there is nothing else; tell whether its updates are HOT ones."""
    connection.execute("SET synchronous_commit = off")
    connection.execute(_LIFE.format(table="busy").encode())
    for name, options in (
        ("autovacuum off", "autovacuum_enabled = false"),
        ("fillfactor 70", "autovacuum_enabled = false, fillfactor = 70"),
    ):
        connection.execute("CREATE TABLE busy (LIKE outbox INCLUDING ALL)")
        connection.execute(f"ALTER TABLE busy SET ({options})".encode())
        began = time.perf_counter()
        rows = min(size, _FEWER)
        for _ in range(0, rows, _A_CALL):
            connection.execute("CALL live(%s)", (_A_CALL,))
        yield f"queue, {name}, messages/s", f"{rows / (time.perf_counter() - began):.0f}"
        find = _NEXT.format(table="busy")
        yield f"queue, {name}, ms to find the next after {rows}", _ms(connection, find)
        yield from _state(connection, name, "busy")
        connection.execute("DROP TABLE busy")


def _queue(connection: psycopg.Connection, office: Wiring, _size: int) -> Figures:
    """Let the outbox itself, with all its years, live under each regime for some minutes."""
    connection.execute("SET synchronous_commit = off")
    connection.execute(_LIFE.format(table="outbox").encode())
    find = _NEXT.format(table="outbox")
    for name, options in _REGIMES.items():
        connection.execute("VACUUM outbox")
        connection.execute("SELECT pg_stat_reset()")
        if options:
            connection.execute(f"ALTER TABLE outbox SET ({options})".encode())
        began = time.perf_counter()
        passed, looks = 0, []

        def live(began: float = began, looks: list[float] = looks) -> None:
            nonlocal passed
            while time.perf_counter() - began < _WATCHED:
                # The server's autovacuum hears of what a call did when that call ends.
                connection.execute("CALL live(%s)", (_A_CALL,))
                passed += _A_CALL
                looks.append(float(_ms(connection, find)))
                time.sleep(max(0.0, began + passed / _PACE - time.perf_counter()))

        yield from _latency(f"webhook beside: queue, {name}", office, live)
        yield f"queue, {name}, messages/s", f"{passed / (time.perf_counter() - began):.0f}"
        looks.sort()
        told = f"{looks[len(looks) // 2]} / {looks[-1]}"
        yield f"queue, {name}, ms to find the next: half / most", told
        yield from _state(connection, name, "outbox")
    connection.execute(
        "ALTER TABLE outbox RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold,"
        " autovacuum_vacuum_insert_scale_factor, autovacuum_vacuum_cost_delay)"
    )


def _state(connection: psycopg.Connection, name: str, table: str) -> Figures:
    connection.execute("SELECT pg_stat_force_next_flush()")
    updated, hot, dead, vacuums = connection.execute(
        "SELECT n_tup_upd, n_tup_hot_upd, n_dead_tup, autovacuum_count"
        " FROM pg_stat_user_tables WHERE relname = %s",
        (table,),
    ).fetchone() or (0, 0, 0, 0)
    heap, indexes, queue = connection.execute(
        "SELECT pg_relation_size(%(table)s::regclass), pg_indexes_size(%(table)s::regclass),"
        " (SELECT pg_relation_size(indexrelid) FROM pg_index WHERE indrelid = %(table)s::regclass"
        " AND pg_get_indexdef(indexrelid) LIKE '%%queued%%')",
        {"table": table},
    ).fetchone() or (0, 0, 0)
    yield f"queue, {name}, HOT updates of {updated}", f"{hot}"
    yield f"queue, {name}, dead rows / autovacuums", f"{dead} / {vacuums}"
    told = f"{_mb(heap)} / {_mb(indexes)} / {queue / 1e6:.1f}"
    yield f"queue, {name}, MB rows / indexes / index of what waits", told


_PARTS: Mapping[str, Callable[[psycopg.Connection, Wiring, int], Figures]] = {
    "sizes": _sizes,
    "times": _time_indexes,
    "inserts": _inserts,
    "queue": _queue,
    "cleaning": _cleaning,
    "references": _references,
    "partitions": _partitions,
    "small_queue": _small_queue,
}


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    _asked = sys.argv[1:] or [str(_SIZE)]
    for _what, _figure in measure(int(_asked[0]), *_asked[1:]):
        print(f"{_what:<78} {_figure:>24}", flush=True)  # noqa: T201
