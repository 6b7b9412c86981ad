"""Sending messages: queued with what they tell, claimed, sent with no transaction open, recorded.

At most once: a reply whose sending was not confirmed is not sent again unasked, as the reporter can
ask STATUS; a message marked `resend_if_unconfirmed` (an urgent task) is, as a double alarm beats
none.
"""

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gateway import clock, logs
from gateway.providers.base import (
    OutboundSms,
    Provider,
    ReportedDelivery,
    SendDeferred,
    SendRefused,
    SendUnconfirmed,
)
from models.database import UNAVAILABLE, Database, insert_or_count, lock_name
from models.outbox import DeliveryReport, OutboundMessage
from models.people import Phone
from models.report import Report
from models.states import Lane, MessageStatus
from parsers import cleaning, msisdn, segments

_log = logs.logger()

#: After a deferred send, when to try again; then it has failed. Days in the hills are long: people
#: come back to a signal after hours.
BACKOFF = tuple(timedelta(minutes=m) for m in (1, 5, 15, 60, 120, 240, 480))
#: How long a message may wait, counted from the receipt of what it answers.
LIFE: Mapping[Lane, timedelta] = {
    Lane.URGENT: timedelta(hours=6),
    Lane.REPLY: timedelta(days=2),
    Lane.FOLLOW_UP: timedelta(days=2),
    Lane.BULK: timedelta(hours=12),
}
#: When the database is away after a send, try so often to record it, in seconds between the tries.
_RECORD_AGAIN_AFTER = (0.2, 1.0, 3.0)
_RANK = {lane: rank for rank, lane in enumerate(Lane)}
#: Longer than any provider's id; a longer one would not fit into an index.
_LONGEST_ID = 200


@dataclass(frozen=True, slots=True)
class Channels:
    """The adapters, and which of them carries what."""

    by_name: Mapping[str, Provider]
    default: str

    @property
    def claims_at_once(self) -> int:
        """Say how many rows a claim looks at: no more than it may take, as each is locked."""
        provider = self.by_name.get(self.default)
        return provider.claims_at_once if provider else 1

    def for_reply(self, came_by: str) -> str:
        """Name the channel that a reply leaves by."""
        provider = self.by_name.get(came_by)
        if self.default == "loopback" or provider is None or not provider.can_send:
            return self.default
        return came_by


def queue(  # noqa: PLR0913  # a row has many columns, and each is named
    session: Session,
    *,
    channel: str,
    phone_id: int,
    text: str,
    reply_key: str,
    lane: Lane,
    counted_from: datetime,
    is_capped: bool = False,
    in_reply_to: int | None = None,
    report: Report | None = None,
    resend_if_unconfirmed: bool = False,
) -> OutboundMessage:
    """Write a message in the caller's transaction: it leaves only if what it tells is so."""
    message = OutboundMessage(
        channel=channel,
        phone_id=phone_id,
        text=text,
        reply_key=reply_key,
        is_capped=is_capped,
        lane=lane,
        lane_rank=_RANK[lane],
        status=MessageStatus.QUEUED,
        segments=segments.measure(text).segments,
        in_reply_to=in_reply_to,
        report=report,
        created_at=clock.now(),
        expires_at=counted_from + LIFE[lane],
        resend_if_unconfirmed=resend_if_unconfirmed,
    )
    session.add(message)
    return message


def is_due(moment: datetime) -> sa.ColumnElement[bool]:
    """Tell queued messages that may leave now."""
    return sa.and_(
        OutboundMessage.status == MessageStatus.QUEUED,
        sa.or_(
            OutboundMessage.next_attempt_at.is_(None), OutboundMessage.next_attempt_at <= moment
        ),
    )


@dataclass(frozen=True, slots=True)
class _Claimed:
    id: int
    attempt: int
    channel: str
    token: str
    to: str
    text: str


@dataclass(frozen=True, slots=True)
class _Sent:
    """What became of one attempt: exactly one of the four."""

    id: int
    attempt: int
    channel: str
    status: MessageStatus
    provider_message_id: str | None = None
    error: str | None = None


def deliver_some(database: Database, channels: Channels) -> bool:
    """Claim the next messages by lane and age, send them, record it; say whether any was due."""
    claimed, were_due = _claim(database, channels)
    done = [_send(channels.by_name.get(message.channel), message) for message in claimed]
    if done:
        _record_surely(database, done)
    return were_due


#: So many stuck messages are let go in one transaction.
_MOST_STUCK = 10


def _claim(database: Database, channels: Channels) -> tuple[list[_Claimed], bool]:
    moment = clock.now()
    with database.writing() as session:
        rows = session.execute(
            sa.select(OutboundMessage, Phone.number)
            .join(Phone, Phone.id == OutboundMessage.phone_id)
            .where(is_due(moment))
            .order_by(OutboundMessage.lane_rank, OutboundMessage.id)
            .limit(channels.claims_at_once)
            .with_for_update(skip_locked=True, of=OutboundMessage)
        ).all()
        claimed: list[_Claimed] = []
        for message, number in rows:
            if message.expires_at <= moment:
                message.become(MessageStatus.EXPIRED)
                continue
            provider = channels.by_name.get(message.channel)
            most = provider.claims_at_once if provider else 1
            if claimed and (claimed[0].channel != message.channel or len(claimed) >= most):
                break
            message.become(MessageStatus.SENDING)
            message.attempts += 1
            message.claimed_at = moment
            claimed.append(
                _Claimed(
                    message.id,
                    message.attempts,
                    message.channel,
                    message.token,
                    number,
                    message.text,
                )
            )
        return claimed, bool(rows)


def _send(provider: Provider | None, message: _Claimed) -> _Sent:
    def became(status: MessageStatus, **rest: str | None) -> _Sent:
        return _Sent(message.id, message.attempt, message.channel, status, **rest)

    if provider is None:
        return became(MessageStatus.QUEUED, error=f"no channel named {message.channel}")
    try:
        given = provider.send(OutboundSms(message.token, message.to, message.text))
    except SendRefused as error:
        return became(MessageStatus.FAILED, error=str(error))
    except SendDeferred as error:
        return became(MessageStatus.QUEUED, error=str(error))
    except SendUnconfirmed as error:
        return became(MessageStatus.UNCONFIRMED, error=str(error))
    return became(MessageStatus.SENT, provider_message_id=given)


def _record_surely(database: Database, done: list[_Sent]) -> None:
    """Record what became of messages, though the database may be away for a moment.

    What is not recorded counts as unconfirmed, and its delivery report finds no message. To record
    twice does no harm.
    """
    for pause in _RECORD_AGAIN_AFTER:
        try:
            return _record(database, done)
        except UNAVAILABLE as error:
            _log.warning("record_failed", messages=len(done), error=type(error).__name__)
            time.sleep(pause)
    return _record(database, done)


def _record(database: Database, done: list[_Sent]) -> None:
    with database.writing() as session:
        for sent in done:
            if sent.provider_message_id is not None:
                lock_name(session, _delivery_lock(sent.channel, key_of(sent.provider_message_id)))
            message = session.get_one(OutboundMessage, sent.id, with_for_update=True)
            is_given_up = (
                message.status is not MessageStatus.SENDING or message.attempts != sent.attempt
            )
            # The sweeper gave this attempt up meanwhile: only a confirmed sending still tells.
            if is_given_up and sent.status is not MessageStatus.SENT:
                continue
            _apply(session, message, sent)
            _log.info(
                "send_ended",
                message=message.id,
                channel=message.channel,
                status=message.status.value,
                attempts=message.attempts,
                error=sent.error,
            )


def _apply(session: Session, message: OutboundMessage, sent: _Sent) -> None:
    moment = clock.now()
    message.error = sent.error and cleaning.storable(sent.error)
    if sent.status is MessageStatus.QUEUED:
        defer(message, moment)
    elif sent.status is MessageStatus.UNCONFIRMED:
        give_up_waiting(message, moment)
    elif message.become(sent.status) and sent.status is MessageStatus.SENT:
        message.sent_at = moment
        if sent.provider_message_id is not None:
            message.provider_message_id = storable_id(sent.provider_message_id)
            message.provider_key = key_of(sent.provider_message_id)
            for report in _reports_for(session, message.channel, message.provider_key):
                _move(message, report.status, report.raw_status, report.reason)


def defer(message: OutboundMessage, moment: datetime) -> None:
    """Put back a message that surely did not leave, with a delay that grows; then let it fail."""
    if message.attempts > len(BACKOFF):
        message.become(MessageStatus.FAILED)
        return
    wait = BACKOFF[message.attempts - 1]
    message.become(MessageStatus.QUEUED)
    # Jitter: after an outage the whole queue must not come back in one second.
    message.next_attempt_at = moment + wait * random.uniform(0.8, 1.2)  # noqa: S311


def give_up_waiting(message: OutboundMessage, moment: datetime) -> None:
    """Mark a message that may have left; one that must be sent at least once is queued again."""
    message.become(MessageStatus.UNCONFIRMED)
    if message.resend_if_unconfirmed and message.attempts <= len(BACKOFF):
        defer(message, moment)


def key_of(provider_message_id: str) -> str:
    """Give the form of a provider's id by which messages and delivery reports are matched."""
    return (storable_id(provider_message_id) or "").strip().lower()


def storable_id(given: str | None) -> str | None:
    """Make an id one that both databases and their indexes hold, whoever made it up."""
    return cleaning.storable(given)[:_LONGEST_ID] if given else None


def _delivery_lock(channel: str, key: str) -> str:
    return f"delivery:{channel}:{key}"


def _reports_for(session: Session, channel: str, key: str) -> list[DeliveryReport]:
    return list(
        session.scalars(
            sa.select(DeliveryReport)
            .where(DeliveryReport.channel == channel, DeliveryReport.provider_key == key)
            .order_by(DeliveryReport.id)
        )
    )


def record_delivery(session: Session, channel: str, delivery: ReportedDelivery) -> None:
    """Store a delivery report and move its message, if we know yet which message that is.

    A report can overtake the provider's answer to the send, and so name an id that no message has;
    it then waits for the send to be recorded. The lock makes the two look one after the other;
    without it each could miss the other's row.
    """
    key = key_of(delivery.provider_message_id)
    raw_status, reason = (
        msisdn.hide_numbers(cleaning.storable(said))
        for said in (delivery.raw_status, delivery.reason)
    )
    lock_name(session, _delivery_lock(channel, key))
    insert_or_count(
        session,
        DeliveryReport,
        {
            "channel": channel,
            "provider_key": key,
            "raw_status": raw_status,
            "reason": reason,
            "status": delivery.status,
            "received_at": clock.now(),
            "times": 1,
        },
        ["channel", "provider_key", "raw_status", "reason"],
        "times",
    )
    message = session.scalars(
        sa.select(OutboundMessage).where(
            OutboundMessage.channel == channel, OutboundMessage.provider_key == key
        )
    ).first()
    if message is not None:
        _move(message, delivery.status, raw_status, reason)
        _log.info("delivery_reported", message=message.id, status=message.status.value)


def _move(
    message: OutboundMessage, status: MessageStatus | None, raw_status: str, reason: str
) -> None:
    said = f"{raw_status} {reason}".strip()
    if status is MessageStatus.DELIVERED:
        if message.become(status):
            message.error = None
    elif status is MessageStatus.FAILED:
        if message.become(status):
            message.error = said
    elif status is None and message.status is MessageStatus.SENT:
        message.error = said


def sweep_outbox(database: Database, stuck_after: timedelta) -> None:
    """Let go of messages whose worker died while it sent; those too old expire when claimed."""
    moment = clock.now()
    with database.writing() as session:
        stuck = session.scalars(
            sa.select(OutboundMessage)
            .where(
                OutboundMessage.status == MessageStatus.SENDING,
                OutboundMessage.claimed_at <= moment - stuck_after,
            )
            .order_by(OutboundMessage.id)
            .limit(_MOST_STUCK)
            .with_for_update(skip_locked=True)
        ).all()
        for message in stuck:
            message.error = "the worker stopped while it was sending"
            give_up_waiting(message, moment)
            _log.warning("send_unconfirmed", message=message.id, channel=message.channel)


def next_due(session: Session) -> int | None:
    """Name the message that waits to be sent and should go first."""
    return session.scalars(
        sa.select(OutboundMessage.id)
        .where(is_due(clock.now()))
        .order_by(OutboundMessage.lane_rank, OutboundMessage.id)
        .limit(1)
    ).first()


def settle(message: OutboundMessage, *, was_sent: bool) -> bool:
    """Decide an unconfirmed message by a person's word; say whether it was unconfirmed at all."""
    if message.status is not MessageStatus.UNCONFIRMED:
        return False
    if was_sent:
        message.sent_at = clock.now()
        return message.become(MessageStatus.SENT)
    message.next_attempt_at = None
    message.attempts = 0
    message.expires_at = max(message.expires_at, clock.now() + LIFE[message.lane])
    return message.become(MessageStatus.QUEUED)
