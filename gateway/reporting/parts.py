"""Long messages that reach us in their parts, in whatever order: one message again.

Networks and gateways mostly join them before us. What they do not join is told apart by sender and
reference, so that two villages that send at the same moment are never mixed. A part that does not
come is waited for only so long; when it comes after all, it is added to what was understood.
"""

from datetime import timedelta
from enum import Enum, auto

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gateway import clock
from gateway.reporting import keeping
from gateway.reporting.rounds import Round
from models.inbox import InboundMessage
from models.report import Report
from parsers import masking, segments

#: A reference comes round after 256 long messages of a phone; nobody sends so many in a day.
_ONE_MESSAGE_WITHIN = timedelta(days=1)
#: A network sends a part again within minutes, and a phone sends all parts in one go.
_SENT_AGAIN_WITHIN = timedelta(hours=1)
_PARTS_LEAVE_WITHIN = timedelta(minutes=1)
_INCOMPLETE = "incomplete"


class Gathered(Enum):
    """What has come of a long message."""

    READY = auto()
    """The row holds all of it that there will be: it can be handled."""
    WAITS = auto()
    """The row waits for the others."""
    AGAIN = auto()
    """The network has sent this very part before."""
    LATE = auto()
    """The others have been handled without it; it was added to their report."""


def gather(round_: Round, message: InboundMessage) -> Gathered:
    """Join into this row what has come of its long message; the other rows are done with it."""
    if message.part_total is None or message.parts > 1 or _INCOMPLETE in message.flags:
        return Gathered.READY
    session = round_.session
    if _came_before(session, message):
        return Gathered.AGAIN
    others = _rows(session, message, InboundMessage.handled_at.is_(None))
    found = {one.part_number: one for one in reversed(others)} | {message.part_number: message}
    if len(found) < message.part_total:
        late = _take_late(round_, message)
        if late is not None:
            return late
        until = min(one.received_at for one in found.values()) + round_.desk.part_wait
        if clock.now() < until:
            message.handle_after = until
            return Gathered.WAITS
    _join(message, sorted(found.values(), key=lambda one: one.part_number or 0))
    return Gathered.READY


def _rows(
    session: Session, message: InboundMessage, which: sa.ColumnElement[bool]
) -> list[InboundMessage]:
    return list(
        session.scalars(
            sa.select(InboundMessage)
            .where(
                InboundMessage.phone_id == message.phone_id,
                InboundMessage.received_at > message.received_at - _ONE_MESSAGE_WITHIN,
                InboundMessage.channel == message.channel,
                InboundMessage.part_reference == message.part_reference,
                InboundMessage.part_total == message.part_total,
                InboundMessage.id != message.id,
                InboundMessage.set_aside_at.is_(None),
                which,
            )
            .order_by(InboundMessage.id)
        )
    )


def _came_before(session: Session, message: InboundMessage) -> bool:
    """Tell a part that has been joined already, or waits: under another id and without a time."""
    before = sa.and_(
        InboundMessage.part_number == message.part_number,
        InboundMessage.id < message.id,
        # Later it is another long message, whose reference happens to be the same.
        InboundMessage.received_at > message.received_at - _SENT_AGAIN_WITHIN,
    )
    return any(
        message.text in one.text and _may_be_of_one_time(one, message)
        for one in _rows(session, message, before)
    )


def _may_be_of_one_time(one: InboundMessage, other: InboundMessage) -> bool:
    """Tell times that parts of one message can have; one that is not told can be any."""
    if one.network_time is None or other.network_time is None:
        return True
    return abs(one.network_time - other.network_time) <= _PARTS_LEAVE_WITHIN


def _join(message: InboundMessage, parts: list[InboundMessage]) -> None:
    text, was_masked = masking.mask_documents("".join(one.text for one in parts))
    flags = {flag for one in parts for flag in one.flags}
    if was_masked:
        flags.add("masked_document")  # a number that was cut in two by the border of two parts
    if len(parts) < (message.part_total or 0):
        flags.add(_INCOMPLETE)
    times = [one.network_time for one in parts if one.network_time is not None]
    message.text = text
    message.flags = sorted(flags)
    message.network_time = min(times, default=None)
    message.segments = segments.measure(text).segments
    message.parts = len(parts)
    for one in parts:
        if one is not message:
            one.handled_at = clock.now()
            one.outcome = "part"


def _take_late(round_: Round, message: InboundMessage) -> Gathered | None:
    """Add a part to what was understood without it, or else read both together now."""
    session, zone = round_.session, round_.desk.timezone
    handled = _rows(session, message, InboundMessage.handled_at.is_not(None))
    without = [
        one
        for one in handled
        if _INCOMPLETE in one.flags
        and one.outcome != "part"
        and one.part_number != message.part_number
    ]
    if not without:
        return None
    before = without[-1]
    report = session.scalars(
        sa.select(Report).where(Report.inbox_id == before.id).order_by(Report.id).limit(1)
    ).first()
    if report is not None:
        spoken_at = clock.spoken_at(message.network_time, message.received_at, zone)
        keeping.add_note(round_, report, message.text, "joined", spoken_at)
        return Gathered.LATE
    in_order = sorted((before, message), key=lambda one: one.part_number or 0)
    message.text, _ = masking.mask_documents("".join(one.text for one in in_order))
    message.parts = before.parts + 1
    if message.parts < (message.part_total or 0):
        message.flags = sorted({*message.flags, _INCOMPLETE})
    before.outcome = "part"
    return Gathered.READY
