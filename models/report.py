"""Reports, drafts among them, and the history of each."""

from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, WriteOnlyMapped, mapped_column, relationship

from models.base import Base, BigId, Numbered, by_prefix, text_enum
from models.states import ReportState, may_move

#: Kept for a person to look at; as the index says it, word for word: only so is it used.
FOR_A_PERSON = sa.text("(state = 'draft' OR (NOT verified AND state <> 'invalid'))")
#: Of an event: a report that may not be withdrawn by itself was to be.
WITHDRAWAL_ASKED = sa.text("event = 'withdrawal_asked'")
_ASKED = sa.text("asked_at IS NOT NULL")


class Report(Numbered, Base):
    """What a reporter told us; a draft has no number yet."""

    __tablename__ = "reports"
    __table_args__ = (
        sa.Index(
            "ix_reports_asked", "phone_id", "asked_at", sqlite_where=_ASKED, postgresql_where=_ASKED
        ),
        sa.Index(
            "ix_reports_for_a_person",
            "village_code",
            "id",
            sqlite_where=FOR_A_PERSON,
            postgresql_where=FOR_A_PERSON,
        ),
        sa.Index(
            "ix_reports_for_a_person_newest",
            "id",
            # So that an area's newest are found without a look at each other report's row.
            "village_code",
            sqlite_where=FOR_A_PERSON,
            postgresql_where=FOR_A_PERSON,
        ),
        sa.Index(
            "ix_reports_for_a_person_prefix",
            "village_code",
            "id",
            sqlite_where=FOR_A_PERSON,
            postgresql_where=FOR_A_PERSON,
            postgresql_ops=by_prefix("village_code"),
        ),
        sa.Index(
            "ix_reports_village_prefix_received_at",
            "village_code",
            "received_at",
            postgresql_ops=by_prefix("village_code"),
        ),
        # By its text a report is looked for only among what its phone sent within the day.
        sa.Index("ix_reports_phone_id_received_at", "phone_id", "received_at"),
        sa.Index("ix_reports_received_at", "received_at"),
        {"sqlite_autoincrement": True},
    )

    number: Mapped[str | None] = mapped_column(unique=True)
    code: Mapped[str]
    state: Mapped[ReportState] = mapped_column(text_enum(ReportState), index=True)
    urgency: Mapped[str]
    village_code: Mapped[str | None] = mapped_column(sa.ForeignKey("villages.code"))
    phone_id: Mapped[int] = mapped_column(BigId, sa.ForeignKey("phones.id"))
    inbox_id: Mapped[int] = mapped_column(BigId, sa.ForeignKey("inbox.id"), index=True)
    channel: Mapped[str]
    fields: Mapped[dict[str, Any]]
    missing: Mapped[list[str]]
    problems: Mapped[list[dict[str, Any]]]
    flags: Mapped[list[str]]
    note: Mapped[str]
    verified: Mapped[bool]
    unverified_reason: Mapped[str | None]
    text_key: Mapped[str]
    """Hash of the cleaned text that made it: the same from the same phone makes no second one."""
    asked_at: Mapped[datetime | None]
    """When its question was asked; none when nothing is asked."""
    received_at: Mapped[datetime]
    network_time: Mapped[datetime | None]

    events: WriteOnlyMapped["ReportEvent"] = relationship()
    """Its history: only ever added to, and read by its own query."""

    def move_to(self, state: ReportState) -> bool:
        """Take the move if it is a legal one; say whether it was taken."""
        if not may_move(self.state, state):
            return False
        self.state = state
        return True


class ReportEvent(Numbered, Base):
    """One thing that happened to a report, in the past tense. Rows are only ever added."""

    __tablename__ = "report_events"
    __table_args__ = (
        sa.Index(
            "ix_report_events_withdrawal_asked",
            "report_id",
            sqlite_where=WITHDRAWAL_ASKED,
            postgresql_where=WITHDRAWAL_ASKED,
        ),
        {"sqlite_autoincrement": True},
    )

    report_id: Mapped[int] = mapped_column(BigId, sa.ForeignKey("reports.id"), index=True)
    event: Mapped[str]
    at: Mapped[datetime]
    by: Mapped[str]
    """`reporter`, an officer's alias, or `gateway`."""
    state: Mapped[ReportState] = mapped_column(text_enum(ReportState))
    detail: Mapped[dict[str, Any]]


class LinkKind(StrEnum):
    """Why two reports belong together."""

    LIKENESS = "likeness"
    """They may tell of the same; an officer decides, both stay."""
    DEPARTURE = "departure"
    """The first tells that the guests of the second have left."""


class ReportLink(Numbered, Base):
    """Two reports that belong together, the later one first. Rows are only ever added."""

    __tablename__ = "report_links"
    __table_args__ = (sa.UniqueConstraint("report_id", "other_id", "kind"),)

    report_id: Mapped[int] = mapped_column(BigId, sa.ForeignKey("reports.id"))
    other_id: Mapped[int] = mapped_column(BigId, sa.ForeignKey("reports.id"), index=True)
    kind: Mapped[LinkKind] = mapped_column(text_enum(LinkKind))


class ConfirmationNumber(Numbered, Base):
    """One number given out; the row's id is its place in the order of giving, never used twice."""

    __tablename__ = "confirmation_numbers"

    given_at: Mapped[datetime]
