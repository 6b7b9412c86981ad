"""What came in: messages to handle, and what nobody could read."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, BigId, Numbered

#: Kept for a person to look at: what no form or command could use, and what could not be handled.
#: As the index says it, word for word: only so is it used.
FOR_A_PERSON = sa.text("(outcome IN ('chat', 'operator') OR set_aside_at IS NOT NULL)")
_SET_ASIDE = sa.text("set_aside_at IS NOT NULL")
_WAITING = sa.text("handled_at IS NULL AND set_aside_at IS NULL")


class InboundMessage(Numbered, Base):
    """A message from a phone (MO), kept before the provider hears 200."""

    __tablename__ = "inbox"
    __table_args__ = (
        sa.Index("ix_inbox_waiting", "id", sqlite_where=_WAITING, postgresql_where=_WAITING),
        sa.Index(
            "ix_inbox_for_a_person",
            "id",
            sqlite_where=FOR_A_PERSON,
            postgresql_where=FOR_A_PERSON,
        ),
        sa.Index(
            "ix_inbox_for_a_person_phone_id",
            "phone_id",
            "id",
            sqlite_where=FOR_A_PERSON,
            postgresql_where=FOR_A_PERSON,
        ),
        sa.Index("ix_inbox_set_aside", "id", sqlite_where=_SET_ASIDE, postgresql_where=_SET_ASIDE),
        sa.Index("ix_inbox_phone_id_received_at", "phone_id", "received_at"),
        {"sqlite_autoincrement": True},
    )

    channel: Mapped[str]
    provider_message_id: Mapped[str | None]
    id_key: Mapped[str | None] = mapped_column(unique=True)
    """Hash of channel, provider's id, sender and text: the same again is a redelivery."""
    fingerprint: Mapped[str | None] = mapped_column(unique=True)
    """Hash of sender, text and the network's time: the same message, whatever channel or id."""
    phone_id: Mapped[int] = mapped_column(BigId, sa.ForeignKey("phones.id"))
    recipient_id: Mapped[int | None] = mapped_column(BigId, sa.ForeignKey("phones.id"))
    text: Mapped[str]
    """As received, documents masked."""
    flags: Mapped[list[str]]
    payload: Mapped[dict[str, Any]]
    """The provider's other fields, as sent."""
    network_time: Mapped[datetime | None]
    received_at: Mapped[datetime]
    segments: Mapped[int]
    parts: Mapped[int] = mapped_column(default=1)
    """How many pieces of a long message its text was joined from, by us."""
    part_reference: Mapped[int | None]
    """The sender's own count of long messages, where this row is a piece of one."""
    part_number: Mapped[int | None]
    part_total: Mapped[int | None]
    redelivered: Mapped[int] = mapped_column(default=0)

    handle_after: Mapped[datetime | None]
    """Not before then: a text without a code waits for the rest, a failure for its next try."""
    handled_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
    """What it was taken for: report, draft, answer, joined, command, chat, again, operator …"""
    text_key: Mapped[str | None]
    """Hash of the cleaned text, once read: finds the same message again."""
    attempts: Mapped[int] = mapped_column(default=0)
    last_error: Mapped[str | None]
    set_aside_at: Mapped[datetime | None]


class Quarantined(Numbered, Base):
    """A request that no adapter could read; numbers in it are replaced by their aliases."""

    __tablename__ = "quarantine"

    channel: Mapped[str]
    reason: Mapped[str]
    body: Mapped[str]
    received_at: Mapped[datetime] = mapped_column(index=True)
    digest: Mapped[str] = mapped_column(unique=True)
    """Of channel, reason and raw body: a provider that repeats it does not fill the table."""
    times: Mapped[int] = mapped_column(default=1)


class PollCursor(Base):
    """How far a polled channel has been read."""

    __tablename__ = "poll_cursors"

    channel: Mapped[str] = mapped_column(primary_key=True)
    since: Mapped[str]
    """The adapter's own mark: only it knows what it means."""
    polled_at: Mapped[datetime]
    begun_at: Mapped[datetime]
    """When it was read for the first time: what was old by then is left out, however many reads
    it takes to come past it."""
