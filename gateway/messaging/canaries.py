"""Canaries: an SMS from one of our channels to one of our own numbers, to measure the way round.

A channel can look well and be deaf or dumb: a phone that has switched to another kind of chat, a
SIM whose number was given away. Only a message that comes back shows that the way is open.
"""

import re
import secrets
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gateway import clock
from gateway.identity import Directory
from gateway.messaging import alarms, sending
from gateway.messaging.channels import Channels
from models.channels import Canary
from models.inbox import InboundMessage
from models.outbox import OutboundMessage
from models.states import AlarmKind, Lane, MessageStatus
from parsers import msisdn

_TEXT = "TIMPORA CANARY {token}"
_SENT = re.compile(r"TIMPORA CANARY ([a-z]{10})")
#: Without digits: with some it could look like a passport's number, and be masked on its way back.
_LETTERS = "bcdfghjklmnpqrstvwxz"
#: One that is not back by then is lost.
LOST_AFTER = timedelta(minutes=15)
REPLY_KEY = "CANARY"


def send_due(
    session: Session, directory: Directory, channels: Channels, every: timedelta
) -> list[OutboundMessage]:
    """Queue a canary for each channel that has sent none for so long; raise alarms for lost ones.

    One at a time: while the last one is not back, no money is spent on another.
    """
    sent = []
    moment = clock.now()
    for channel in channels.that_send:
        target = _target(channels, channel)
        if target is None:
            continue
        last = session.scalars(
            sa.select(Canary).where(Canary.channel == channel).order_by(Canary.id.desc()).limit(1)
        ).first()
        if last is not None:
            age = moment - last.started_at
            if last.back_at is None and age < LOST_AFTER:
                continue
            if last.back_at is None:
                alarms.raise_alarm(session, AlarmKind.CANARY, channel, _lost(session, last))
            if age < every:
                continue
        sent.append(_send(session, directory, channel, target, moment))
    return sent


def take(session: Session, message: InboundMessage) -> bool:
    """Note a canary that has come back; say whether the message is one."""
    found = _SENT.fullmatch(message.text.strip())
    if found is None:
        return False
    canary = session.scalars(
        sa.select(Canary).where(Canary.token == found[1]).with_for_update()
    ).one_or_none()
    if canary is None:
        return False
    if canary.back_at is None:
        canary.back_at = message.received_at
        canary.came_by = message.channel
        alarms.clear(session, canary.channel, AlarmKind.CANARY)
    return True


def last_round(session: Session, channel: str) -> tuple[datetime, timedelta] | None:
    """Say when a channel's last canary came back, and how long it was under way."""
    canary = session.scalars(
        sa.select(Canary)
        .where(Canary.channel == channel, Canary.back_at.is_not(None))
        .order_by(Canary.id.desc())
        .limit(1)
    ).first()
    if canary is None or canary.back_at is None:
        return None
    return canary.back_at, canary.back_at - canary.started_at


def _target(channels: Channels, channel: str) -> str | None:
    """Choose the number to send to: of another channel, so that a deaf one is found as well."""
    mine = channels.rules_of(channel).own_numbers
    others = [
        number
        for name in channels.by_name
        if name != channel
        for number in channels.rules_of(name).own_numbers
    ]
    return next((number for number in (*others, *mine) if number.startswith("+")), None)


def _send(
    session: Session, directory: Directory, channel: str, target: str, moment: datetime
) -> OutboundMessage:
    token = "".join(secrets.choice(_LETTERS) for _ in range(10))
    message = sending.queue(
        session,
        channel=channel,
        phone_id=directory.phone(session, msisdn.read_sender(target)).id,
        text=_TEXT.format(token=token),
        reply_key=REPLY_KEY,
        lane=Lane.FOLLOW_UP,
        counted_from=moment,
    )
    # Of this channel or of none: by another one it would measure nothing.
    message.is_bound = True
    message.expires_at = moment + LOST_AFTER
    session.flush()
    session.add(Canary(token=token, channel=channel, outbound_id=message.id, started_at=moment))
    return message


def _lost(session: Session, canary: Canary) -> str:
    message = session.get_one(OutboundMessage, canary.outbound_id)
    if message.status in {MessageStatus.SENT, MessageStatus.DELIVERED}:
        return "a canary was sent and did not come back"
    return f"a canary did not leave ({message.status.value})"
