"""Who is at the other end: phones, reporters, villages. The one table with numbers is here."""

from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Base, BigId, Numbered, by_prefix, text_enum


class PhoneKind(StrEnum):
    """What kind of sender an address is; only a mobile is ever answered."""

    MOBILE = "mobile"
    SHORT_CODE = "short_code"
    ALPHANUMERIC = "alphanumeric"
    UNREADABLE = "unreadable"


class Phone(Numbered, Base):
    """An address that texts us or that we text; every other table holds its id alone."""

    __tablename__ = "phones"

    kind: Mapped[PhoneKind] = mapped_column(text_enum(PhoneKind))
    lookup: Mapped[str] = mapped_column(unique=True)
    """A keyed hash of the number: finds the row without reading numbers."""
    number: Mapped[str]
    """E.164 for a mobile, else the sender as it was named."""
    alias: Mapped[str] = mapped_column(unique=True)
    """What people and logs see instead, `P-7F3K`: drawn by lot, so it tells nothing."""
    created_at: Mapped[datetime]
    reminders_stopped_at: Mapped[datetime | None]


class Village(Base):
    """A desa or kelurahan, by its Kemendagri code."""

    __tablename__ = "villages"
    __table_args__ = (
        sa.Index("ix_villages_code_prefix", "code", postgresql_ops=by_prefix("code")),
    )

    code: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    kecamatan_code: Mapped[str] = mapped_column(index=True)
    kecamatan: Mapped[str]
    kind: Mapped[str]
    timezone: Mapped[str | None]
    """IANA name; none means the gateway's own (TIMPORA_TIMEZONE)."""


class Reporter(Numbered, Base):
    """A person who reports for a village with a phone, from a day on and perhaps until one."""

    __tablename__ = "reporters"
    __table_args__ = (
        # The unique one holds active entries only; why a phone's entry ended is looked up too.
        sa.Index("ix_reporters_phone_id", "phone_id"),
        sa.Index(
            "ix_reporters_village_prefix",
            "village_code",
            postgresql_ops=by_prefix("village_code"),
        ),
        sa.Index(
            "uq_reporters_active",
            "phone_id",
            "village_code",
            unique=True,
            sqlite_where=sa.text("ended_at IS NULL"),
            postgresql_where=sa.text("ended_at IS NULL"),
        ),
        {"sqlite_autoincrement": True},
    )

    phone_id: Mapped[int] = mapped_column(BigId, sa.ForeignKey("phones.id"))
    village_code: Mapped[str] = mapped_column(sa.ForeignKey("villages.code"), index=True)
    name: Mapped[str]
    role: Mapped[str]
    is_demo: Mapped[bool] = mapped_column(default=False)
    since: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    ended_reason: Mapped[str | None]

    village: Mapped[Village] = relationship(lazy="raise")
    phone: Mapped[Phone] = relationship(lazy="raise")


class Mark(Base):
    """A value that this database was made with and must go on with, such as the key's check."""

    __tablename__ = "marks"

    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]


#: Of an audit entry: a copy of the database was made; see gateway.cli.backup.
_COPIES = sa.text("action = 'backup_taken'")


class AuditEntry(Numbered, Base):
    """Who looked at what, and why. Rows are only ever added: the database refuses anything else."""

    __tablename__ = "audit_entries"
    __table_args__ = (
        sa.Index("ix_audit_entries_actor_at", "actor", "at"),
        sa.Index("ix_audit_entries_copies", "id", sqlite_where=_COPIES, postgresql_where=_COPIES),
        {"sqlite_autoincrement": True},
    )

    at: Mapped[datetime]
    actor: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str]
    reason: Mapped[str]
    seal: Mapped[str | None]
    """Keyed hash of this row and of the seal before it; none in rows older than seals."""
