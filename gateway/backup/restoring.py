"""Putting a backup back: into an empty database, whole or not at all.

What happened between the backup and the death of the old box is not in it. Two things that the old
box may have done meanwhile must not be done twice: giving out a confirmation number, and sending a
message. See docs/decisions/0022-backup-and-restore.md.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gateway import clock
from gateway.backup.archive import BadArchive, Manifest, Reader
from models import copying, revisions, schema
from models.database.engine import Database
from models.people import Mark
from models.states import MessageStatus

#: Numbers that are passed over at least: more than a district gives out in a day or two.
LEAST_SKIPPED = 1000
#: What stands as the error of a message that may have left from the old box.
HELD = "put back from a backup: it may have left before"
#: The name of the mark by which a database knows that it was put back.
MARK = "restored"
#: These hold no more than a start makes by itself, and the backup has its own.
_MADE_BY_A_START = ("villages", "marks")
_FIRST = "marks"


class NotEmpty(Exception):
    """The database holds something; the text says what."""


class NewerSchema(Exception):
    """The backup is of a schema that this code does not know."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What was put back, and what was done so that nothing is doubled."""

    manifest: Manifest
    last_number: int
    """How many confirmation numbers had been given by the time of the backup."""
    skipped: int
    """So many after it are never given: the old box may have given them."""
    held: int
    """Messages that wait for a person, as they may have left since."""
    queued: int
    """Messages that leave again."""


def restore(
    database: Database,
    reader: Reader,
    verify_key: Callable[[Session], None],
    *,
    resend_queued: bool,
    skip: int | None,
) -> Restored:
    """Put a backup into a database that is empty, in one transaction.

    `verify_key` sees the marks once they are in and raises where the key is another one. The tables
    are first made, or brought to the schema that the backup is of; afterwards they are brought to
    the newest. A death in between leaves an empty database, or a whole one of the older schema.
    Without `skip` it is reckoned how many confirmation numbers are passed over.
    """
    manifest = reader.manifest
    if not schema.knows(manifest.revision):
        raise NewerSchema(
            f"its schema is {manifest.revision}, which this version does not know; it was made by"
            f" version {manifest.product_version}; mend: install that version or a newer one"
        )
    refuse_unless_empty(database)
    schema.bring_to(database, manifest.revision)
    with database.writing() as session:
        connection = session.connection()
        copying.keep_others_out(connection)
        _refuse_unless_empty(connection)
        tables = {table.name: table for table in copying.tables_of(connection)}
        _load(session, tables, reader, verify_key)
        last, skipped = _skip_numbers(connection, tables, manifest, skip)
        held, queued = _hold_messages(connection, tables["outbox"], resend_queued=resend_queued)
        done = Restored(manifest, last, skipped, held, queued)
        _leave_mark(connection, tables["marks"], done)
    schema.upgrade(database)
    return done


def refuse_unless_empty(database: Database) -> None:
    """Raise NotEmpty where a database holds more than a first start makes by itself."""
    if revisions.current(database) is not None:
        with database.engine.connect() as connection:
            _refuse_unless_empty(connection)


def _refuse_unless_empty(connection: sa.Connection) -> None:
    counts = copying.count_rows(connection)
    found = [f"{count} {name}" for name, count in counts.items() if name not in _MADE_BY_A_START]
    if found:
        raise NotEmpty(f"the database is not empty ({', '.join(found)})")


def _load(
    session: Session,
    tables: dict[str, sa.Table],
    reader: Reader,
    verify_key: Callable[[Session], None],
) -> None:
    connection = session.connection()
    parts = sorted(reader.manifest.tables, key=lambda part: part.name != _FIRST)
    names = {part.name for part in parts}
    if names != set(tables):
        different = ", ".join(sorted(names ^ set(tables)))
        raise BadArchive(f"its tables are not those of its schema: {different}")
    for name in _MADE_BY_A_START:
        connection.execute(sa.delete(tables[name]))
    for part in parts:
        table = tables[part.name]
        if set(part.columns) - set(table.columns.keys()):
            raise BadArchive(f"the columns of table {part.name} are not those of its schema")
        copying.insert(connection, table, part.columns, reader.rows(part))
        copying.give_no_id_up_to(connection, table, part.highest_id)
        if part.name == _FIRST:
            # Now, and not after a million rows.
            verify_key(session)


def _skip_numbers(
    connection: sa.Connection, tables: dict[str, sa.Table], manifest: Manifest, skip: int | None
) -> tuple[int, int]:
    """Pass over the confirmation numbers that the old box may have given since; say from where.

    Twice as many as it gave in as long a time before the backup, and LEAST_SKIPPED: people may hold
    them in their hands, and each must never mean another report.
    """
    table = tables["confirmation_numbers"]
    (part,) = (one for one in manifest.tables if one.name == table.name)
    if skip is None:
        age = max(clock.now() - manifest.taken_at, timedelta(0))
        since = _as_stored(table.columns["given_at"], manifest.taken_at - age)
        given = connection.scalar(
            sa.select(sa.func.count()).select_from(table).where(table.c.given_at >= since)
        )
        skip = LEAST_SKIPPED + 2 * (given or 0)
    copying.give_no_id_up_to(connection, table, part.highest_id + skip)
    return part.highest_id, skip


def _as_stored(column: sa.Column[datetime], moment: datetime) -> datetime:
    is_zoned = isinstance(column.type, sa.DateTime) and column.type.timezone
    return moment if is_zoned else moment.replace(tzinfo=None)


def _hold_messages(
    connection: sa.Connection, outbox: sa.Table, *, resend_queued: bool
) -> tuple[int, int]:
    """Let no message leave that may have left since; say how many are held, how many leave."""
    on_their_way = (MessageStatus.QUEUED.value, MessageStatus.SENDING.value)
    is_under_way = outbox.c.status.in_(on_their_way)
    # Decision 6: two alarms are better than none.
    may_leave: sa.ColumnElement[bool] = outbox.c.resend_if_unconfirmed
    if resend_queued:
        may_leave = sa.or_(may_leave, outbox.c.status == MessageStatus.QUEUED.value)
    held = connection.execute(
        sa.update(outbox)
        .where(is_under_way, sa.not_(may_leave))
        .values(status=MessageStatus.UNCONFIRMED.value, error=HELD)
    )
    # Who was claimed is let go by nobody else: the worker that claimed it is no more.
    queued = connection.execute(
        sa.update(outbox).where(is_under_way, may_leave).values(status=MessageStatus.QUEUED.value)
    )
    return held.rowcount, queued.rowcount


def _leave_mark(connection: sa.Connection, marks: sa.Table, done: Restored) -> None:
    """Let the database itself tell that it was put back, and from what."""
    told = {
        "at": clock.now().isoformat(),
        "taken_at": done.manifest.taken_at.isoformat(),
        "last_number": done.last_number,
        "skipped": done.skipped,
        "held": done.held,
    }
    connection.execute(sa.delete(marks).where(marks.c.name == MARK))
    connection.execute(sa.insert(marks).values(name=MARK, value=json.dumps(told)))


def told_by(session: Session) -> dict[str, Any] | None:
    """Give what the mark of a database that was put back says; None for any other."""
    kept = session.scalars(sa.select(Mark.value).where(Mark.name == MARK)).one_or_none()
    return json.loads(kept) if kept else None
