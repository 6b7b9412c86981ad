"""Gammu SMSD: a modem with a SIM, spoken to through the SQL tables that the daemon keeps.

Seen with Gammu 1.42 (schema 17) on SQLite and PostgreSQL in November 2026; docs/providers/gammu.md
has the details. What matters most:

- nobody calls us: `inbox` is polled, and a row counts as read once we have set `Processed`;
- of a long message SMSD writes the whole text into the first row, and none into the others; one
  that stays incomplete has its own text in each row that came;
- SMSD sends a row of `outbox` as it is: the text is cut by us, and its coding is chosen by us;
- `CreatorID` goes along into `sentitems`: there stands our token, by which a message is sent once;
- on SQLite `UpdatedInDB` is in UTC before schema 18, and in SMSD's own zone since; the times that
  SMSD writes itself are always in its zone;
- an answer to a USSD request is a row of class 127, and no message;
- nothing of a message ever reaches a shell: there is no RunOnReceive here.
"""

import json
import re
import sqlite3
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from typing import Any, Final, TypeVar
from urllib.parse import quote
from zlib import crc32
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy import event, exc
from sqlalchemy.engine import Connection, Engine, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from gateway.accounts import GammuAccount
from gateway.providers import http
from gateway.providers.base import (
    AccountRefused,
    Health,
    InboundRequest,
    InboundSms,
    Intake,
    NoSuchRoute,
    NotReached,
    NumberRefused,
    OutboundSms,
    Part,
    Polled,
    ReportedDelivery,
    SendDeferred,
    SendRefused,
    SendUnconfirmed,
    Unreadable,
)
from models.states import Fault, MessageStatus
from parsers import segments

T = TypeVar("T")

_CREATOR: Final = "timpora:"
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")

_GSM7_PART, _UCS2_PART = 153, 67
_MOST_PARTS = 255
#: TP-VP 169: the network tries for three days, as phones in the hills are often off.
_THREE_DAYS = 169

_MOST_MESSAGES = 50
#: More than the parts of the longest message, so that a poll always gets past it.
_MOST_ROWS = 300
#: So far before a part its first row may stand, where two modems write into one table.
_NEAR = 1000
_USSD_CLASS = 127

#: `UpdatedInDB` counts whole seconds: only those that are over for so long are read, so that no row
#: can come into them any more.
_SETTLED = timedelta(seconds=2)
#: From so long ago news are read again after the clock was set back.
_SET_BACK = timedelta(hours=1)
#: A phone whose row is older is taken for dead: by our template SMSD renews it each half minute.
_SILENT = timedelta(minutes=2)
_BEGINNING = "0001-01-01 00:00:00"
#: Since this schema SQLite's own times are local, too.
_LOCAL_SCHEMA = 18

#: All that one poll, send or question may take; the time-outs of the databases are shorter.
_WITHIN = 9.0
_CONNECTED = 3
_LOCKED = 3.0

_DELIVERY = {
    "SendingOK": MessageStatus.SENT,
    "SendingOKNoReport": MessageStatus.SENT,
    "DeliveryOK": MessageStatus.DELIVERED,
    "SendingError": MessageStatus.FAILED,
    "Error": MessageStatus.FAILED,
    "DeliveryFailed": MessageStatus.FAILED,
}

_NOT_SENT = ("SendingError", "Error")
#: The modem's error +CMS 332.
_NETWORK_TIMEOUT = 332

#: What databases say when it is the settings, or the rights, that somebody must mend.
_OURS_TO_MEND = (
    "no such table",
    "no such column",
    "no column named",
    "readonly database",
    "not a database",
    "authentication failed",
    "no password supplied",
    "does not exist",
    "permission denied",
    "no pg_hba.conf entry",
)


class _AsWritten(sa.types.UserDefinedType[str]):
    """A text that each database reads as its column's own type: a time, `true`, `false`.

    Times are not read as times: some that stand there no clock ever showed, and one of them would
    spoil all rows beside it.
    """

    cache_ok = True

    def column_expression(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[str]:
        """Read it as the text that it is on SQLite."""
        return sa.cast(column, sa.Text)


_YES, _NO = "true", "false"


def _table(name: str, **columns: sa.types.TypeEngine[Any]) -> sa.TableClause:
    return sa.table(name, *(sa.column(one, kind) for one, kind in columns.items()))


_TEXT, _WHOLE, _WRITTEN = sa.Text(), sa.Integer(), _AsWritten()

_schema = _table("gammu", Version=_WHOLE)
_inbox = _table(
    "inbox",
    ID=_WHOLE,
    ReceivingDateTime=_WRITTEN,
    SenderNumber=_TEXT,
    Coding=_TEXT,
    UDH=_TEXT,
    SMSCNumber=_TEXT,
    Class=_WHOLE,
    Text=_TEXT,
    TextDecoded=_TEXT,
    RecipientID=_TEXT,
    Processed=_WRITTEN,
)
_outbox = _table(
    "outbox",
    ID=_WHOLE,
    SendingDateTime=_WRITTEN,
    SendingTimeOut=_WRITTEN,
    DestinationNumber=_TEXT,
    Coding=_TEXT,
    UDH=_TEXT,
    TextDecoded=_TEXT,
    MultiPart=_WRITTEN,
    RelativeValidity=_WHOLE,
    SenderID=_TEXT,
    DeliveryReport=_TEXT,
    CreatorID=_TEXT,
)
_outbox_multipart = _table(
    "outbox_multipart",
    ID=_WHOLE,
    SequencePosition=_WHOLE,
    Coding=_TEXT,
    UDH=_TEXT,
    TextDecoded=_TEXT,
)
_sentitems = _table(
    "sentitems",
    ID=_WHOLE,
    SequencePosition=_WHOLE,
    UpdatedInDB=_WRITTEN,
    UDH=_TEXT,
    Status=_TEXT,
    StatusError=_WHOLE,
    StatusCode=_WHOLE,
    CreatorID=_TEXT,
)
_phones = _table(
    "phones",
    ID=_TEXT,
    UpdatedInDB=_WRITTEN,
    NetName=_TEXT,
    Battery=_WHOLE,
    Signal=_WHOLE,
)


class _Blame(Enum):
    """What a failure means for the message that was to be sent."""

    AWAY = auto()
    """Nothing was written, and it may go another time."""
    OURS = auto()
    """Nothing was written, nor will be until somebody mends a setting or a right."""
    UNSURE = auto()
    """It may have been written."""


class _FailedError(Exception):
    """The database did not do what it was asked; without its own words, which may quote a row."""

    def __init__(self, blame: _Blame, said: str) -> None:
        super().__init__(said)
        self.blame = blame


class _Tables:
    """SMSD's database: one transaction at a time, each on a connection of its own.

    Connections are not kept: workers fork, and a server that was started anew is soon found.
    """

    def __init__(self, database_url: str) -> None:
        self._url = make_url(database_url)
        self.is_sqlite = self._url.get_backend_name() == "sqlite"
        self._engine: Engine | None = None

    def read(self, job: Callable[[Connection], T]) -> T:
        """Do something in a transaction that only reads."""
        return self._in_time(job, writes=False)

    def write(self, job: Callable[[Connection], T]) -> T:
        """Do something in a transaction that is committed as a whole, or not at all."""
        return self._in_time(job, writes=True)

    def _in_time(self, job: Callable[[Connection], T], *, writes: bool) -> T:
        # In a thread of its own: no time-out of a driver's ends the wait for a server that was
        # stopped in the middle of a statement.
        outcome: list[T | _FailedError] = []
        thread = threading.Thread(
            target=lambda: outcome.append(self._outcome(job, writes=writes)), daemon=True
        )
        thread.start()
        thread.join(_WITHIN)
        if not outcome:
            blame = _Blame.UNSURE if writes else _Blame.AWAY
            raise _FailedError(blame, f"SMSD's database gave no answer within {_WITHIN:g} s")
        if isinstance(outcome[0], _FailedError):
            raise outcome[0]
        return outcome[0]

    def _outcome(self, job: Callable[[Connection], T], *, writes: bool) -> T | _FailedError:
        is_committing = False
        try:
            if self._engine is None:
                self._engine = _engine(self._url)
            options = {"timpora_writes": writes}
            with self._engine.execution_options(**options).connect() as connection:
                result = job(connection)
                is_committing = writes
                connection.commit()
                return result
        except Exception as error:  # noqa: BLE001  # the drivers', SQLAlchemy's, a decoder's
            return _failed(error, is_committing=is_committing)


def _failed(error: Exception, *, is_committing: bool) -> _FailedError:
    name = type(error).__name__
    if is_committing:
        return _FailedError(_Blame.UNSURE, f"SMSD's database did not say what it kept ({name})")
    cause = getattr(error, "orig", None) or error
    told = str(cause).lower()
    is_ours = isinstance(error, exc.ProgrammingError | exc.IntegrityError | exc.DataError)
    if is_ours or any(one in told for one in _OURS_TO_MEND):
        said = f"SMSD's database does not let us in, or its tables are others ({name})"
        return _FailedError(_Blame.OURS, said)
    return _FailedError(_Blame.AWAY, f"SMSD's database is not there for us ({name})")


def _engine(url: sa.URL) -> Engine:
    if url.get_backend_name() == "sqlite":
        # An URI says that the file must be there: SQLite would make an empty one.
        if not (url.database or "").startswith("file:"):
            query = {"mode": "rw", "uri": "true"}
            url = url.set(database=f"file:{quote(url.database or '')}", query=query)
        engine = sa.create_engine(url, poolclass=NullPool, hide_parameters=True)
        event.listen(engine, "connect", _open_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    return sa.create_engine(
        url.set(drivername="postgresql+psycopg"),
        poolclass=NullPool,
        hide_parameters=True,
        connect_args={
            "connect_timeout": _CONNECTED,
            "client_encoding": "utf8",
            "tcp_user_timeout": 5000,
            # The zone is left as it is: SMSD's own connection has the same one.
            "options": "-c datestyle=ISO -c statement_timeout=4000"
            f" -c lock_timeout={_LOCKED * 1000:.0f}",
        },
    )


def _open_sqlite(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    # The driver would begin transactions by itself, too late and deferred; we say BEGIN ourselves.
    connection.isolation_level = None
    # SMSD can write half a surrogate pair, which is no UTF-8: one such row would end every poll.
    connection.text_factory = _from_utf8
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={_LOCKED * 1000:.0f}")
    # So that our reading never makes SMSD wait, nor its writing us. It stays so once it is so.
    with suppress(sqlite3.OperationalError):
        cursor.execute("PRAGMA journal_mode=WAL")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("timpora_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _from_utf8(raw: bytes) -> str:
    try:
        return _joined_pairs(raw.decode("utf-8", "surrogatepass"))
    except UnicodeDecodeError:
        return raw.decode("utf-8", "replace")


def _from_hex(said: str) -> str:
    """Read UTF-16 that is written in hex; nothing where it is none."""
    try:
        return bytes.fromhex(said).decode("utf-16-be", "replace")
    except ValueError:
        return ""


def _joined_pairs(text: str) -> str:
    """Make one character of two halves, and a replacement of a half that is alone."""
    return text.encode("utf-16-be", "surrogatepass").decode("utf-16-be", "replace")


@dataclass(frozen=True, slots=True)
class _PolledRows(Polled):
    """A poll, and the rows of `inbox` that it has read: id, time and sender."""

    rows: tuple[tuple[int, str, str], ...] = ()

    def brings_anything(self, since: str | None) -> bool:
        """Say so also of rows without a message: they are to be marked."""
        return bool(self.rows) or self.intake != Intake() or self.since != (since or "")


class Gammu:
    """The adapter."""

    name = "gammu"
    claims_at_once = 1
    tells_time = True
    sends_once = True
    poll_every = timedelta(seconds=2)
    inbox_keeps_old = False

    def __init__(self, account: GammuAccount | None) -> None:
        """Take the account; without one it neither sends nor receives."""
        self.can_send = account is not None
        self._tables = None if account is None else _Tables(account.database_url)
        self._zone = ZoneInfo("UTC" if account is None else account.timezone)

    def receive(self, request: InboundRequest) -> Intake:
        """Refuse: SMSD calls nobody."""
        raise NoSuchRoute(request.path)

    def send(self, message: OutboundSms) -> str | None:
        """Put a message into `outbox`, once, and return its token."""
        if self._tables is None:
            raise SendDeferred("TIMPORA_GAMMU_DATABASE_URL is not set")
        if not _E164.fullmatch(message.to):
            raise NumberRefused("not a number in E.164")
        parts = _cut(message.text)
        try:
            self._tables.write(lambda connection: _put(connection, message, parts))
        except _FailedError as failed:
            kinds = {
                _Blame.AWAY: SendDeferred,
                _Blame.OURS: AccountRefused,
                _Blame.UNSURE: SendUnconfirmed,
            }
            raise kinds[failed.blame](str(failed)) from None
        return message.token

    def poll(self, since: str | None) -> Polled:
        """Read what is not marked in `inbox`, and what is new in `sentitems`."""
        tables = self._tables
        if tables is None:
            return _PolledRows(Intake(), since or "")

        def read(connection: Connection) -> Polled:
            inbox = _Inbox(connection, self._zone)
            inbox.read()
            news, mark = _news(connection, since or "", self._now(connection))
            intake = Intake(
                messages=tuple(inbox.messages),
                deliveries=tuple(news),
                unreadable=tuple(inbox.unreadable),
            )
            return _PolledRows(intake, mark, tuple(inbox.rows))

        return _reached(tables.read, read)

    def kept(self, polled: Polled) -> None:
        """Mark the rows of a poll, where they are still the same ones."""
        rows = polled.rows if isinstance(polled, _PolledRows) else ()
        if self._tables is None or not rows:
            return

        key = _inbox.c.ID

        def mark(connection: Connection) -> None:
            for row_id, received, sender in rows:
                # The time and the sender too: a new database counts from one again.
                connection.execute(
                    sa.update(_inbox)
                    .where(
                        key == row_id,
                        sa.cast(_inbox.c.ReceivingDateTime, sa.Text) == received,
                        _inbox.c.SenderNumber == sender,
                    )
                    .values(Processed=_YES)
                )

        _reached(self._tables.write, mark)

    def health(self) -> Health:
        """Read how the phones are; of several the worst counts."""
        if self._tables is None:
            raise NotReached("TIMPORA_GAMMU_DATABASE_URL is not set")

        def read(connection: Connection) -> Health:
            rows = connection.execute(sa.select(_phones).order_by(_phones.c.UpdatedInDB)).all()
            ours = _outbox.c.CreatorID.like(f"{_CREATOR}%")
            backlog = connection.scalar(sa.select(sa.func.count()).where(ours)) or 0
            return _health(rows, self._now(connection), backlog)

        return _reached(self._tables.read, read)

    def _now(self, connection: Connection) -> datetime:
        """Give the time by the clock of `UpdatedInDB`, without a zone."""
        if connection.dialect.name != "sqlite":
            return connection.execute(sa.select(sa.func.localtimestamp())).scalar_one()
        version = connection.scalar(sa.select(sa.func.max(_schema.c.Version))) or 0
        zone = self._zone if version >= _LOCAL_SCHEMA else UTC
        return datetime.now(zone).replace(tzinfo=None)


def _reached(run: Callable[[Callable[[Connection], T]], T], job: Callable[[Connection], T]) -> T:
    """Do something, and say NotReached where it fails."""
    try:
        return run(job)
    except _FailedError as failed:
        raise NotReached(str(failed)) from None


# What comes in -----------------------------------------------------------------------------------


class _Inbox:
    """One reading of `inbox`: what is in the rows that nobody has marked yet."""

    def __init__(self, connection: Connection, zone: ZoneInfo) -> None:
        self._connection = connection
        self._zone = zone
        self.messages: list[InboundSms] = []
        self.unreadable: list[Unreadable] = []
        self.rows: list[tuple[int, str, str]] = []

    def read(self) -> None:
        """Read the oldest rows; not all of many, but a long message to its end."""
        statement = (
            sa.select(_inbox)
            .where(_inbox.c.Processed == _NO, _inbox.c.Class != _USSD_CLASS)
            .order_by(_inbox.c.ID)
            .limit(_MOST_ROWS)
        )
        for row in self._connection.execute(statement).all():
            own = _from_hex(row.Text or "")
            part = _part(row.UDH or "")
            if part is not None and self._follows(row, part):
                self._done_with(row)
                continue
            if len(self.messages) + len(self.unreadable) >= _MOST_MESSAGES:
                return
            self._read_row(row, own, part)
            self._done_with(row)

    def _done_with(self, row: sa.Row[Any]) -> None:
        self.rows.append((row.ID, row.ReceivingDateTime, row.SenderNumber))

    def _read_row(self, row: sa.Row[Any], own: str, part: Part | None) -> None:
        problem = None
        if not row.SenderNumber.strip():
            problem = "no sender (column `SenderNumber`)"
        elif row.Coding == "8bit" and not row.TextDecoded:
            problem = "a message of 8 bits, which is no text"
        if problem is not None:
            body = json.dumps(dict(row._mapping), default=str, ensure_ascii=False)  # noqa: SLF001  # public, in spite of its name
            self.unreadable.append(Unreadable(problem, body.encode("utf-8", "replace")))
            return
        text = row.TextDecoded or own
        if part is not None and len(text) > len(own):
            # More than its own text: SMSD has joined them all.
            part = None
        moment = self._moment(row.ReceivingDateTime)
        flags = ["odd_encoding"] if "\ufffd" in text else []
        if moment is None:
            flags.append("odd_date")
        self.messages.append(
            InboundSms(
                sender=row.SenderNumber,
                recipient=None,
                text=text,
                # Ids begin at one again in a new database; with the time they are told apart.
                provider_message_id=f"{row.ID}@{row.ReceivingDateTime}",
                network_time=moment,
                flags=tuple(flags),
                payload={
                    name: str(getattr(row, name))
                    for name in ("RecipientID", "SMSCNumber", "Coding", "Class", "UDH")
                },
                part=part,
            )
        )

    def _follows(self, row: sa.Row[Any], part: Part) -> bool:
        """Say whether a row's text stands in a row before it already."""
        if part.number == 1 or row.TextDecoded:
            return False
        # In the table and not only in this reading: an earlier poll may have marked the first row.
        before = self._connection.execute(
            sa.select(_inbox.c.UDH, _inbox.c.Text, _inbox.c.TextDecoded).where(
                _inbox.c.ID.between(row.ID - _NEAR, row.ID - 1),
                _inbox.c.SenderNumber == row.SenderNumber,
                _inbox.c.UDH != "",
                _inbox.c.TextDecoded != "",
            )
        )
        for head in before:
            other = _part(head.UDH)
            if (
                other is not None
                and (other.reference, other.total) == (part.reference, part.total)
                and len(head.TextDecoded) > len(_from_hex(head.Text or ""))
            ):
                return True
        return False

    def _moment(self, written: str) -> datetime | None:
        try:
            moment = datetime.fromisoformat(written)
            return moment.replace(tzinfo=self._zone).astimezone(UTC)
        except (ValueError, OverflowError):
            return None


def _part(header: str) -> Part | None:
    """Read which part of a long message a row is, from its user data header in hex."""
    try:
        raw = bytes.fromhex(header)
    except ValueError:
        return None
    at = 1
    while at + 1 < len(raw):
        element, length = raw[at], raw[at + 1]
        data = raw[at + 2 : at + 2 + length]
        # 00 has a reference of one byte, 08 of two; then the total, then the number.
        if (element, len(data)) in {(0, 3), (8, 4)}:
            *reference, total, number = data
            if 1 <= number <= total and total > 1:
                return Part(int.from_bytes(bytes(reference)), number, total)
        at += 2 + length
    return None


# What became of what we sent ---------------------------------------------------------------------


def _news(
    connection: Connection, since: str, now: datetime
) -> tuple[Sequence[ReportedDelivery], str]:
    """Give what is new of our messages after the mark, and the mark from which to go on.

    The mark is a time and an id. A second is read only when it is over, so that no row is passed.
    """
    mark, (after, after_id) = since, _read_mark(since)
    if after > _written(now):
        after, after_id = _written(now - _SET_BACK), 0
        mark = _write_mark(after, after_id)
    updated, key = _sentitems.c.UpdatedInDB, _sentitems.c.ID
    changed = connection.execute(
        sa.select(updated, key, _sentitems.c.CreatorID)
        .where(
            _sentitems.c.CreatorID.like(f"{_CREATOR}%"),
            updated <= _written(now - _SETTLED),
            sa.or_(updated > after, sa.and_(updated == after, key > after_id)),
        )
        .order_by(updated, key)
        .limit(_MOST_MESSAGES)
    ).all()
    if not changed:
        return (), mark
    mark = _write_mark(changed[-1].UpdatedInDB, changed[-1].ID)
    creators = list(dict.fromkeys(row.CreatorID for row in changed))
    parts: defaultdict[str, list[sa.Row[Any]]] = defaultdict(list)
    statement = sa.select(_sentitems).where(_sentitems.c.CreatorID.in_(creators))
    for row in connection.execute(statement.order_by(_sentitems.c.SequencePosition)):
        parts[row.CreatorID].append(row)
    told = (_of_all(one.removeprefix(_CREATOR), parts[one]) for one in creators)
    return [one for one in told if one is not None], mark


def _of_all(token: str, parts: Sequence[sa.Row[Any]]) -> ReportedDelivery | None:
    """Say what became of a message by all of its parts; None while some have not left yet."""
    header = _part(parts[0].UDH or "")
    told = [(_DELIVERY.get(row.Status), row) for row in parts]
    failed = [row for status, row in told if status is MessageStatus.FAILED]
    if failed:
        return _report(token, MessageStatus.FAILED, failed[0])
    if header is not None and len(parts) < header.total:
        return None
    unsure = [row for status, row in told if status is None]
    if unsure:
        return _report(token, None, unsure[0])
    sent = [row for status, row in told if status is MessageStatus.SENT]
    if sent:
        return _report(token, MessageStatus.SENT, sent[0])
    return _report(token, MessageStatus.DELIVERED, parts[0])


def _report(token: str, status: MessageStatus | None, row: sa.Row[Any]) -> ReportedDelivery:
    # A code is the modem's own refusal, as of a SIM without credit or signal. Without one SMSD has
    # waited for the modem in vain, and what timed out in the network may have left, too.
    was_refused = row.StatusCode is not None and row.StatusCode > 0
    is_sim = was_refused and row.Status in _NOT_SENT and row.StatusCode != _NETWORK_TIMEOUT
    codes = (("StatusError", row.StatusError), ("StatusCode", row.StatusCode))
    reason = ", ".join(f"{name} {code}" for name, code in codes if code is not None and code > 0)
    return ReportedDelivery(token, row.Status, reason, status, Fault.SIM if is_sim else None)


def _written(moment: datetime) -> str:
    return moment.replace(tzinfo=None).isoformat(" ", "seconds")


def _write_mark(at: str, row_id: int) -> str:
    return json.dumps({"at": at, "id": row_id})


def _read_mark(mark: str) -> tuple[str, int]:
    """Read a mark; one that is none is the beginning."""
    try:
        read = json.loads(mark)
        return _written(datetime.fromisoformat(read["at"])), int(read["id"])
    except (ValueError, LookupError, TypeError, OverflowError, RecursionError):
        return _BEGINNING, 0


def _health(rows: Iterable[sa.Row[Any]], now: datetime, backlog: int) -> Health:
    # A modem that was replaced leaves its row behind: of each phone the last one counts.
    phones = {row.ID: row for row in rows}.values()
    silent = [row for row in phones if not _is_alive(row.UpdatedInDB, now)]
    alive = [row for row in phones if row not in silent]
    if not phones:
        says = "SMSD has not found a phone yet"
    elif silent:
        says = f"{len(silent)} of {len(phones)} phones silent for two minutes or more"
    else:
        names = {row.NetName for row in alive if row.NetName and row.NetName != "ERROR"}
        network = http.quotable(", ".join(sorted(names)), ()) or "a network it does not name"
        says = f"{len(alive)} phone{'s' * (len(alive) > 1)} on {network}"
    return Health(
        is_up=bool(phones) and not silent,
        says=says,
        signal=_least(row.Signal for row in alive),
        battery=_least(row.Battery for row in alive),
        backlog=backlog,
    )


def _is_alive(updated: str, now: datetime) -> bool:
    try:
        return abs(now - datetime.fromisoformat(updated)) <= _SILENT
    except (ValueError, TypeError):
        return False


def _least(percents: Iterable[int | None]) -> int | None:
    """Give the worst; SMSD writes -1 for what it does not know."""
    return min((one for one in percents if one is not None and one >= 0), default=None)


# What goes out -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Cut:
    """A text as it is to be sent."""

    coding: str
    parts: Sequence[str]


def _cut(text: str) -> _Cut:
    """Choose the coding and cut a text into what fits one SMS each; no pair is cut in two."""
    if not text.strip():
        raise SendRefused("no text")
    if "\x00" in text or _joined_pairs(text) != text:
        raise SendRefused("a text that no SMS holds")
    measure = segments.measure(text)
    if measure.segments > _MOST_PARTS:
        raise SendRefused(f"a text of more than {_MOST_PARTS} SMS")
    is_gsm7 = measure.encoding == "GSM-7"
    coding = "Default_No_Compression" if is_gsm7 else "Unicode_No_Compression"
    if measure.segments == 1:
        return _Cut(coding, [text])
    return _Cut(coding, list(_filled(text, is_gsm7=is_gsm7)))


def _filled(text: str, *, is_gsm7: bool) -> Iterator[str]:
    room = _GSM7_PART if is_gsm7 else _UCS2_PART
    begin, used = 0, 0
    for at, character in enumerate(text):
        in_utf16 = len(character.encode("utf-16-be")) // 2
        cost = segments.measure(character).units if is_gsm7 else in_utf16
        if used + cost > room:
            yield text[begin:at]
            begin, used = at, 0
        used += cost
    yield text[begin:]


def _put(connection: Connection, message: OutboundSms, cut: _Cut) -> None:
    """Write a message into `outbox`, unless it is or was there."""
    creator = _CREATOR + message.token
    if connection.dialect.name != "sqlite":
        # SQLite has one writer; here two who send the same message wait for each other.
        lock = sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(creator, 0))
        connection.execute(sa.select(lock))
    # In this order: SMSD writes to `sentitems` before it deletes from `outbox`.
    for table in (_outbox, _sentitems):
        there = sa.select(table.c.ID).where(table.c.CreatorID == creator).limit(1)
        if connection.execute(there).first() is not None:
            return
    # The same at every try, as the token is. Two long messages to one phone hardly share it.
    reference = crc32(message.token.encode()) % 256
    total = len(cut.parts)
    headers = [
        f"050003{reference:02X}{total:02X}{number:02X}" if total > 1 else None
        for number in range(1, total + 1)
    ]
    # Due long ago in whatever zone SMSD's clock is.
    due = _written(datetime.now(UTC) - timedelta(days=1))
    row_id = connection.execute(
        sa.insert(_outbox)
        .values(
            DestinationNumber=message.to,
            Coding=cut.coding,
            UDH=headers[0],
            TextDecoded=cut.parts[0],
            MultiPart=_YES if total > 1 else _NO,
            RelativeValidity=_THREE_DAYS,
            SenderID=message.line,
            DeliveryReport="yes",
            CreatorID=creator,
            SendingDateTime=due,
            SendingTimeOut=due,
        )
        .returning(_outbox.c.ID)
    ).scalar_one()
    for number, (header, text) in enumerate(zip(headers, cut.parts, strict=True), 1):
        if number > 1:
            connection.execute(
                sa.insert(_outbox_multipart).values(
                    ID=row_id,
                    SequencePosition=number,
                    Coding=cut.coding,
                    UDH=header,
                    TextDecoded=text,
                )
            )
