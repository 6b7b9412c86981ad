"""Years of messages and reports, made within PostgreSQL itself: minutes for millions of rows.

The newest rows are the same whatever the size, and older ones stand before them: a small history
is a gateway that began lately, a large one the same gateway years later. What is open is among the
newest; what is old is closed, but for what nobody cleared: drafts, reports of strangers, chat.

A server that is filled within `filling` writes no log ahead of its rows and waits for no disk; it
does both again when the block ends, with all that was written lying on the disk.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from typing import LiteralString

import psycopg
from sqlalchemy.engine import make_url
from support.postgres import PostgresServer

from gateway.audit import Audit
from models.people import AuditEntry
from parsers.reading import key_of

#: So many messages come in five years: 2,740 a day.
_LARGEST = 5_000_000
#: Tables that are filled at the same time: more than the machine has cores helps nothing.
_AT_ONCE = 2
_NIHIL = sha256(key_of("NIHIL").encode()).hexdigest()
#: What a server is told for as long as it is filled.
_WHILE_FILLING = (
    "fsync=off",
    "full_page_writes=off",
    "synchronous_commit=off",
    # What a transaction puts into a table that it has made itself is written once, not twice.
    "wal_level=minimal",
    "max_wal_senders=0",
    "max_wal_size=8GB",
    "checkpoint_timeout=1h",
    "shared_buffers=2GB",
    "maintenance_work_mem=1GB",
    "autovacuum=off",
)
#: And afterwards: as in deploy/compose. By itself PostgreSQL takes a quarter of that.
_AFTERWARDS = ("shared_buffers=512MB",)

#: Beside the one phone that each village has: a second one in every third village, and strangers,
#: who report for none. Nobody texts from them, so nobody need find them by their number.
_PHONES = """
INSERT INTO phones (kind, lookup, number, alias, created_at)
SELECT 'mobile', md5('more ' || n), '+62812900' || lpad(n::text, 6, '0'), 'P-more-' || n, now()
FROM generate_series(1, (SELECT count(*) FROM villages) / 3 + 20000) AS n;
CREATE UNLOGGED TABLE strangers AS
SELECT row_number() OVER (ORDER BY id DESC) - 1 AS place, id AS phone_id
FROM (SELECT id FROM phones ORDER BY id DESC LIMIT 20000) AS latest;
INSERT INTO reporters (phone_id, village_code, name, role, is_demo, since)
SELECT phones.id, code, 'Sekdes ' || place, 'sekdes', false, now()
FROM (SELECT code, row_number() OVER (ORDER BY md5(code)) AS place FROM villages) AS shuffled
JOIN phones ON phones.alias = 'P-more-' || place
WHERE phones.id NOT IN (SELECT phone_id FROM strangers);
"""
#: Each phone and village in turn, in an order of their own, so that no two neighbours are together.
_SPREAD = """
CREATE UNLOGGED TABLE spread AS
SELECT row_number() OVER (ORDER BY md5(phone_id || village_code)) - 1 AS place,
       phone_id, village_code
FROM reporters WHERE ended_at IS NULL;
ANALYZE spread, strangers;
"""
#: One row for each message, the newest last. `age` counts from the newest: what depends on it is
#: alike in histories of all sizes. Half of the messages come from all phones alike; of the others
#: few phones send the most, as it is with people: the busiest five a day, all these years.
_PLAN = """
CREATE UNLOGGED TABLE plan AS
SELECT n AS id, age, CASE WHEN is_stranger THEN strangers.phone_id ELSE spread.phone_id END,
       CASE WHEN is_stranger THEN NULL ELSE spread.village_code END AS village_code, is_stranger,
       now() - age * (interval '5 years' / {in_five_years}) - interval '1 hour' AS at,
       (ARRAY['africastalking', 'africastalking', 'africastalking', 'kannel', 'kannel', 'smsgate',
              'gammu'])[1 + age % 7] AS channel,
       outcome, code,
       -- As it is for people: the same text for years.
       CASE code WHEN 'NIHIL' THEN '{nihil}' ELSE md5('t' || n) END AS text_key,
       CASE
         WHEN code = 'NIHIL' THEN 'closed'
         WHEN age < 5000 AND age % 100 = 18 OR age % 1000 = 18 THEN 'draft'
         WHEN age < 5000 AND age % 3 = 0 THEN 'received'
         WHEN age < 5000 AND age % 3 = 1 THEN 'taken'
         WHEN age % 60 = 59 THEN 'invalid'
         WHEN age % 60 = 37 THEN 'duplicate'
         WHEN age % 2 = 0 THEN 'acted'
         ELSE 'closed' END AS state
FROM (
  SELECT n, {size} - n AS age, ({size} - n) % 200 IN (7, 50) AS is_stranger,
         CASE WHEN ({size} - n) % 50 = 0 THEN 'chat' ELSE 'report' END AS outcome,
         (ARRAY['NIHIL', 'NIHIL', 'NIHIL', 'NIHIL', 'NIHIL', 'WNA', 'WNA', 'WNA', 'PMI', 'PERGI',
                'NIHIL', 'NIHIL', 'NIHIL', 'NIHIL', 'WNA', 'WNA', 'PMI', 'PERGI', 'CURIGA',
                'DARURAT'])[1 + ({size} - n) % 20] AS code,
         (hashint8({size} - n)::bigint + 2147483648) / 4294967296.0::double precision AS lot
  FROM generate_series(1::bigint, {size}) AS n
) AS numbered
CROSS JOIN (SELECT count(*) AS phones FROM spread) AS counted
JOIN spread ON spread.place = CASE WHEN age % 2 = 0 THEN age * 7919 % phones
                                   ELSE floor(phones * lot * lot)::bigint END
LEFT JOIN strangers ON is_stranger AND strangers.place = age % 20000
ORDER BY n;
ANALYZE plan;
"""
#: What each table is filled with, the longest first.
_ROWS: Mapping[str, LiteralString] = {
    "inbox": """
INSERT INTO inbox (id, channel, provider_message_id, id_key, fingerprint, phone_id, text, flags,
                   payload, network_time, received_at, segments, parts, redelivered, handled_at,
                   outcome, text_key, attempts)
SELECT id, channel, 'old-' || id, md5('k' || id), md5('f' || id), phone_id,
       CASE code WHEN 'NIHIL' THEN code ELSE code || ' ' || id END, '[]',
       '{{"networkCode": "51010"}}', at - interval '4 seconds', at, 1, 1, 0,
       at + interval '1 second', outcome, text_key, 0
FROM plan;
""",
    "outbox": """
INSERT INTO outbox (id, token, channel, phone_id, text, reply_key, is_capped, lane, lane_rank,
                    status, segments, in_reply_to, report_id, created_at, expires_at, refused_by,
                    attempts, claimed_at, sent_at, provider_message_id, provider_key,
                    resend_if_unconfirmed, is_bound)
SELECT id, substr(md5('o' || id), 1, 16), channel, phone_id, 'Laporan ' || code || ' '
       || 'diterima. No ' || id, 'OK_' || code, outcome = 'chat', 'reply', 1,
       CASE WHEN age < 5000 AND age % 500 = 7 THEN 'unconfirmed'
            WHEN age < 5000 AND age % 2 = 0 THEN 'sent' WHEN age % 500 = 3 THEN 'expired'
            WHEN age % 500 = 5 THEN 'failed' ELSE 'delivered' END,
       1, id, CASE WHEN outcome = 'report' THEN id END, at + interval '1 second',
       at + interval '2 days', '[]', 1, at + interval '1 second', at + interval '2 seconds',
       'ATXid_' || id, 'atxid_' || id, false, false
FROM plan;
""",
    "report_events": """
INSERT INTO report_events (report_id, event, at, by, state, detail)
SELECT id, event, at + after, by, coalesce(told, state), '{{}}'
FROM (VALUES ('received', interval '0', 'reporter', 'received'),
             ('closed', interval '1 hour', 'gateway', NULL)) AS happened (event, after, by, told)
CROSS JOIN plan WHERE outcome = 'report';
""",
    "reports": """
INSERT INTO reports (id, number, code, state, urgency, village_code, phone_id, inbox_id, channel,
                     fields, missing, problems, flags, note, verified, unverified_reason, text_key,
                     asked_at, received_at, network_time)
SELECT id, CASE WHEN state = 'draft' THEN NULL ELSE 'old-' || id END, code, state,
       CASE code WHEN 'DARURAT' THEN 'mendesak' WHEN 'CURIGA' THEN 'sedang'
                 WHEN 'NIHIL' THEN 'info' WHEN 'PERGI' THEN 'info' ELSE 'biasa' END,
       village_code, phone_id, id, channel,
       CASE code WHEN 'NIHIL' THEN '{{"month": 3}}'::jsonb
                 ELSE jsonb_build_object('country', 'AU', 'count', 1 + age % 9) END,
       '[]', '[]', '[]', '', NOT is_stranger, CASE WHEN is_stranger THEN 'not in the roster' END,
       text_key, CASE WHEN state = 'draft' THEN at END, at, at - interval '4 seconds'
FROM plan WHERE outcome = 'report';
""",
    "delivery_reports": """
INSERT INTO delivery_reports (channel, provider_key, raw_status, reason, status, received_at, times)
SELECT channel, 'atxid_' || id, 'Success', '', 'delivered', at + interval '11 seconds', 1
FROM plan
WHERE NOT (age < 5000 AND (age % 500 = 7 OR age % 2 = 0)) AND age % 500 NOT IN (3, 5);
""",
    "confirmation_numbers": """
INSERT INTO confirmation_numbers (id, given_at)
SELECT id, at FROM plan WHERE outcome = 'report' AND state <> 'draft';
""",
    "report_links": """
INSERT INTO report_links (report_id, other_id, kind)
SELECT id, id - 1, 'likeness' FROM plan
WHERE outcome = 'report' AND id % 20 = 0 AND age % 50 <> 49 AND id > 1;
""",
    "quarantine": """
INSERT INTO quarantine (channel, reason, body, received_at, digest, times)
SELECT channel, 'no form that is known', '{{"text": "x"}}', at, md5('q' || id), 1
FROM plan WHERE age % 1000 = 999;
""",
    "alarms": """
INSERT INTO alarms (kind, subject, says, raised_at, again_at, told_at, cleared_at)
SELECT 'down', channel, 'no answer', at, at, at, at + interval '1 hour'
FROM plan WHERE age % 500 = 499;
""",
    "canaries": """
INSERT INTO canaries (token, channel, outbound_id, started_at, came_by, back_at)
SELECT md5('c' || id), channel, id, at, channel, at + interval '1 minute'
FROM plan WHERE age % 100 = 98;
""",
}
#: Filled by `fill`.
TABLES = (*_ROWS, "audit_entries")
_LOOKED = "SELECT at, 'P-' || id % 97, coalesce(village_code, '-') FROM plan WHERE id % 10 = 0"


@contextmanager
def filling(server: PostgresServer) -> Iterator[None]:
    """Let a server forget its promises while it is filled; it must hold nothing else of worth."""
    server.stop()
    server.launch(*_WHILE_FILLING)
    yield
    server.checkpoint()
    server.stop()
    # What was written without fsync lies in the machine's memory still.
    os.sync()
    server.launch(*_AFTERWARDS)


def fill(
    database_url: str, size: int, secret_key: str, in_five_years: int = _LARGEST
) -> dict[str, float]:
    """Put so many messages, with all that came of them, into a database that has a roster.

    The key is the one that the audit is sealed with. They come as fast as makes so many in five
    years. Gives the seconds that each table took.
    """
    took: dict[str, float] = {}

    def timed(name: str, work: Callable[[], None]) -> None:
        began = time.monotonic()
        work()
        took[name] = time.monotonic() - began

    with _connected(database_url) as connection:
        timed("plan", partial(_plan, connection, size, in_five_years))
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            jobs = [
                pool.submit(timed, name, partial(_table, database_url, name, statement))
                for name, statement in _ROWS.items()
            ]
            jobs.append(
                pool.submit(timed, "audit_entries", partial(_audit, database_url, secret_key))
            )
        for job in jobs:
            job.result()
        connection.execute("DROP TABLE plan, spread, strangers")
    timed("vacuum", partial(_vacuum, database_url))
    return took


@contextmanager
def _connected(database_url: str) -> Iterator[psycopg.Connection]:
    url = make_url(database_url)
    dsn = f"dbname={url.database} user={url.username} host={url.query['host']}"
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SET work_mem = '128MB'")
        # Two who read one table at once would else begin where the other is: in no order of time.
        connection.execute("SET synchronize_seqscans = off")
        # The rows fit together as they are made; each foreign key would be looked up.
        connection.execute("SET session_replication_role = replica")
        yield connection


def _plan(connection: psycopg.Connection, size: int, in_five_years: int) -> None:
    for statement in (_PHONES, _SPREAD, _PLAN):
        said = statement.format(size=size, in_five_years=in_five_years, nihil=_NIHIL)
        connection.execute(said.encode())


def _table(database_url: str, name: str, statement: LiteralString) -> None:
    """Fill one table, and give it its indexes after."""
    with _connected(database_url) as connection, _without_indexes(connection, name):
        with connection.transaction():
            # Made anew in this transaction, so that its rows need no log.
            connection.execute(f"CLUSTER {name} USING pk_{name}".encode())
            connection.execute(statement.format().encode())
        connection.execute(f"ALTER TABLE {name} SET WITHOUT CLUSTER".encode())
        _end_sequence(connection, name)


def _audit(database_url: str, secret_key: str) -> None:
    """Write the audit as the gateway does: each entry sealed with the one before it."""
    audit = Audit(secret_key)
    with _connected(database_url) as connection, _without_indexes(connection, "audit_entries"):
        newest = connection.execute("SELECT seal FROM audit_entries ORDER BY id DESC LIMIT 1")
        before = next((row[0] for row in newest), "")
        looked = connection.execute(_LOOKED).fetchall()
        columns = "(at, actor, action, subject, reason, seal)"
        with connection.cursor().copy(f"COPY audit_entries {columns} FROM STDIN".encode()) as copy:
            for at, actor, subject in looked:
                entry = AuditEntry(at=at, actor=actor, action="looked", subject=subject, reason="")
                before = audit.seal(before, entry)
                copy.write_row((at, actor, "looked", subject, "", before))


def _vacuum(database_url: str) -> None:
    """Leave all as it would long have been: what nobody writes to any more is known to be seen."""

    def vacuum(table: str) -> None:
        with _connected(database_url) as connection:
            connection.execute(f"VACUUM ANALYZE {table}".encode())

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(vacuum, (*TABLES, "villages", "phones", "reporters")))


def _end_sequence(connection: psycopg.Connection, table: str) -> None:
    last = f"(SELECT greatest(1, max(id)) FROM {table})"  # noqa: S608  # our own names
    connection.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), {last})".encode())


@contextmanager
def _without_indexes(connection: psycopg.Connection, table: str) -> Iterator[None]:
    """Take indexes and unique constraints away, but the primary key; put them back after."""
    constraints = connection.execute(
        "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE contype = 'u' AND conrelid = %s::regclass",
        [table],
    ).fetchall()
    for name, _ in constraints:
        connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}".encode())
    indexes = connection.execute(
        "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index"
        " WHERE NOT indisprimary AND indrelid = %s::regclass",
        [table],
    ).fetchall()
    for name, _ in indexes:
        connection.execute(f"DROP INDEX {name}".encode())
    yield
    for _, definition in indexes:
        connection.execute(definition.encode())
    for name, definition in constraints:
        connection.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}".encode())
