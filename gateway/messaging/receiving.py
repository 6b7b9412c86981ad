"""Taking in what a provider brings: each message once, delivery reports, and the unreadable."""

from datetime import datetime, timedelta
from urllib.parse import unquote_plus

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gateway import clock, logs
from gateway.identity import Directory
from gateway.messaging import sending
from gateway.providers.base import InboundSms, Intake, Polled, Unreadable
from models.database import insert_or_count, insert_unless_there
from models.inbox import InboundMessage, PollCursor, Quarantined
from parsers import cleaning, masking, msisdn, segments

_log = logs.logger()

#: Longer than any message that is really sent; what lies beyond is cut, with a flag.
_LONGEST_TEXT = 4000
_ANY_CLOCK = timedelta(days=3660)


def accept(session: Session, directory: Directory, channel: str, intake: Intake) -> list[int]:
    """Keep all that a request or a poll brought; give the new messages, to ring for when committed.

    A redelivery changes nothing but a counter.
    """
    rows = [_accept_message(session, directory, channel, one) for one in intake.messages]
    for delivery in intake.deliveries:
        sending.record_delivery(session, channel, delivery)
    for item in intake.unreadable:
        set_apart(session, directory, channel, item)
    return [row_id for row_id in rows if row_id is not None]


def _accept_message(
    session: Session, directory: Directory, channel: str, message: InboundSms
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
    row_id: int | None = insert_unless_there(
        session,
        InboundMessage,
        {
            "channel": channel,
            "provider_message_id": sending.storable_id(message.provider_message_id),
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
        },
        InboundMessage.id,
    )
    if row_id is None:
        same = sa.or_(
            InboundMessage.id_key == id_key if id_key else sa.false(),
            InboundMessage.fingerprint == fingerprint if fingerprint else sa.false(),
        )
        session.execute(
            sa.update(InboundMessage).where(same).values(redelivered=InboundMessage.redelivered + 1)
        )
        _log.info("message_redelivered", channel=channel, phone=phone.alias)
    return row_id


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
    moment = network_time.isoformat() if network_time else ""
    given = message.provider_message_id
    id_key = None
    if given is not None and not (message.id_is_a_hash and not moment):
        told_apart_by = [moment] if message.id_is_a_hash else []
        id_key = directory.digest(channel, given, lookup, message.text, *told_apart_by)
    return id_key, directory.digest(lookup, message.text, moment) if moment else None


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


def poll_mark(session: Session, channel: str) -> str | None:
    """Say how far a polled channel has been read."""
    cursor = session.get(PollCursor, channel)
    return cursor.since if cursor else None


def accept_polled(
    session: Session, directory: Directory, channel: str, polled: Polled, at: datetime
) -> list[int]:
    """Keep what a poll brought and how far it went, together: a crash polls the same again."""
    accepted = accept(session, directory, channel, polled.intake)
    session.merge(PollCursor(channel=channel, since=polled.since, polled_at=at))
    return accepted
