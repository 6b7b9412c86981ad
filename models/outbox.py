"""What goes out: messages to send, and what providers say became of them."""

import secrets
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Base, BigId, Numbered, text_enum
from models.report import Report
from models.states import Fault, Lane, MessageStatus, may_become

_QUEUED = sa.text("status = 'queued'")
_SENDING = sa.text("status = 'sending'")
_UNCONFIRMED = sa.text("status = 'unconfirmed'")
_NOT_SENT = sa.text("status IN ('failed', 'expired')")
_OF_A_REPORT = sa.text("report_id IS NOT NULL")


def new_token() -> str:
    """Draw a token of 16 hex digits."""
    return secrets.token_hex(8)


class OutboundMessage(Numbered, Base):
    """A message to a phone (MT), written in the transaction of what it tells."""

    __tablename__ = "outbox"
    __table_args__ = (
        sa.Index(
            "ix_outbox_queued",
            "lane_rank",
            "id",
            sqlite_where=_QUEUED,
            postgresql_where=_QUEUED,
        ),
        sa.Index(
            "ix_outbox_sending", "claimed_at", sqlite_where=_SENDING, postgresql_where=_SENDING
        ),
        sa.Index(
            "ix_outbox_unconfirmed",
            "id",
            sqlite_where=_UNCONFIRMED,
            postgresql_where=_UNCONFIRMED,
        ),
        sa.Index(
            "ix_outbox_not_sent", "status", "id", sqlite_where=_NOT_SENT, postgresql_where=_NOT_SENT
        ),
        # For who deletes a report: each of its messages points to it.
        sa.Index(
            "ix_outbox_report_id",
            "report_id",
            sqlite_where=_OF_A_REPORT,
            postgresql_where=_OF_A_REPORT,
        ),
        sa.Index("ix_outbox_phone_id_created_at", "phone_id", "created_at"),
        sa.Index("ix_outbox_channel_provider_key", "channel", "provider_key"),
        sa.Index("ix_outbox_channel_claimed_at", "channel", "claimed_at"),
        {"sqlite_autoincrement": True},
    )

    token: Mapped[str] = mapped_column(unique=True, default=new_token)
    """What providers know it by: the same at every try, and in no other database. Numbers would
    begin anew with a new database, and a phone that knows number 1 would send nothing."""
    channel: Mapped[str]
    phone_id: Mapped[int] = mapped_column(BigId, sa.ForeignKey("phones.id"))
    text: Mapped[str]
    reply_key: Mapped[str]
    is_capped: Mapped[bool] = mapped_column(default=False)
    """It counts among those of which a phone gets only so many in an hour."""
    lane: Mapped[Lane] = mapped_column(text_enum(Lane))
    lane_rank: Mapped[int]
    """The lane's place, so that an index gives the most urgent first."""
    status: Mapped[MessageStatus] = mapped_column(text_enum(MessageStatus))
    segments: Mapped[int]
    in_reply_to: Mapped[int | None] = mapped_column(BigId, sa.ForeignKey("inbox.id"), index=True)
    report_id: Mapped[int | None] = mapped_column(BigId, sa.ForeignKey("reports.id"))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    line: Mapped[str | None]
    """Which of the channel's SIMs sent it, or is to send it."""
    refused_by: Mapped[list[str]] = mapped_column(default=list)
    """Channels that will not carry it: it does not go back to them."""
    next_attempt_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0)
    claimed_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    provider_message_id: Mapped[str | None]
    provider_key: Mapped[str | None]
    """The id in one letter case: some delivery reports come back in the other."""
    error: Mapped[str | None]
    resend_if_unconfirmed: Mapped[bool] = mapped_column(default=False)
    is_bound: Mapped[bool] = mapped_column(default=False)
    """It may have left by its channel, which knows it again by its token: no other may send it."""

    report: Mapped[Report | None] = relationship(lazy="raise")

    def become(self, status: MessageStatus) -> bool:
        """Take the status if that is a legal move; say whether it was taken."""
        if not may_become(self.status, status):
            return False
        self.status = status
        return True


class DeliveryReport(Numbered, Base):
    """What a provider said of a message (DLR), kept even when we do not know the message yet."""

    __tablename__ = "delivery_reports"
    __table_args__ = (
        sa.UniqueConstraint("channel", "provider_key", "raw_status", "reason"),
        {"sqlite_autoincrement": True},
    )

    channel: Mapped[str]
    provider_key: Mapped[str]
    raw_status: Mapped[str]
    reason: Mapped[str]
    status: Mapped[MessageStatus | None] = mapped_column(text_enum(MessageStatus))
    """What it means to us; none when it is interim or not known."""
    fault: Mapped[Fault | None] = mapped_column(text_enum(Fault))
    """With `failed`: why it surely did not leave, so that it is sent again."""
    received_at: Mapped[datetime]
    times: Mapped[int] = mapped_column(default=1)
