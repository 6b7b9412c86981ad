"""Officers, the tries of their PINs, and their dialogues by USSD or SMS."""

from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, BigId, Numbered, text_enum

_ACTIVE = sa.text("ended_at IS NULL")


class OfficerRole(StrEnum):
    """What an officer may do beside looking up: only an admin unlocks others."""

    MEMBER = "member"
    DUTY = "duty"
    CHIEF = "chief"
    ADMIN = "admin"


class Officer(Numbered, Base):
    """A person of an institution who may look into an area's reports, from a day on.

    Whoever is moved gets a new row, so that what the old one could see ends at once.
    """

    __tablename__ = "officers"
    __table_args__ = (
        sa.Index(
            "uq_officers_active",
            "phone_id",
            unique=True,
            sqlite_where=_ACTIVE,
            postgresql_where=_ACTIVE,
        ),
        {"sqlite_autoincrement": True},
    )

    phone_id: Mapped[int] = mapped_column(BigId, sa.ForeignKey("phones.id"))
    name: Mapped[str]
    institution: Mapped[str]
    area: Mapped[str]
    """A Kemendagri code prefix: `53.02` sees all villages below it."""
    role: Mapped[OfficerRole] = mapped_column(text_enum(OfficerRole))
    pin_hash: Mapped[str | None]
    """argon2id over a keyed hash of the PIN; none: no PIN yet, and so no way in."""
    pin_set_at: Mapped[datetime | None]
    locked_until: Mapped[datetime | None]
    is_demo: Mapped[bool] = mapped_column(default=False)
    since: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    ended_reason: Mapped[str | None]


class PinTry(Numbered, Base):
    """One try of a PIN or one-time code, written before it is checked: wrong until proven right."""

    __tablename__ = "pin_tries"
    __table_args__ = (
        sa.Index("ix_pin_tries_officer_id_at", "officer_id", "at"),
        {"sqlite_autoincrement": True},
    )

    officer_id: Mapped[int] = mapped_column(BigId, sa.ForeignKey("officers.id"))
    at: Mapped[datetime]
    channel: Mapped[str]
    counts: Mapped[bool] = mapped_column(default=True)
    """Whether it still counts as wrong; a right one, and an unlocking, clear it."""


class DialogueRow(Numbered, Base):
    """Where an officer's dialogue stands; committed with what it does.

    Of the input only length and keyed hash are kept, and never a PIN.
    """

    __tablename__ = "dialogues"
    __table_args__ = (
        sa.UniqueConstraint("channel", "session_key", "phone_id"),
        sa.Index("ix_dialogues_officer_id_touched_at", "officer_id", "touched_at"),
        {"sqlite_autoincrement": True},
    )

    channel: Mapped[str]
    session_key: Mapped[str]
    """A keyed hash of the provider's session id, or `sms`."""
    phone_id: Mapped[int] = mapped_column(BigId, sa.ForeignKey("phones.id"))
    officer_id: Mapped[int] = mapped_column(BigId, sa.ForeignKey("officers.id"))
    heard_length: Mapped[int]
    heard_hash: Mapped[str]
    at: Mapped[str]
    """The name of the state in the menu tree."""
    place: Mapped[dict[str, Any]]
    """Page, keys' meanings, answers and the way back; see gateway.dialogue.machine.Dialogue."""
    is_logged_in: Mapped[bool]
    started_at: Mapped[datetime]
    touched_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
