"""Taking in what a provider brings: each message once, delivery reports, and the unreadable."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta
from urllib.parse import unquote_plus

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gateway import clock, logs
from gateway.identity import Directory
from gateway.messaging import alarms, deliveries
from gateway.messaging.channels import LOOPBACK, Channels
from gateway.providers.base import InboundSms, Intake, OptOut, Polled, Unreadable
from models.database import insert_or_count, insert_unless_there, lock_name
from models.inbox import InboundMessage, PollCursor, Quarantined
from models.states import AlarmKind
from parsers import cleaning, masking, msisdn, segments

_log = logs.logger()

#: Longer than any message that is really sent; what lies beyond is cut, with a flag.
_LONGEST_TEXT = 4000
#: A message that comes again so often is no redelivery any more, but a fault.
_OFTEN = 20
#: By two channels, one of which tells no time, the same words are one message for so long.
_ONE_WITHIN = timedelta(days=1)
_REPORTS = ("report", "draft")
_SAME_ANSWER_WITHIN = timedelta(minutes=10)
_NO_CHANNELS = Channels({}, LOOPBACK)
_ANY_CLOCK = timedelta(days=3660)


def accept(
    session: Session,
    directory: Directory,
    channel: str,
    intake: Intake,
    channels: Channels = _NO_CHANNELS,
) -> list[int]:
    """Keep all that a request or a poll brought; give the new messages, to ring for when committed.

    A redelivery changes nothing but a counter. Where the channel's own numbers are known, a message
    for another one is set apart: it was not meant for us.
    """
    rows = []
    own_numbers = channels.rules_of(channel).own_numbers
    for given in intake.messages:
        message = _addressed(given, own_numbers)
        if _is_for_us(message, own_numbers):
            rows.append(
                _accept_message(
                    session, directory, channel, message, untimed=channels.that_tell_no_time
                )
            )
        else:
            _set_apart_stray(session, directory, channel, message)
    for opt_out in intake.opt_outs:
        _note_opt_out(session, directory, channel, opt_out)
    for delivery in intake.deliveries:
        deliveries.record(session, channel, delivery)
    for item in intake.unreadable:
        set_apart(session, directory, channel, item)
    return [row_id for row_id in rows if row_id is not None]


def _addressed(message: InboundSms, own_numbers: Collection[str]) -> InboundSms:
    """Name the number that a message was sent to, where its channel tells none and has only one."""
    if message.recipient or len(own_numbers) != 1:
        return message
    return replace(message, recipient=next(iter(own_numbers)))


def _is_for_us(message: InboundSms, own_numbers: Collection[str]) -> bool:
    if not own_numbers or not message.recipient:
        return True
    return msisdn.read_sender(message.recipient).number in own_numbers


def _set_apart_stray(
    session: Session, directory: Directory, channel: str, message: InboundSms
) -> None:
    body = f"{message.sender} > {message.recipient}: {message.text}"
    item = Unreadable("for a number that is not ours", body.encode("utf-8", "replace"))
    set_apart(session, directory, channel, item)
    alarms.raise_alarm(
        session, AlarmKind.DESTINATION, channel, "it brings messages for a number not ours"
    )


def _note_opt_out(session: Session, directory: Directory, channel: str, opt_out: OptOut) -> None:
    phone = directory.phone(session, msisdn.read_sender(opt_out.sender))
    if phone.reminders_stopped_at is None:
        phone.reminders_stopped_at = clock.now()
    _log.info("opted_out", channel=channel, phone=phone.alias)


def _accept_message(
    session: Session,
    directory: Directory,
    channel: str,
    message: InboundSms,
    *,
    untimed: frozenset[str],
) -> int | None:
    received_at = clock.now()
    sender = msisdn.read_sender(message.sender)
    phone = directory.phone(session, sender)
    recipient_id = None
    if message.recipient:
        recipient_id = directory.phone(session, msisdn.read_sender(message.recipient)).id
    text = cleaning.storable(message.text)
    flags = set(message.flags)
    network_time = _possible(message.network_time, received_at)
    if network_time is not message.network_time or not clock.is_believed(network_time, received_at):
        flags.add("odd_date")
    if len(text) > _LONGEST_TEXT:
        text = text[:_LONGEST_TEXT]
        flags.add("cut")
    id_key, fingerprint = _keys(directory, channel, message, phone.lookup, network_time)
    text, was_masked = masking.mask_documents(text)
    payload = {}
    for name, value in message.payload.items():
        plain, masked = masking.mask_documents(cleaning.storable(value))
        payload[cleaning.storable(name)] = directory.conceal(session, plain)
        was_masked = was_masked or masked
    if was_masked:
        flags.add("masked_document")
    if untimed and _came_by_another(
        session, channel, phone.id, recipient_id, text, untimed, is_timed=network_time is not None
    ):
        _log.info("message_came_by_another_channel", channel=channel, phone=phone.alias)
        return None
    row_id: int | None = insert_unless_there(
        session,
        InboundMessage,
        {
            "channel": channel,
            "provider_message_id": deliveries.storable_id(message.provider_message_id),
            "id_key": id_key,
            "fingerprint": fingerprint,
            "phone_id": phone.id,
            "recipient_id": recipient_id,
            "text": text,
            "flags": sorted(flags),
            "payload": payload,
            "network_time": network_time,
            "received_at": received_at,
            "segments": segments.measure(text).segments,
            **_part_of(message),
        },
        InboundMessage.id,
    )
    if row_id is None:
        same = sa.or_(
            InboundMessage.id_key == id_key if id_key else sa.false(),
            InboundMessage.fingerprint == fingerprint if fingerprint else sa.false(),
        )
        times = session.scalars(
            sa.update(InboundMessage)
            .where(same)
            .values(redelivered=InboundMessage.redelivered + 1)
            .returning(InboundMessage.redelivered)
        ).all()
        _log.info("message_redelivered", channel=channel, phone=phone.alias)
        if max(times, default=0) > _OFTEN:
            says = f"{channel} brings the same message again and again"
            alarms.raise_alarm(session, AlarmKind.FLOOD, phone.alias, says)
    return row_id


def _came_by_another(  # all by which two messages are compared
    session: Session,
    channel: str,
    phone_id: int,
    recipient_id: int | None,
    text: str,
    untimed: frozenset[str],
    *,
    is_timed: bool,
) -> bool:
    """Tell a message that another channel has brought, where one of the two tells no time.

    With times on both sides the fingerprint knows it. Without, the same words from the same phone
    to the same number are one message, if two channels bring them within a day.
    """
    # Two processes must not both find that nothing has come yet.
    lock_name(session, f"came:{phone_id}")
    moment = clock.now()
    others = InboundMessage.channel != channel
    if recipient_id is not None:  # a modem does not tell it, and nobody else's can be compared
        same_recipient = InboundMessage.recipient_id == recipient_id
        others = sa.and_(others, sa.or_(same_recipient, InboundMessage.recipient_id.is_(None)))
    if is_timed:
        others = sa.and_(others, InboundMessage.channel.in_(untimed))
    found = session.scalars(
        sa.select(InboundMessage)
        .where(
            InboundMessage.phone_id == phone_id,
            # Answers and commands may well be said again: only reports are one for a day.
            sa.or_(
                sa.and_(
                    InboundMessage.outcome.in_(_REPORTS),
                    InboundMessage.received_at > moment - _ONE_WITHIN,
                ),
                InboundMessage.received_at > moment - _SAME_ANSWER_WITHIN,
            ),
            InboundMessage.text == text,
            others,
        )
        .limit(1)
    ).first()
    if found is not None:
        found.redelivered += 1
    return found is not None


def _part_of(message: InboundSms) -> dict[str, int]:
    part = message.part
    if part is None or part.total < 2 or not 1 <= part.number <= part.total:  # noqa: PLR2004
        return {}
    return {
        "part_reference": part.reference,
        "part_number": part.number,
        "part_total": part.total,
    }


def _possible(moment: datetime | None, received_at: datetime) -> datetime | None:
    """Drop a time that no working clock shows; it could not even be shown in every zone."""
    if moment is not None and abs(moment - received_at) > _ANY_CLOCK:
        return None
    return moment


def _keys(
    directory: Directory,
    channel: str,
    message: InboundSms,
    lookup: str,
    network_time: datetime | None,
) -> tuple[str | None, str | None]:
    """Give the two keys by which a redelivery is known.

    The provider's id alone does not do: some providers count from one, some give two messages the
    same id. With sender and text beside it, a true second message is never taken for the first.
    """
    # To the second: a phone counts its thousandths, and the same message told by its network none.
    moment = network_time.replace(microsecond=0).isoformat() if network_time else ""
    given = message.provider_message_id
    # Two parts of one long message may have the same text, as they have the same time.
    part = [str(value) for value in _part_of(message).values()]
    id_key = None
    if given is not None and not (message.id_is_a_hash and not moment):
        told_apart_by = [moment] if message.id_is_a_hash else []
        id_key = directory.digest(channel, given, lookup, message.text, *told_apart_by, *part)
    fingerprint = directory.digest(lookup, message.text, moment, *part) if moment else None
    return id_key, fingerprint


def set_apart(session: Session, directory: Directory, channel: str, item: Unreadable) -> None:
    """Keep what nobody could read for a person, without numbers and documents in the clear."""
    # Escapes are undone first: a number behind %2B would not be seen, and nobody could read it.
    body = cleaning.storable(unquote_plus(item.body.decode("utf-8", "replace"), errors="replace"))
    body, _ = masking.mask_documents(body)
    digest = directory.digest(channel, item.reason, item.body.hex())
    insert_or_count(
        session,
        Quarantined,
        {
            "channel": channel,
            "reason": item.reason,
            "body": directory.conceal(session, body),
            "received_at": clock.now(),
            "digest": digest,
            "times": 1,
        },
        ["digest"],
        "times",
    )
    _log.warning("request_quarantined", channel=channel, reason=item.reason)


def poll_cursor(session: Session, channel: str) -> PollCursor | None:
    """Give how far a polled channel has been read, and since when; None before the first read."""
    return session.get(PollCursor, channel)


def accept_polled(  # as `accept`, and the moment
    session: Session,
    directory: Directory,
    channel: str,
    polled: Polled,
    at: datetime,
    channels: Channels = _NO_CHANNELS,
) -> list[int]:
    """Keep what a poll brought and how far it went, together: a crash polls the same again."""
    accepted = accept(session, directory, channel, polled.intake, channels)
    cursor = session.get(PollCursor, channel)
    begun_at = cursor.begun_at if cursor else at
    session.merge(PollCursor(channel=channel, since=polled.since, polled_at=at, begun_at=begun_at))
    return accepted
