"""The same message again: known by its keys, or by its words where a channel tells no time.

A redelivery must stay invisible, whatever channel or id it comes by; a true second message must
never be taken for the first.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gateway import clock
from gateway.identity import Directory
from gateway.providers.base import InboundSms
from models.database.locks import lock_name
from models.database.statements import insert_each_unless_there
from models.inbox import InboundMessage

#: By two channels, one of which tells no time, the same words are one message for so long.
_ONE_WITHIN = timedelta(days=1)
_REPORTS = ("report", "draft")
_SAME_ANSWER_WITHIN = timedelta(minutes=10)

Row = Mapping[str, Any]
"""The columns of a message that is to be kept."""


class Keys(NamedTuple):
    """The two keys by which a redelivery is known; none where the provider gives too little."""

    id_key: str | None
    fingerprint: str | None


def keys(
    directory: Directory,
    channel: str,
    message: InboundSms,
    lookup: str,
    network_time: datetime | None,
) -> Keys:
    """Give the keys of a message from the phone with this look-up hash.

    The provider's id alone does not do: some providers count from one, some give two messages the
    same id. With sender and text beside it, a true second message is never taken for the first.
    """
    # To the second: a phone counts its thousandths, and the same message told by its network none.
    moment = network_time.replace(microsecond=0).isoformat() if network_time else ""
    given = message.provider_message_id
    # Two parts of one long message may have the same text, as they have the same time.
    of = message.real_part
    part = [str(value) for value in (of.reference, of.number, of.total)] if of else []
    id_key = None
    if given is not None and not (message.id_is_a_hash and not moment):
        told_apart_by = [moment] if message.id_is_a_hash else []
        id_key = directory.digest(channel, given, lookup, message.text, *told_apart_by, *part)
    fingerprint = directory.digest(lookup, message.text, moment, *part) if moment else None
    return Keys(id_key, fingerprint)


def insert_new(session: Session, rows: Sequence[Row]) -> list[int | None]:
    """Keep messages that are not there yet; give the id of each, None for a redelivery."""
    same = (
        InboundMessage.id_key,
        InboundMessage.fingerprint,
        InboundMessage.phone_id,
        InboundMessage.text,
    )
    inserted: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    for new in insert_each_unless_there(session, InboundMessage, rows, (InboundMessage.id, *same)):
        inserted[tuple(new[1:])].append(new[0])
    ids: list[int | None] = []
    for row in rows:
        # Those that nothing tells apart are all kept, and any of their ids is as good.
        found = inserted[tuple(row[column.key] for column in same)]
        ids.append(found.pop(0) if found else None)
    return ids


def count(session: Session, row: Row) -> int:
    """Count that a message came again; say how often by now."""
    id_key, fingerprint = row["id_key"], row["fingerprint"]
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
    return max(times, default=0)


def came_by_another(session: Session, row: Row, untimed: frozenset[str]) -> bool:
    """Tell a message that another channel has brought, where one of the two tells no time.

    With times on both sides the fingerprint knows it. Without, the same words from the same phone
    to the same number are one message, if two channels bring them within a day.
    """
    if not untimed:
        return False
    # Two processes must not both find that nothing has come yet.
    lock_name(session, f"came:{row['phone_id']}")
    moment = clock.now()
    others = InboundMessage.channel != row["channel"]
    if row["recipient_id"] is not None:
        # A modem does not tell it, and nobody else's can be compared.
        same_recipient = InboundMessage.recipient_id == row["recipient_id"]
        others = sa.and_(others, sa.or_(same_recipient, InboundMessage.recipient_id.is_(None)))
    if row["network_time"] is not None:
        others = sa.and_(others, InboundMessage.channel.in_(untimed))
    found = session.scalars(
        sa.select(InboundMessage)
        .where(
            InboundMessage.phone_id == row["phone_id"],
            # Answers and commands may well be said again: only reports are one for a day.
            sa.or_(
                sa.and_(
                    InboundMessage.outcome.in_(_REPORTS),
                    InboundMessage.received_at > moment - _ONE_WITHIN,
                ),
                InboundMessage.received_at > moment - _SAME_ANSWER_WITHIN,
            ),
            InboundMessage.text == row["text"],
            others,
        )
        .limit(1)
    ).first()
    if found is not None:
        found.redelivered += 1
    return found is not None
