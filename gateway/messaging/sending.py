"""Sending messages: queued with what they tell, claimed, sent with no transaction open, recorded.

At most once: a reply whose sending was not confirmed is not sent again unasked, as the reporter can
ask STATUS; a message marked `resend_if_unconfirmed` (an urgent task) is, as a double alarm beats
none.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gateway import clock, logs
from gateway.messaging import deliveries, standing, tries
from gateway.messaging.channels import Channels
from gateway.messaging.queues import OUT_OF_TIME
from gateway.messaging.standing import Way
from gateway.providers.base import (
    AccountRefused,
    NumberRefused,
    OutboundSms,
    OutOfCredit,
    Provider,
    SendDeferred,
    SendRefused,
    SendUnconfirmed,
    Throttled,
)
from models.database.engine import UNAVAILABLE, Database
from models.database.flushing import write_out
from models.database.statements import is_one_of
from models.outbox import OutboundMessage, new_token
from models.people import Phone
from models.states import Lane, MessageStatus
from parsers import cleaning, segments

_log = logs.logger()

SendError = SendRefused | SendDeferred | SendUnconfirmed

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


def compose(  # noqa: PLR0913  # a row has many columns, and each is named
    *,
    channel: str,
    phone_id: int,
    text: str,
    reply_key: str,
    lane: Lane,
    counted_from: datetime,
    is_capped: bool = False,
    in_reply_to: int | None = None,
    resend_if_unconfirmed: bool = False,
) -> dict[str, Any]:
    """Make the row of a message that is to be sent; its id and its report are still open."""
    return {
        "token": new_token(),
        "channel": channel,
        "phone_id": phone_id,
        "text": text,
        "reply_key": reply_key,
        "is_capped": is_capped,
        "lane": lane,
        "lane_rank": _RANK[lane],
        "status": MessageStatus.QUEUED,
        "segments": segments.measure(text).segments,
        "in_reply_to": in_reply_to,
        "created_at": clock.now(),
        "expires_at": counted_from + LIFE[lane],
        "refused_by": [],
        "attempts": 0,
        "resend_if_unconfirmed": resend_if_unconfirmed,
        "is_bound": False,
    }


def queue(  # noqa: PLR0913  # as compose
    session: Session,
    *,
    channel: str,
    phone_id: int,
    text: str,
    reply_key: str,
    lane: Lane,
    counted_from: datetime,
    resend_if_unconfirmed: bool = False,
) -> OutboundMessage:
    """Write a message in the caller's transaction: it leaves only if what it tells is so."""
    message = OutboundMessage(
        **compose(
            channel=channel,
            phone_id=phone_id,
            text=text,
            reply_key=reply_key,
            lane=lane,
            counted_from=counted_from,
            resend_if_unconfirmed=resend_if_unconfirmed,
        )
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
    way: Way
    token: str
    to: str
    text: str

    @property
    def channel(self) -> str:
        return self.way.channel


@dataclass(frozen=True, slots=True)
class _Sent:
    """What became of one attempt: the provider's id, or the error that says why not."""

    id: int
    attempt: int
    channel: str
    provider_message_id: str | None = None
    error: SendError | None = None

    @property
    def is_accepted(self) -> bool:
        return self.error is None


def deliver_some(database: Database, channels: Channels) -> bool:
    """Claim the next messages by lane and age, send them, record it; say whether any was due."""
    claimed, were_due, troubled = _claim(database, channels)
    done = [_send(channels.by_name.get(message.channel), message) for message in claimed]
    if done:
        _record_surely(database, channels, done, troubled)
    return were_due


#: So many stuck messages are let go in one transaction.
_MOST_STUCK = 10
#: A message that no channel may carry now is looked at again then.
_LOOK_AGAIN_AFTER = timedelta(minutes=1)


def _claim(database: Database, channels: Channels) -> tuple[list[_Claimed], bool, frozenset[str]]:
    moment = clock.now()
    with database.writing() as session:
        ways = standing.openings(session, channels, moment)
        rows = session.execute(
            sa.select(OutboundMessage, Phone.number)
            .join(Phone, Phone.id == OutboundMessage.phone_id)
            .where(is_due(moment), ways.may_leave())
            .order_by(OutboundMessage.lane_rank, OutboundMessage.id)
            .limit(min(channels.claims_at_once, database.rows_a_turn))
            .with_for_update(skip_locked=True, of=OutboundMessage)
        ).all()
        claimed: list[_Claimed] = []
        for message, number in rows:
            if message.expires_at <= moment:
                message.become(MessageStatus.EXPIRED)
                continue
            way = ways.way(message, number)
            if way is None:
                message.next_attempt_at = moment + _LOOK_AGAIN_AFTER
                continue
            provider = channels.by_name.get(way.channel)
            most = provider.claims_at_once if provider else 1
            if claimed and (claimed[0].channel != way.channel or len(claimed) >= most):
                break
            _take(message, way, moment)
            claimed.append(
                _Claimed(message.id, message.attempts, way, message.token, number, message.text)
            )
        write_out(session, OutboundMessage)
        return claimed, bool(rows), ways.troubled


def _take(message: OutboundMessage, way: Way, moment: datetime) -> None:
    if message.channel != way.channel:
        _log.info("channel_changed", message=message.id, was=message.channel, now=way.channel)
        message.channel = way.channel
    message.line = way.line
    message.become(MessageStatus.SENDING)
    message.attempts += 1
    message.claimed_at = moment


def _send(provider: Provider | None, message: _Claimed) -> _Sent:
    if provider is None:
        nowhere = SendDeferred(f"no channel named {message.channel}")
        return _Sent(message.id, message.attempt, message.channel, error=nowhere)
    try:
        given = provider.send(
            OutboundSms(message.token, message.to, message.text, message.way.line)
        )
    except (SendRefused, SendDeferred, SendUnconfirmed) as error:
        return _Sent(message.id, message.attempt, message.channel, error=error)
    except OUT_OF_TIME:
        raise
    except Exception as error:  # noqa: BLE001
        # A fault of the adapter: perhaps after the message had left. Those beside it go on, and
        # what became of them is recorded.
        _log.error("adapter_failed", channel=message.channel, error=logs.name_of(error))
        unknown = SendUnconfirmed(f"the adapter failed: {logs.name_of(error)}")
        return _Sent(message.id, message.attempt, message.channel, error=unknown)
    return _Sent(message.id, message.attempt, message.channel, provider_message_id=given)


def _record_surely(
    database: Database, channels: Channels, done: list[_Sent], troubled: frozenset[str]
) -> None:
    """Record what became of messages, though the database may be away for a moment.

    What is not recorded counts as unconfirmed, and its delivery report finds no message. To record
    twice does no harm.
    """
    for pause in _RECORD_AGAIN_AFTER:
        try:
            return _record(database, channels, done, troubled)
        except UNAVAILABLE as error:
            _log.warning("record_failed", messages=len(done), error=type(error).__name__)
            time.sleep(pause)
    return _record(database, channels, done, troubled)


def _record(
    database: Database, channels: Channels, done: Sequence[_Sent], troubled: frozenset[str]
) -> None:
    with database.writing() as session:
        given = [(one.channel, one.provider_message_id) for one in done]
        deliveries.lock(session, [(channel, id_) for channel, id_ in given if id_ is not None])
        for sent in done:
            if isinstance(sent.error, SendDeferred):
                standing.note_failure(session, sent.channel, sent.error)
        for channel in {sent.channel for sent in done if sent.is_accepted} & troubled:
            standing.note_success(session, channel)
        rows = session.scalars(
            sa.select(OutboundMessage)
            .where(is_one_of(session, OutboundMessage.id, [sent.id for sent in done]))
            .order_by(OutboundMessage.id)
            .with_for_update()
        )
        messages = {message.id: message for message in rows}
        recorded = [sent for sent in done if _apply(session, channels, messages[sent.id], sent)]
        write_out(session, OutboundMessage)
        deliveries.heed_waiting(
            session, [messages[sent.id] for sent in recorded if sent.provider_message_id]
        )
        for sent in recorded:
            message = messages[sent.id]
            _log.info(
                "send_ended",
                message=message.id,
                channel=sent.channel,
                status=message.status.value,
                attempts=message.attempts,
                error=message.error,
            )


def _apply(session: Session, channels: Channels, message: OutboundMessage, sent: _Sent) -> bool:
    """Write down what became of a message; say whether it still matters."""
    is_given_up = message.status is not MessageStatus.SENDING or message.attempts != sent.attempt
    # The sweeper gave this attempt up meanwhile: only a confirmed sending still tells.
    if is_given_up and not sent.is_accepted:
        return False
    moment = clock.now()
    message.error = cleaning.storable(str(sent.error)) if sent.error else None
    match sent.error:
        case None:
            if message.become(MessageStatus.SENT):
                _note_sent(message, sent.provider_message_id, moment)
        case NumberRefused():
            message.become(MessageStatus.FAILED)
        case SendRefused():
            _try_elsewhere(session, channels, message)
        case SendUnconfirmed():
            give_up_waiting(channels, message, moment)
        case Throttled() | OutOfCredit() | AccountRefused():
            # Not this message's fault: no try is counted, and the channel itself rests.
            message.attempts -= 1
            message.become(MessageStatus.QUEUED)
            message.next_attempt_at = None
        case _:
            tries.defer(message, moment)
    return True


def _note_sent(message: OutboundMessage, given_id: str | None, moment: datetime) -> None:
    message.sent_at = moment
    if given_id is not None:
        message.provider_message_id = deliveries.storable_id(given_id)
        message.provider_key = deliveries.key_of(given_id)


def _try_elsewhere(session: Session, channels: Channels, message: OutboundMessage) -> None:
    """Queue a message for another channel, as its own will not carry it; else it has failed."""
    message.refused_by = [*message.refused_by, message.channel]
    number = session.get_one(Phone, message.phone_id).number
    other = None
    if not channels.is_loopback and not message.is_bound:
        other = channels.instead(message.channel, number, message.refused_by)
    if other is None:
        message.become(MessageStatus.FAILED)
        return
    message.become(MessageStatus.QUEUED)
    message.channel = other
    message.next_attempt_at = None


def give_up_waiting(channels: Channels, message: OutboundMessage, moment: datetime) -> None:
    """Mark a message that may have left; one that may or must be sent again is queued again."""
    provider = channels.by_name.get(message.channel)
    message.become(MessageStatus.UNCONFIRMED)
    if tries.is_last(message):
        return
    if provider is not None and provider.sends_once:
        # It is known there by its token: asked again, it is sent once all the same.
        message.is_bound = True
        tries.defer(message, moment)
    elif message.resend_if_unconfirmed:
        tries.defer(message, moment)


def sweep_outbox(database: Database, channels: Channels, stuck_after: timedelta) -> None:
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
            give_up_waiting(channels, message, moment)
            _log.warning("send_unconfirmed", message=message.id, channel=message.channel)


def next_due(session: Session, channels: Channels) -> int | None:
    """Name the message that waits to be sent and should go first, if any channel is open."""
    moment = clock.now()
    return session.scalars(
        sa.select(OutboundMessage.id)
        .where(is_due(moment), standing.openings(session, channels, moment).may_leave())
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
    # Whoever knows the old token would send nothing, and any channel may carry it now.
    message.token, message.is_bound, message.refused_by = new_token(), False, []
    message.provider_message_id = message.provider_key = None
    message.expires_at = max(message.expires_at, clock.now() + LIFE[message.lane])
    return message.become(MessageStatus.QUEUED)
