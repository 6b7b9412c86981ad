"""Taking in what a provider brings: each message once, delivery reports, and the unreadable."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
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


@dataclass(slots=True)
class Accepted:
    """What is in the database now, to ring for once it is committed."""

    messages: list[int] = field(default_factory=list)
    redelivered: int = 0


def accept(session: Session, directory: Directory, channel: str, intake: Intake) -> Accepted:
    """Keep all that a request or a poll brought; a redelivery changes nothing but a counter."""
    accepted = Accepted()
    for message in intake.messages:
        row_id = _accept_message(session, directory, channel, message)
        if row_id is None:
            accepted.redelivered += 1
        else:
            accepted.messages.append(row_id)
    for delivery in intake.deliveries:
        sending.record_delivery(session, channel, delivery)
    for item in intake.unreadable:
        set_apart(session, directory, channel, item)
    return accepted


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
    id_key, fingerprint = _keys(channel, message, phone.lookup, network_time)
    text, was_masked = masking.mask_documents(text)
    payload = {}
    for name, value in message.payload.items():
        payload[cleaning.storable(name)], masked = masking.mask_documents(cleaning.storable(value))
        was_masked = was_masked or masked
    if was_masked:
        flags.add("masked_document")
    row_id: int | None = insert_unless_there(
        session,
        InboundMessage,
        {
            "channel": channel,
            "provider_message_id": _storable_id(message.provider_message_id),
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
    channel: str, message: InboundSms, lookup: str, network_time: datetime | None
) -> tuple[str | None, str | None]:
    """Give the two keys by which a redelivery is known.

    The provider's id alone does not do: some providers count from one, some give two messages the
    same id. With sender and text beside it, a true second message is never taken for the first.
    Both are keyed hashes in effect, as `lookup` is one: they give away neither number nor text.
    """
    moment = network_time.isoformat() if network_time else None
    id_key = None
    if message.provider_message_id is not None and not (message.id_is_a_hash and moment is None):
        parts = [channel, message.provider_message_id, lookup, message.text]
        if message.id_is_a_hash:
            parts.append(moment or "")
        id_key = _digest(parts)
    fingerprint = _digest([lookup, message.text, moment]) if moment else None
    return id_key, fingerprint


def _digest(parts: Iterable[str]) -> str:
    """Hash parts so that no two lists of parts give the same input."""
    said = "".join(f"{len(part)}:{part}" for part in parts)
    return sha256(said.encode("utf-8", "surrogatepass")).hexdigest()


def _storable_id(given: str | None) -> str | None:
    return cleaning.storable(given)[:200] if given else None


def set_apart(session: Session, directory: Directory, channel: str, item: Unreadable) -> None:
    """Keep what nobody could read for a person, without numbers and documents in the clear."""
    # Escapes are undone first: a number behind %2B would not be seen, and nobody could read it.
    body = cleaning.storable(unquote_plus(item.body.decode("utf-8", "replace"), errors="replace"))
    body, _ = masking.mask_documents(body)
    digest = sha256(channel.encode() + b"\0" + item.reason.encode() + b"\0" + item.body).hexdigest()
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
) -> Accepted:
    """Keep what a poll brought and how far it went, together: a crash polls the same again."""
    accepted = accept(session, directory, channel, polled.intake)
    session.merge(PollCursor(channel=channel, since=polled.since, polled_at=at))
    return accepted
