"""What may really be sent: strangers hear little, and errors are bounded."""

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gateway import clock
from gateway.reporting.senders import Sender
from gateway.reporting.voice import Reply, Voice
from models.inbox import InboundMessage
from models.outbox import OutboundMessage

HOUR = timedelta(hours=1)
#: So many messages of one phone in a minute, and somebody should look.
FLOOD = 20
_TOLD_STRANGER_FOR = timedelta(hours=24)


def to_stranger(
    session: Session, voice: Voice, sender: Sender, reply: Reply, *, may_hear: bool
) -> Reply | None:
    """Give what an unregistered phone hears: what it may hear, else once a day how to register."""
    if may_hear:
        return reply
    if sender.officer is not None:
        # No stranger, but the phone reports for no village; bounded as all help is.
        return voice.say("BANTU_PETUGAS")
    since = clock.now() - _TOLD_STRANGER_FOR
    if was_sent(session, sender.phone.id, "ERR_BELUM_DAFTAR", since):
        return None
    return voice.say("ERR_BELUM_DAFTAR")


def is_over_cap(session: Session, phone_id: int, most: int) -> bool:
    """Say whether a phone has had its share of help and errors for the last hour."""
    sent = session.scalars(
        sa.select(sa.func.count())
        .select_from(OutboundMessage)
        .where(
            OutboundMessage.phone_id == phone_id,
            OutboundMessage.created_at > clock.now() - HOUR,
            OutboundMessage.is_capped,
        )
    ).one()
    return sent >= most


def is_flood(session: Session, message: InboundMessage) -> bool:
    """Say whether a phone has sent more within the last minute than any person types."""
    recent = (
        sa.select(InboundMessage.id)
        .where(
            InboundMessage.phone_id == message.phone_id,
            InboundMessage.received_at > message.received_at - timedelta(minutes=1),
        )
        .limit(FLOOD + 1)
        .subquery()
    )
    return session.scalars(sa.select(sa.func.count()).select_from(recent)).one() > FLOOD


def was_sent(
    session: Session, phone_id: int, key: str, since: datetime, report_id: int | None = None
) -> bool:
    """Say whether a phone was sent a text since then, perhaps about one report."""
    query = sa.select(OutboundMessage.id).where(
        OutboundMessage.phone_id == phone_id,
        OutboundMessage.created_at > since,
        OutboundMessage.reply_key == key,
    )
    if report_id is not None:
        query = query.where(OutboundMessage.report_id == report_id)
    return session.scalars(query.limit(1)).first() is not None


def last_sent(session: Session, phone_id: int, since: datetime) -> str | None:
    """Give the key of the text that a phone was sent last."""
    return session.scalars(
        sa.select(OutboundMessage.reply_key)
        .where(OutboundMessage.phone_id == phone_id, OutboundMessage.created_at > since)
        .order_by(OutboundMessage.id.desc())
        .limit(1)
    ).first()


def was_answered(session: Session, message: InboundMessage) -> bool:
    """Tell the same words from the same phone within the hour that have been answered already."""
    query = (
        sa.select(OutboundMessage.id)
        .join(InboundMessage, InboundMessage.id == OutboundMessage.in_reply_to)
        .where(
            OutboundMessage.phone_id == message.phone_id,
            OutboundMessage.created_at > clock.now() - HOUR,
            InboundMessage.text_key == message.text_key,
            InboundMessage.id != message.id,
            OutboundMessage.is_capped,
        )
    )
    return session.scalars(query.limit(1)).first() is not None
