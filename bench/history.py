"""Years of messages and reports, made within PostgreSQL itself: minutes for millions of rows.

The newest rows are the same whatever the size, and older ones stand before them: a small history
is a gateway that began lately, a large one the same gateway years later. What is open is among the
newest; what is old is closed, but for the few drafts and unverified reports that nobody cleared.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy.engine import make_url

#: Filled by `fill`, in this order.
TABLES = (
    "inbox",
    "reports",
    "report_events",
    "outbox",
    "delivery_reports",
    "confirmation_numbers",
    "report_links",
    "audit_entries",
)
#: Reports that came within so many days, however many there are of them.
_YEARS = 5
_LARGEST = 5_000_000

#: Each phone and village in turn, in an order of their own, so that no two neighbours are together.
_SPREAD = """
CREATE TEMPORARY TABLE spread AS
SELECT row_number() OVER (ORDER BY md5(reporters.phone_id::text)) - 1 AS place,
       reporters.phone_id, reporters.village_code
FROM reporters WHERE ended_at IS NULL;
CREATE INDEX ON spread (place);
ANALYZE spread;
"""
#: One row for each message, the newest last. `age` counts from the newest: what depends on it is
#: alike in histories of all sizes.
_PLAN = """
CREATE TEMPORARY TABLE plan AS
SELECT n AS id, age, phone_id, village_code,
       now() - age * (interval '{years} years' / {largest}) - interval '1 hour' AS at,
       CASE WHEN age % 50 = 0 THEN 'chat' ELSE 'report' END AS outcome,
       (ARRAY['NIHIL', 'NIHIL', 'NIHIL', 'NIHIL', 'NIHIL', 'WNA', 'WNA', 'WNA', 'PMI', 'PERGI',
              'NIHIL', 'NIHIL', 'NIHIL', 'NIHIL', 'WNA', 'WNA', 'PMI', 'PERGI', 'CURIGA', 'DARURAT']
       )[1 + age % 20] AS code
FROM (SELECT n, {size} - n AS age FROM generate_series(1, {size}) AS n) AS numbered
JOIN spread ON spread.place = age::bigint * 7919 % (SELECT count(*) FROM spread);
ANALYZE plan;
"""
_INBOX = """
INSERT INTO inbox (id, channel, provider_message_id, id_key, fingerprint, phone_id, text, flags,
                   payload, network_time, received_at, segments, parts, redelivered, handled_at,
                   outcome, text_key, attempts)
SELECT id, 'africastalking', 'old-' || id, md5('k' || id), md5('f' || id), phone_id,
       code || ' ' || id, '[]', '{{"networkCode": "51010"}}', at - interval '4 seconds', at, 1, 1,
       0, at + interval '1 second', outcome, md5('t' || id), 0
FROM plan ORDER BY id;
"""
_REPORTS = """
INSERT INTO reports (id, number, code, state, urgency, village_code, phone_id, inbox_id, channel,
                     fields, missing, problems, flags, note, verified, unverified_reason, text_key,
                     asked_at, received_at, network_time)
SELECT id, CASE WHEN state = 'draft' THEN NULL ELSE 'old-' || id END, code, state,
       CASE code WHEN 'DARURAT' THEN 'mendesak' WHEN 'CURIGA' THEN 'sedang'
                 WHEN 'NIHIL' THEN 'info' WHEN 'PERGI' THEN 'info' ELSE 'biasa' END,
       village_code, phone_id, id, 'africastalking',
       CASE code WHEN 'NIHIL' THEN '{{"month": 3}}'::jsonb
                 ELSE jsonb_build_object('country', 'AU', 'count', 1 + age % 9) END,
       '[]', '[]', '[]', '', age % 200 <> 7, CASE WHEN age % 200 = 7 THEN 'stranger' END,
       md5('t' || id), CASE WHEN state = 'draft' THEN at END, at, at - interval '4 seconds'
FROM (
  SELECT *, CASE
    WHEN code = 'NIHIL' THEN 'closed'
    WHEN age < 5000 AND age % 100 = 18 OR age % 1000 = 18 THEN 'draft'
    WHEN age < 5000 AND age % 3 = 0 THEN 'received'
    WHEN age < 5000 AND age % 3 = 1 THEN 'taken'
    WHEN age % 60 = 59 THEN 'invalid'
    WHEN age % 60 = 37 THEN 'duplicate'
    WHEN age % 2 = 0 THEN 'acted'
    ELSE 'closed' END AS state
  FROM plan WHERE outcome = 'report'
) AS told ORDER BY id;
"""
_EVENTS = """
INSERT INTO report_events (report_id, event, at, by, state, detail)
SELECT id, 'received', received_at, 'reporter', 'received', '{{}}' FROM reports ORDER BY id;
INSERT INTO report_events (report_id, event, at, by, state, detail)
SELECT id, 'closed', received_at, 'gateway', state, '{{}}' FROM reports ORDER BY id;
"""
_OUTBOX = """
INSERT INTO outbox (id, token, channel, phone_id, text, reply_key, is_capped, lane, lane_rank,
                    status, segments, in_reply_to, report_id, created_at, expires_at, refused_by,
                    attempts, claimed_at, sent_at, provider_message_id, provider_key,
                    resend_if_unconfirmed, is_bound)
SELECT id, substr(md5('o' || id), 1, 16), 'africastalking', phone_id, 'Laporan ' || code || ' '
       || 'diterima. No ' || id, 'OK_' || code, outcome = 'chat', 'reply', 1,
       CASE WHEN age < 5000 AND age % 2 = 0 THEN 'sent' WHEN age % 500 = 3 THEN 'expired'
            WHEN age % 500 = 5 THEN 'failed' ELSE 'delivered' END,
       1, id, CASE WHEN outcome = 'report' THEN id END, at + interval '1 second',
       at + interval '2 days', '[]', 1, at + interval '1 second', at + interval '2 seconds',
       'ATXid_' || id, 'atxid_' || id, false, false
FROM plan ORDER BY id;
"""
_DELIVERIES = """
INSERT INTO delivery_reports (channel, provider_key, raw_status, reason, status, received_at, times)
SELECT channel, provider_key, 'Success', '', 'delivered', sent_at + interval '9 seconds', 1
FROM outbox WHERE status = 'delivered' ORDER BY id;
"""
_REST = """
INSERT INTO confirmation_numbers (id, given_at)
SELECT id, received_at FROM reports WHERE number IS NOT NULL ORDER BY id;
INSERT INTO report_links (report_id, other_id, kind)
SELECT later.id, later.id - 1, 'likeness'
FROM reports AS later JOIN reports AS earlier ON earlier.id = later.id - 1 WHERE later.id % 20 = 0;
INSERT INTO audit_entries (at, actor, action, subject, reason, seal)
SELECT at, 'P-' || id % 97, 'looked', village_code, '', md5('s' || id) FROM plan
WHERE id % 10 = 0 ORDER BY id;
"""


def fill(database_url: str, size: int) -> None:
    """Put so many messages, with all that came of them, into a database that has a roster."""
    url = make_url(database_url)
    dsn = f"dbname={url.database} user={url.username} host={url.query['host']}"
    with psycopg.connect(dsn, autocommit=True) as connection:
        for setting in (
            "synchronous_commit = off",
            "maintenance_work_mem = '512MB'",
            "work_mem = '128MB'",
            # The rows fit together as they are made; each foreign key would be looked up.
            "session_replication_role = replica",
        ):
            connection.execute(f"SET {setting}")
        connection.execute(_SPREAD)
        with _without_indexes(connection):
            for statement in (_PLAN, _INBOX, _REPORTS, _EVENTS, _OUTBOX, _DELIVERIES, _REST):
                connection.execute(
                    statement.format(size=size, years=_YEARS, largest=_LARGEST).encode()
                )
        for table in TABLES:
            last = f"(SELECT greatest(1, max(id)) FROM {table})"  # noqa: S608  # our own names
            connection.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), {last})")
        connection.execute("DROP TABLE plan, spread")
        connection.execute("VACUUM ANALYZE")


@contextmanager
def _without_indexes(connection: psycopg.Connection) -> Iterator[None]:
    """Take indexes and unique constraints away, but for primary keys, and put them back after."""
    constraints = connection.execute(
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE contype = 'u' AND conrelid::regclass::text = ANY(%s)",
        [list(TABLES)],
    ).fetchall()
    for table, name, _ in constraints:
        connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}".encode())
    indexes = connection.execute(
        "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index"
        " WHERE NOT indisprimary AND indrelid::regclass::text = ANY(%s)",
        [list(TABLES)],
    ).fetchall()
    for name, _ in indexes:
        connection.execute(f"DROP INDEX {name}".encode())
    yield
    for _, definition in indexes:
        connection.execute(definition.encode())
    for table, name, definition in constraints:
        statement = f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}"
        connection.execute(statement.encode())
