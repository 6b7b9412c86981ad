"""How the channels are: which rest, what they said of themselves, and what is wrong with them."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, BigId, Numbered, text_enum
from models.states import AlarmKind

_OPEN = sa.text("cleared_at IS NULL")


class ChannelState(Base):
    """One channel as we last saw it; no row means that nothing was ever seen of it."""

    __tablename__ = "channel_states"

    channel: Mapped[str] = mapped_column(primary_key=True)
    paused_until: Mapped[datetime | None]
    """Nothing is sent by it before then; then one message tries whether it goes again."""
    pause_reason: Mapped[str | None]
    failures: Mapped[int] = mapped_column(default=0)
    """Sends in a row that did not leave."""
    heard_at: Mapped[datetime | None]
    """When it last called us, or was polled with success; to the minute."""
    inbound_at: Mapped[datetime | None]
    """When it last brought a message; to the minute."""
    asked_at: Mapped[datetime | None]
    """When it was last asked how it is; what follows is its answer."""
    is_up: Mapped[bool | None]
    says: Mapped[str | None]
    signal: Mapped[int | None]
    battery: Mapped[int | None]
    balance: Mapped[str | None]
    backlog: Mapped[int | None]
    up_since: Mapped[datetime | None]
    """Since when it has been as it is, up or down."""


class Alarm(Numbered, Base):
    """Something that a person must mend; at most one of a kind is open for each subject."""

    __tablename__ = "alarms"
    __table_args__ = (
        sa.Index(
            "uq_alarms_open",
            "kind",
            "subject",
            unique=True,
            sqlite_where=_OPEN,
            postgresql_where=_OPEN,
        ),
        sa.Index("ix_alarms_kind_subject_told_at", "kind", "subject", "told_at"),
        {"sqlite_autoincrement": True},
    )

    kind: Mapped[AlarmKind] = mapped_column(text_enum(AlarmKind))
    subject: Mapped[str]
    """A channel's name, or a phone's alias."""
    says: Mapped[str]
    raised_at: Mapped[datetime]
    again_at: Mapped[datetime]
    """When it was last found to be so."""
    told_at: Mapped[datetime | None]
    """When the admins were sent an SMS about it."""
    cleared_at: Mapped[datetime | None]


class Canary(Numbered, Base):
    """An SMS from one of our channels to one of our numbers, to measure the way round."""

    __tablename__ = "canaries"
    __table_args__ = (
        sa.Index("ix_canaries_channel_id", "channel", "id"),
        sa.Index("ix_canaries_outbound_id", "outbound_id"),
        {"sqlite_autoincrement": True},
    )

    token: Mapped[str] = mapped_column(unique=True)
    channel: Mapped[str]
    outbound_id: Mapped[int] = mapped_column(BigId, sa.ForeignKey("outbox.id"))
    started_at: Mapped[datetime]
    came_by: Mapped[str | None]
    """The channel that brought it back."""
    back_at: Mapped[datetime | None]
