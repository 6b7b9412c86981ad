"""Delivery reports: kept as they come, and heeded as soon as their message is known.

A report may overtake the answer to the send, repeat, go backwards, or name an id that is nobody's.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gateway import clock, logs
from gateway.messaging import alarms, standing, tries
from gateway.providers.base import ReportedDelivery
from models.database.locks import lock_names
from models.database.statements import for_each, insert_or_count, is_one_of
from models.outbox import DeliveryReport, OutboundMessage, new_token
from models.states import AlarmKind, Fault, MessageStatus
from parsers import cleaning, msisdn

_log = logs.logger()

#: Longer than any provider's id; a longer one would not fit into an index.
_LONGEST_ID = 200
_LONGEST_WORDS = 120


def record(session: Session, channel: str, delivery: ReportedDelivery) -> None:
    """Store a delivery report and move its message, if we know yet which message that is.

    A report can overtake the provider's answer to the send, and so name an id that no message has;
    it then waits for the send to be recorded. The lock makes the two look one after the other;
    without it each could miss the other's row.
    """
    key = key_of(delivery.provider_message_id)
    raw_status, reason = (
        msisdn.hide_numbers(cleaning.storable(said))[:_LONGEST_WORDS]
        for said in (delivery.raw_status, delivery.reason)
    )
    lock(session, [(channel, delivery.provider_message_id)])
    insert_or_count(
        session,
        DeliveryReport,
        {
            "channel": channel,
            "provider_key": key,
            "raw_status": raw_status,
            "reason": reason,
            "status": delivery.status,
            "fault": delivery.fault,
            "received_at": clock.now(),
            "times": 1,
        },
        ["channel", "provider_key", "raw_status", "reason"],
        "times",
    )
    message = session.scalars(
        sa.select(OutboundMessage).where(
            OutboundMessage.channel == channel,
            # By our token a provider may tell of a message whose sending nobody confirmed.
            sa.or_(OutboundMessage.provider_key == key, OutboundMessage.token == key),
        )
    ).first()
    if message is not None:
        _heed(session, message, _Said(delivery.status, delivery.fault, raw_status, reason))
        if delivery.status is MessageStatus.DELIVERED:
            alarms.clear(session, channel, AlarmKind.SIM)
        _log.info("delivery_reported", message=message.id, status=message.status.value)


def heed_waiting(session: Session, messages: Sequence[OutboundMessage]) -> None:
    """Heed the reports that came before the provider's answer to a send was recorded."""
    known = {(one.channel, one.provider_key): one for one in messages if one.provider_key}
    if not known:
        return
    keys = [{"channel": channel, "provider_key": key} for channel, key in known]
    found = for_each(
        session,
        {"channel": sa.Text(), "provider_key": sa.Text()},
        keys,
        lambda key: sa.select(DeliveryReport.id).where(
            DeliveryReport.channel == key["channel"],
            DeliveryReport.provider_key == key["provider_key"],
        ),
    )
    if not found:
        return
    waiting = session.scalars(
        sa.select(DeliveryReport)
        .where(is_one_of(session, DeliveryReport.id, [row[0] for row in found]))
        .order_by(DeliveryReport.id)
    ).all()
    for report in waiting:
        # One that is to be sent again has another token: of that none of the others speaks.
        message = known.get((report.channel, report.provider_key))
        said = _Said(report.status, report.fault, report.raw_status, report.reason)
        if message is not None and not _heed(session, message, said):
            del known[report.channel, report.provider_key]


def lock(session: Session, ids: Iterable[tuple[str, str]]) -> None:
    """Hold ids of channels until the transaction ends.

    The report and the send of each are recorded one after the other.
    """
    lock_names(session, (f"delivery:{channel}:{key_of(given)}" for channel, given in ids))


def key_of(provider_message_id: str) -> str:
    """Give the form of a provider's id by which messages and delivery reports are matched."""
    return (storable_id(provider_message_id) or "").strip().lower()


def storable_id(given: str | None) -> str | None:
    """Make an id one that both databases and their indexes hold, whoever made it up."""
    return cleaning.storable(given)[:_LONGEST_ID] if given else None


class _Said(NamedTuple):
    """What a delivery report says of a message."""

    status: MessageStatus | None
    fault: Fault | None
    raw_status: str
    reason: str

    @property
    def words(self) -> str:
        return f"{self.raw_status} {self.reason}".strip()


def _heed(session: Session, message: OutboundMessage, said: _Said) -> bool:
    """Do what a delivery report says; False: the message is to be sent again."""
    if said.fault is None:
        _move(message, said)
        return True
    if message.status not in {MessageStatus.SENT, MessageStatus.UNCONFIRMED}:
        return True  # told again: it has been heeded
    return not _take_back(session, message, said.fault, said)


def _take_back(session: Session, message: OutboundMessage, fault: Fault, said: _Said) -> bool:
    """Queue a message again that a phone had taken and then did not send; say whether it may be.

    With a new token, as it would know the old one and send nothing; of a long message some parts
    may have left, so that it is not sent again.
    """
    may_try = message.segments == 1 and not tries.is_last(message)
    if may_try:
        message.become(MessageStatus.QUEUED)
        message.error = said.words
        message.token = new_token()
        message.provider_message_id = message.provider_key = None
        message.is_bound = False
        message.next_attempt_at = clock.now() + tries.BACKOFF[message.attempts - 1]
    else:
        _move(message, said)
    standing.note_fault(session, message.channel, fault, said.words)
    return may_try


def _move(message: OutboundMessage, said: _Said) -> None:
    if said.status is MessageStatus.DELIVERED:
        if message.become(said.status):
            message.error = None
    elif said.status is MessageStatus.FAILED:
        if message.become(said.status):
            message.error = said.words
    elif said.status is None and message.status is MessageStatus.SENT:
        message.error = said.words
