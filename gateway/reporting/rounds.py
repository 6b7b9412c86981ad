"""A round: messages of different phones that are handled together, in one transaction.

What handling asks the database about a phone is asked for all phones of the round in one statement,
when the first of them needs it: a statement costs more than what it finds. No phone has two
messages in a round, and what is looked up here depends on one phone alone, so that the messages of
a round are handled as if each came by itself.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import islice
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from gateway import clock
from gateway.reporting import senders
from gateway.reporting.desk import Desk
from gateway.reporting.limits import HOUR
from gateway.reporting.senders import Sender
from models.database.flushing import write_out
from models.database.statements import for_each, insert_rows, is_one_of
from models.inbox import InboundMessage
from models.outbox import OutboundMessage
from models.people import Phone
from models.report import ConfirmationNumber, Report, ReportEvent
from models.states import ReportState
from parsers import numbers
from parsers.reading import Outcome, Reading, key_of, read

#: The same text is the same report for so long, and a question stays open.
A_DAY = timedelta(hours=24)
_MOST_OPEN_QUESTIONS = 10
#: A text may overtake another on its way by so much.
_OVERTAKES_WITHIN = timedelta(hours=6)
_MOST_OVERTAKING = 10


def in_rounds(messages: Iterable[InboundMessage], most: int) -> Iterable[list[InboundMessage]]:
    """Part messages, which keep their order, into rounds without a phone that comes twice.

    No round is larger than `most`.
    """
    some: list[InboundMessage] = []
    phones: set[int] = set()
    for message in messages:
        if message.phone_id in phones or len(some) >= most:
            yield some
            some, phones = [], set()
        some.append(message)
        phones.add(message.phone_id)
    if some:
        yield some


@dataclass(frozen=True, slots=True)
class Heard:
    """One message as it is read, by whom it was written, and when."""

    sender: Sender
    spoken_at: datetime
    reading: Reading

    @property
    def text_key(self) -> str:
        """Give the key by which the same text from the same phone is found again."""
        return key_hash(self.reading)


def key_hash(reading: Reading) -> str:
    """Give the key by which the same text from the same phone is found again."""
    return sha256(key_of(reading.text).encode("utf-8", "surrogatepass")).hexdigest()


class Round:
    """The messages of one round, what is looked up for all of them, and what gets a number."""

    def __init__(self, session: Session, desk: Desk, messages: Sequence[InboundMessage]) -> None:
        """Begin a round; nothing is looked up yet."""
        self.session = session
        self.desk = desk
        self.received: list[Report] = []
        """What has been given a number in this round."""
        self._events: list[tuple[Report, dict[str, Any]]] = []
        self._outgoing: list[tuple[dict[str, Any], Report | None]] = []
        self._messages = messages
        self._phones: dict[int, Phone] = {}
        self._senders: dict[int, Sender] = {}
        self._heard: dict[int, Heard] = {}
        self._questions: dict[int, list[Report]] = {}
        self._same: dict[tuple[int, str], list[Report]] = {}
        self._chats: Sequence[InboundMessage] | None = None
        self._before: dict[int, int | None] = {}
        self._counts: dict[tuple[datetime, datetime], dict[tuple[int, str], int]] = {}
        self._ordinals: list[int] = []
        self._changed: set[int] = set()

    def phone(self, message: InboundMessage) -> Phone:
        """Give the phone that a message came from."""
        if message.phone_id not in self._phones:
            wanted = self._ids()
            with self.session.no_autoflush:
                found = self.session.scalars(
                    sa.select(Phone).where(is_one_of(self.session, Phone.id, wanted))
                )
            self._phones |= {phone.id: phone for phone in found}
        return self._phones[message.phone_id]

    def hear(self, message: InboundMessage) -> Heard:
        """Read a message; the same one is read only once."""
        if message.id not in self._heard:
            sender = self._sender(message)
            at = clock.spoken_at(message.network_time, message.received_at, sender.zone)
            reading = read(
                message.text,
                self.desk.language,
                now=at,
                sender="officer" if sender.officer else "reporter",
            )
            self._heard[message.id] = Heard(sender, at, reading)
        return self._heard[message.id]

    def _sender(self, message: InboundMessage) -> Sender:
        phone = self.phone(message)
        if phone.id not in self._senders:
            phones, zone = self._phones.values(), self.desk.timezone
            with self.session.no_autoflush:
                self._senders |= senders.who_sent(self.session, phones, zone)
        return self._senders[phone.id]

    # What one phone has told us lately

    def open_questions(self, phone_id: int) -> Sequence[Report]:
        """List what we have asked this phone within the day, the newest first."""
        if phone_id in self._changed:
            return self._look_for_questions([phone_id]).get(phone_id, [])
        if phone_id not in self._questions:
            with self.session.no_autoflush:
                found = self._look_for_questions(self._ids())
            self._questions = {one: found.get(one, []) for one in self._ids()}
        return self._questions[phone_id]

    def _look_for_questions(self, phone_ids: Sequence[int]) -> dict[int, list[Report]]:
        since = clock.now() - A_DAY
        newest = (Report.asked_at.desc(), Report.id.desc())
        asked = for_each(
            self.session,
            {"phone_id": sa.BigInteger()},
            [{"phone_id": phone_id} for phone_id in phone_ids],
            lambda key: (
                sa.select(Report.id)
                .where(
                    Report.phone_id == key["phone_id"],
                    Report.asked_at.is_not(None),
                    Report.asked_at > since,
                )
                .order_by(*newest)
                .limit(_MOST_OPEN_QUESTIONS)
            ),
        )
        found: dict[int, list[Report]] = defaultdict(list)
        for report in self._reports(asked, *newest):
            found[report.phone_id].append(report)
        return found

    def _reports(
        self, ids: Sequence[Sequence[int]], *order: sa.ColumnElement[Any]
    ) -> Sequence[Report]:
        """Give the reports with these ids, each in a row of its own, in an order."""
        if not ids:
            return []
        wanted = is_one_of(self.session, Report.id, [row[0] for row in ids])
        return self.session.scalars(sa.select(Report).where(wanted).order_by(*order)).all()

    def same_text(self, message: InboundMessage) -> list[Report]:
        """List what the same text from the same phone became within the day, the oldest first."""
        key = (message.phone_id, message.text_key or "")
        if key not in self._same:
            keys = {key} | {
                (one.phone_id, heard.text_key)
                for one in self._messages
                if (heard := self._heard_plainly(one)) is not None
            }
            since = min(one.received_at for one in self._messages) - A_DAY
            with self.session.no_autoflush:
                reports = self._with_texts(keys, since)
            found = defaultdict(list)
            for report in reports:
                found[report.phone_id, report.text_key].append(report)
            self._same |= {one: found[one] for one in keys}
        return [
            report
            for report in self._same[key]
            if report.received_at > message.received_at - A_DAY
            and report.state is not ReportState.INVALID
        ]

    def _with_texts(self, keys: Iterable[tuple[int, str]], since: datetime) -> Sequence[Report]:
        ids = for_each(
            self.session,
            {"phone_id": sa.BigInteger(), "text_key": sa.Text()},
            [{"phone_id": phone_id, "text_key": text_key} for phone_id, text_key in sorted(keys)],
            lambda key: sa.select(Report.id).where(
                Report.phone_id == key["phone_id"],
                Report.text_key == key["text_key"],
                Report.received_at > since,
            ),
        )
        return self._reports(ids, Report.id.asc())

    def _heard_plainly(self, message: InboundMessage) -> Heard | None:
        """Give what is heard of a message that needs no joining; None where it cannot be read."""
        if message.part_total is not None or message.handled_at is not None:
            return self._heard.get(message.id)
        try:
            return self.hear(message)
        except Exception:  # noqa: BLE001  # it is that message's own fault, when its turn comes
            return None

    def overtook(self, message: InboundMessage) -> list[InboundMessage]:
        """List texts without a code that were written after a message and received before it.

        In the order in which they were written. They answer it, and were read before it was asked.
        """
        written = message.network_time
        if written is None:
            return []
        if self._chats is None:
            since = min(one.received_at for one in self._messages) - _OVERTAKES_WITHIN
            # Hardly any text overtakes another: of all that a phone has said these are few.
            first = min(one.network_time for one in self._messages if one.network_time)
            last_id = max(one.id for one in self._messages)
            with self.session.no_autoflush:
                self._chats = self.session.scalars(
                    sa.select(InboundMessage)
                    .where(
                        is_one_of(self.session, InboundMessage.phone_id, self._ids()),
                        InboundMessage.received_at > since,
                        InboundMessage.outcome == "chat",
                        InboundMessage.network_time > first,
                        InboundMessage.id < last_id,
                    )
                    .order_by(InboundMessage.network_time, InboundMessage.id)
                ).all()
        found = (
            chat
            for chat in self._chats
            if chat.phone_id == message.phone_id
            and chat.id < message.id
            and chat.received_at > message.received_at - _OVERTAKES_WITHIN
            and chat.network_time is not None
            and chat.network_time > written
        )
        return list(islice(found, _MOST_OVERTAKING))

    def text_before(self, message: InboundMessage) -> InboundMessage | None:
        """Give what the phone sent last before a message, if that was within the hour."""
        if message.id not in self._before:
            one = aliased(InboundMessage)
            earlier = aliased(InboundMessage)
            since = min(each.received_at for each in self._messages) - HOUR
            last = (
                sa.select(earlier.id)
                .where(
                    earlier.phone_id == one.phone_id,
                    earlier.id < one.id,
                    earlier.received_at > since,
                )
                .order_by(earlier.received_at.desc(), earlier.id.desc())
                .limit(1)
                .correlate(one)
                .scalar_subquery()
            )
            ids = [each.id for each in self._messages]
            with self.session.no_autoflush:
                rows = self.session.execute(
                    sa.select(one.id, last).where(is_one_of(self.session, one.id, ids))
                )
            self._before |= {row[0]: row[1] for row in rows}
        last_id = self._before[message.id]
        before = self.session.get(InboundMessage, last_id) if last_id is not None else None
        if before is None or before.received_at <= message.received_at - HOUR:
            return None
        return before

    def count_reported(
        self, phone_id: int, village_code: str, begin: datetime, end: datetime
    ) -> int:
        """Count what this very phone has reported for a village in a time, denials apart."""
        if phone_id in self._changed:
            return self._count([phone_id], begin, end).get((phone_id, village_code), 0)
        if (begin, end) not in self._counts:
            with self.session.no_autoflush:
                self._counts[begin, end] = self._count(self._ids(), begin, end)
        return self._counts[begin, end].get((phone_id, village_code), 0)

    def _count(
        self, phone_ids: Sequence[int], begin: datetime, end: datetime
    ) -> dict[tuple[int, str], int]:
        denials = [form.code for form in self.desk.language.forms.values() if form.denies]
        rows = self.session.execute(
            sa.select(Report.phone_id, Report.village_code, sa.func.count())
            .where(
                is_one_of(self.session, Report.phone_id, phone_ids),
                Report.received_at >= begin,
                Report.received_at < end,
                Report.code.not_in(denials),
                Report.state.not_in([ReportState.INVALID, ReportState.DRAFT]),
            )
            .group_by(Report.phone_id, Report.village_code)
        )
        return {(row[0], row[1] or ""): row[2] for row in rows}

    def changed(self, phone_id: int) -> None:
        """Say that a message has written what may be looked up again for its own phone."""
        self._changed.add(phone_id)

    # What becomes of the messages

    def tell(self, report: Report, event: str, *, by: str = "reporter", **detail: object) -> None:
        """Put down what happened to a report."""
        told = {name: value for name, value in detail.items() if value is not None}
        at, state = clock.now(), report.state
        row = {"event": event, "at": at, "by": by, "state": state, "detail": told}
        self._events.append((report, row))

    def send(self, row: dict[str, Any], report: Report | None) -> None:
        """Send a message (see `sending.compose`), perhaps about a report."""
        self._outgoing.append((row, report))

    def write_out(self) -> None:
        """Write all that has become of the messages so far, in few statements."""
        write_out(self.session, Report, InboundMessage)
        events = [{"report_id": report.id, **row} for report, row in self._events]
        outgoing = [
            {"report_id": report.id if report else None, **row} for row, report in self._outgoing
        ]
        self._events, self._outgoing = [], []
        insert_rows(self.session, ReportEvent, events)
        insert_rows(self.session, OutboundMessage, outgoing)

    # Numbers

    def give_number(self, report: Report) -> None:
        """Give a report its confirmation number, which is never given again."""
        if not self._ordinals:
            self._ordinals = self._draw(max(1, self._expected()))
        report.number = numbers.number_for(self._ordinals.pop(0), self.desk.number_key)
        self.received.append(report)

    def _expected(self) -> int:
        """Foresee how many numbers the rest of the round needs; one drawn in vain is a gap."""
        heard = (self._heard_plainly(one) for one in self._messages if one.handled_at is None)
        items = (item for one in heard if one is not None for item in one.reading.items)
        return sum(item.outcome is Outcome.REPORT for item in items)

    def _draw(self, many: int) -> list[int]:
        # On the connection: the session would first write out all that is still being changed.
        drawn = self.session.connection().execute(
            sa.insert(ConfirmationNumber).returning(ConfirmationNumber.id),
            [{"given_at": clock.now()}] * many,
        )
        return sorted(drawn.scalars())

    def _ids(self) -> list[int]:
        return [message.phone_id for message in self._messages]
