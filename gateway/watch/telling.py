"""Telling the admins by SMS what is wrong, over a channel that is not the one in trouble."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gateway import clock
from gateway.messaging import alarms, sending
from gateway.messaging.channels import Channels
from gateway.replies.catalogue import Catalogue
from models.channels import Alarm
from models.officers import Officer, OfficerRole
from models.outbox import OutboundMessage
from models.people import Phone
from models.states import Lane

REPLY_KEY = "ALARM_KANAL"
#: An admin gets no more than so many in an hour, whatever breaks.
_MOST_AN_HOUR = 4
_HOUR = timedelta(hours=1)


def tell(
    session: Session, channels: Channels, texts: Catalogue, timezone: ZoneInfo
) -> list[OutboundMessage]:
    """Queue an SMS to every admin for each alarm that nobody has been told of."""
    untold = alarms.untold(session)
    if not untold:
        return []
    admins = session.execute(
        sa.select(Phone.id, Phone.number)
        .join(Officer, Officer.phone_id == Phone.id)
        .where(Officer.ended_at.is_(None), Officer.role == OfficerRole.ADMIN)
        .order_by(Officer.id)
    ).all()
    sent: list[OutboundMessage] = []
    for alarm in untold:
        reached = [
            _send(session, channels, alarm, phone_id, number, _words(texts, alarm, timezone))
            for phone_id, number in admins
            if not _had_enough(session, phone_id)
        ]
        if reached:
            alarm.told_at = clock.now()
            session.flush()
        sent += reached
    return sent


def _words(texts: Catalogue, alarm: Alarm, timezone: ZoneInfo) -> str:
    return texts.text(
        REPLY_KEY,
        kanal=alarm.subject,
        masalah=texts.word(f"alarm_{alarm.kind.value}"),
        jam=alarm.raised_at.astimezone(timezone).strftime("%H.%M"),
    )


def _send(  # one message: to whom, by what, about what
    session: Session, channels: Channels, alarm: Alarm, phone_id: int, number: str, text: str
) -> OutboundMessage:
    channel = channels.default
    if channel == alarm.subject:
        channel = channels.instead(channel, number, shut=()) or channel
    return sending.queue(
        session,
        channel=channel,
        phone_id=phone_id,
        text=text,
        reply_key=REPLY_KEY,
        lane=Lane.URGENT,
        counted_from=clock.now(),
    )


def _had_enough(session: Session, phone_id: int) -> bool:
    sent = session.scalars(
        sa.select(sa.func.count())
        .select_from(OutboundMessage)
        .where(
            OutboundMessage.phone_id == phone_id,
            OutboundMessage.created_at > clock.now() - _HOUR,
            OutboundMessage.reply_key == REPLY_KEY,
        )
    ).one()
    return sent >= _MOST_AN_HOUR
