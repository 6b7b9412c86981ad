"""Taking in what a provider brings: each message once, delivery reports, and the unreadable."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple
from urllib.parse import unquote_plus

from sqlalchemy.orm import Session

from gateway import clock, logs
from gateway.identity import Directory, KnownPhone
from gateway.messaging import alarms, deliveries, redelivery
from gateway.messaging.channels import LOOPBACK, Channels
from gateway.messaging.redelivery import Row
from gateway.providers.base import InboundSms, Intake, OptOut, Polled, Unreadable
from models.database.statements import insert_or_count
from models.inbox import PollCursor, Quarantined
from models.states import AlarmKind
from parsers import cleaning, masking, msisdn, segments
from parsers.msisdn import Sender

_log = logs.logger()

#: Longer than any message that is really sent; what lies beyond is cut, with a flag.
_LONGEST_TEXT = 4000
#: A message that comes again so often is no redelivery any more, but a fault.
_OFTEN = 20
_NO_CHANNELS = Channels({}, LOOPBACK)
_ANY_CLOCK = timedelta(days=3660)


class Brought(NamedTuple):
    """What one request or poll brought, and by which channel."""

    channel: str
    intake: Intake


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
    return accept_together(session, directory, [Brought(channel, intake)], channels)[0]


def accept_together(
    session: Session,
    directory: Directory,
    brought: Sequence[Brought],
    channels: Channels = _NO_CHANNELS,
) -> list[list[int]]:
    """Keep what several requests brought, in few statements; give the new messages of each."""
    arrivals: list[_Arrival] = []
    for place, (channel, intake) in enumerate(brought):
        own_numbers = channels.rules_of(channel).own_numbers
        for given in intake.messages:
            message = _addressed(given, own_numbers)
            if _is_for_us(message, own_numbers):
                arrivals.append(_Arrival(place, channel, message, _people(message)))
            else:
                _set_apart_stray(session, directory, channel, message)
    accepted: list[list[int]] = [[] for _ in brought]
    untimed = channels.that_tell_no_time
    for some in _comparable(arrivals, untimed):
        for arrival, row_id in _accept_messages(session, directory, some, untimed):
            accepted[arrival.place].append(row_id)
    for channel, intake in brought:
        for opt_out in intake.opt_outs:
            _note_opt_out(session, directory, channel, opt_out)
        for delivery in intake.deliveries:
            deliveries.record(session, channel, delivery)
        for item in intake.unreadable:
            set_apart(session, directory, channel, item)
    return accepted


class _Arrival(NamedTuple):
    """A message for us: of which request, and by which channel."""

    place: int
    channel: str
    message: InboundSms
    people: Sequence[Sender]
    """Its sender, and the number that it was sent to where that is told."""


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


def _comparable(
    arrivals: Sequence[_Arrival], untimed: frozenset[str]
) -> Iterator[Sequence[_Arrival]]:
    """Give what can be kept in one go: one by one where each must be looked for by its words."""
    if not untimed:
        yield arrivals
        return
    for arrival in arrivals:
        yield [arrival]


def _accept_messages(
    session: Session, directory: Directory, arrivals: Sequence[_Arrival], untimed: frozenset[str]
) -> Iterator[tuple[_Arrival, int]]:
    """Keep messages in one statement; give each new one with its id."""
    phones = directory.phones(session, {one for arrival in arrivals for one in arrival.people})
    rows = []
    for arrival in arrivals:
        row = _row(session, directory, arrival, phones)
        if redelivery.came_by_another(session, row, untimed):
            alias = phones[arrival.people[0]].alias
            _log.info("message_came_by_another_channel", channel=arrival.channel, phone=alias)
        else:
            rows.append((arrival, row))
    ids = redelivery.insert_new(session, [row for _, row in rows])
    for (arrival, row), row_id in zip(rows, ids, strict=True):
        if row_id is not None:
            yield arrival, row_id
            continue
        alias = phones[arrival.people[0]].alias
        _log.info("message_redelivered", channel=arrival.channel, phone=alias)
        if redelivery.count(session, row) > _OFTEN:
            says = f"{arrival.channel} brings the same message again and again"
            alarms.raise_alarm(session, AlarmKind.FLOOD, alias, says)


def _people(message: InboundSms) -> list[Sender]:
    told = [message.sender, *([message.recipient] if message.recipient else [])]
    return [msisdn.read_sender(one) for one in told]


def _row(
    session: Session, directory: Directory, arrival: _Arrival, phones: Mapping[Sender, KnownPhone]
) -> Row:
    """Make the row of a message: storable, and without documents and numbers in the clear."""
    channel, message = arrival.channel, arrival.message
    received_at = clock.now()
    phone, *recipient = (phones[one] for one in arrival.people)
    text = cleaning.storable(message.text)
    flags = set(message.flags)
    network_time = _possible(message.network_time, received_at)
    if network_time is not message.network_time or not clock.is_believed(network_time, received_at):
        flags.add("odd_date")
    if len(text) > _LONGEST_TEXT:
        text = text[:_LONGEST_TEXT]
        flags.add("cut")
    keys = redelivery.keys(directory, channel, message, phone.lookup, network_time)
    text, was_masked = masking.mask_documents(text)
    if was_masked:
        # Of the text alone: an id that a provider made up may look like a passport's number, and
        # its sender would be told off for nothing.
        flags.add("masked_document")
    payload = {}
    for name, value in message.payload.items():
        plain, _ = masking.mask_documents(cleaning.storable(value))
        payload[cleaning.storable(name)] = directory.conceal(session, plain)
    part = message.real_part
    return {
        "channel": channel,
        "provider_message_id": deliveries.storable_id(message.provider_message_id),
        "id_key": keys.id_key,
        "fingerprint": keys.fingerprint,
        "phone_id": phone.id,
        "recipient_id": recipient[0].id if recipient else None,
        "text": text,
        "flags": sorted(flags),
        "payload": payload,
        "network_time": network_time,
        "received_at": received_at,
        "segments": segments.measure(text).segments,
        "part_reference": part.reference if part else None,
        "part_number": part.number if part else None,
        "part_total": part.total if part else None,
    }


def _possible(moment: datetime | None, received_at: datetime) -> datetime | None:
    """Drop a time that no working clock shows; it could not even be shown in every zone."""
    if moment is not None and abs(moment - received_at) > _ANY_CLOCK:
        return None
    return moment


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
