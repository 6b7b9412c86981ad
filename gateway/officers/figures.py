"""What an officer can ask: read-only queries within an area, given as plain values.

An area is a Kemendagri code prefix. What came from a phone of no known village belongs to no area
below a kabupaten: it is shown to those whose area is a kabupaten or more.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from models import inbox as inbox_table
from models import report as report_table
from models.database.statements import lies_within, plan_for_values
from models.inbox import InboundMessage, Quarantined
from models.people import Reporter, Village
from models.report import Report
from models.states import ReportState
from parsers.form import URGENCIES

#: Reports older than this are not among the latest.
_LATEST = timedelta(days=30)
#: So many lines of a list are ever shown: a phone is no place for more.
MOST_LINES = 60
_RANK = sa.case({name: rank for rank, name in enumerate(URGENCIES)}, value=Report.urgency, else_=0)
_GONE = (ReportState.DRAFT, ReportState.INVALID, ReportState.DUPLICATE)


@dataclass(frozen=True, slots=True)
class Scope:
    """What an officer may see."""

    area: str
    sees_about_officials: bool

    def holds(self, code: str | None) -> bool:
        """Say whether a village, or a thing of no village, lies in the area."""
        if code is None:
            return self.holds_the_placeless
        return f"{code}.".startswith(f"{self.area}.")

    @property
    def holds_the_placeless(self) -> bool:
        """Say whether what has no village is theirs to see."""
        return self.area.count(".") <= 1

    def villages(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
        """Tell villages of the area, in a query."""
        inside = lies_within(column, self.area)
        return sa.or_(inside, column.is_(None)) if self.holds_the_placeless else inside

    def reports(self) -> sa.ColumnElement[bool]:
        """Tell the reports that this officer may see, in a query."""
        return sa.and_(self.villages(Report.__table__.c.village_code), self.reports_of_a_village())

    def reports_of_a_village(self) -> sa.ColumnElement[bool]:
        """Tell the reports that this officer may see, in a query that asks for a village of theirs.

        To say again that it lies in the area would keep the database from its index.
        """
        if self.sees_about_officials:
            return sa.true()
        return sa.not_(sa.cast(Report.flags, sa.Text).like('%"about_official"%'))


@dataclass(frozen=True, slots=True)
class ReportView:
    """One report as an officer may read it; who sent it is not in it."""

    id: int
    number: str | None
    code: str
    state: ReportState
    urgency: str
    fields: Mapping[str, Any]
    missing: tuple[str, ...]
    problems: tuple[str, ...]
    flags: tuple[str, ...]
    note: str
    verified: bool
    received_at: datetime
    village_code: str | None
    village: str
    kecamatan: str


_VIEW = sa.select(Report, Village.name, Village.kecamatan).outerjoin(
    Village, Village.code == Report.village_code
)


def _views(rows: Iterable[Any]) -> list[ReportView]:
    return [
        ReportView(
            id=report.id,
            number=report.number,
            code=report.code,
            state=report.state,
            urgency=report.urgency,
            fields=report.fields,
            missing=tuple(report.missing),
            problems=tuple(problem["field"] for problem in report.problems),
            flags=tuple(report.flags),
            note=report.note,
            verified=report.verified,
            received_at=report.received_at,
            village_code=report.village_code,
            village=village or "",
            kecamatan=kecamatan or "",
        )
        for report, village, kecamatan in rows
    ]


def report_by_number(session: Session, scope: Scope, number: str) -> ReportView | None:
    """Find a report by its confirmation number; outside the scope it is not there."""
    found = _views(session.execute(_VIEW.where(Report.number == number, scope.reports())))
    return found[0] if found else None


def report_by_id(session: Session, scope: Scope, report_id: int) -> ReportView | None:
    """Find a report, a draft among them, by its row."""
    found = _views(session.execute(_VIEW.where(Report.id == report_id, scope.reports())))
    return found[0] if found else None


def latest(
    session: Session, scope: Scope, now: datetime, without: Sequence[str]
) -> list[ReportView]:
    """List the latest reports, the most urgent first; codes that say `nothing` left out."""
    plan_for_values(session)
    order = (_RANK.desc(), Report.id.desc())
    told = sa.select(Report.id).where(
        scope.reports_of_a_village(),
        Report.state.not_in([*_GONE, ReportState.CLOSED]),
        Report.code.not_in(without),
        Report.received_at > now - _LATEST,
    )
    code = Report.__table__.c.village_code
    parts = [told.where(lies_within(code, scope.area))]
    if scope.holds_the_placeless:
        # Apart: together no index by villages would be used for either.
        parts.append(told.where(code.is_(None)))
    # Chosen before their villages are looked up: those few, not all of a month.
    few = [part.order_by(*order).limit(MOST_LINES).subquery() for part in parts]
    chosen = _VIEW.where(Report.id.in_(sa.union_all(*(sa.select(part.c.id) for part in few))))
    return _views(session.execute(chosen.order_by(*order).limit(MOST_LINES)))


@dataclass(frozen=True, slots=True)
class Place:
    """A part of an area: a level below it, or a village."""

    code: str
    name: str
    is_village: bool


def inside(area: str) -> sa.ColumnElement[bool]:
    """Tell the villages of an area, in a query."""
    return lies_within(Village.__table__.c.code, area)


def parts_of(session: Session, area: str) -> list[Place]:
    """List what lies just below an area: kecamatan below a kabupaten, villages below those.

    A level with a single part is passed over: nobody needs to choose it.
    """
    rows = session.execute(
        sa.select(Village.code, Village.name, Village.kecamatan_code, Village.kecamatan)
        .where(inside(area))
        .order_by(Village.code)
    ).all()
    kecamatan = {row.kecamatan_code: row.kecamatan for row in rows}
    if len(kecamatan) <= 1:
        return [Place(row.code, row.name, is_village=True) for row in rows]
    depth = area.count(".") + 1
    below = dict.fromkeys(".".join(row.code.split(".")[: depth + 1]) for row in rows)
    if len(below) == 1:
        return parts_of(session, next(iter(below)))
    return [Place(code, kecamatan.get(code, code), is_village=False) for code in below]


@dataclass(frozen=True, slots=True)
class VillageView:
    """What is known of one village."""

    code: str
    name: str
    kecamatan: str
    last: ReportView | None
    counts: Mapping[str, int]
    """Reports of this month by code."""


def village(
    session: Session, scope: Scope, code: str, month_began: datetime, without: Sequence[str]
) -> VillageView | None:
    """Look at one village: its last report, and its counts of this month; some codes left out."""
    found = session.get(Village, code)
    if found is None or not scope.holds(code):
        return None
    kept = (Report.village_code == code, *_told(scope, without))
    newest = (Report.received_at.desc(), Report.id.desc())
    last = _views(session.execute(_VIEW.where(*kept).order_by(*newest).limit(1)))
    rows = session.execute(
        sa.select(Report.code, sa.func.count())
        .where(*kept, Report.verified, Report.received_at >= month_began)
        .group_by(Report.code)
    )
    return VillageView(
        found.code,
        found.name,
        found.kecamatan,
        last[0] if last else None,
        {code: count for code, count in rows},  # noqa: C416  # a Result has keys
    )


def counts_by_kecamatan(
    session: Session, scope: Scope, begin: datetime, end: datetime
) -> list[tuple[str, Mapping[str, int]]]:
    """Count verified reports by kecamatan and code; kecamatan without any are left out."""
    plan_for_values(session)
    rows = session.execute(
        sa.select(Village.kecamatan, Report.code, sa.func.count())
        .join(Village, Village.code == Report.village_code)
        .where(
            # What has no village is counted in no kecamatan.
            lies_within(Report.__table__.c.village_code, scope.area),
            scope.reports_of_a_village(),
            Report.verified,
            Report.state.not_in(_GONE),
            Report.received_at >= begin,
            Report.received_at < end,
        )
        .group_by(Village.kecamatan_code, Village.kecamatan, Report.code)
        .order_by(Village.kecamatan_code, Report.code)
    )
    counted: dict[str, Counter[str]] = {}
    for kecamatan, code, count in rows:
        counted.setdefault(kecamatan, Counter())[code] = count
    return list(counted.items())


def _told(scope: Scope, without: Sequence[str]) -> tuple[sa.ColumnElement[bool], ...]:
    """Tell which reports of a village of theirs an officer may be told of together with it."""
    return (scope.reports_of_a_village(), Report.state.not_in(_GONE), Report.code.not_in(without))


def silent_villages(
    session: Session, scope: Scope, area: str, before: datetime, without: Sequence[str]
) -> list[tuple[str, Place, datetime | None]]:
    """List villages without a report since a moment, those that never sent one first.

    Each with the part of the area that it lies in, as `parts_of` names them. Codes that are left
    out count as silence: who is in no list must not tell of them either.
    """
    plan_for_values(session)
    # Village by village: an index gives the last report of each, however many there were before.
    last = (
        sa.select(Report.received_at)
        .where(Report.village_code == Village.code, *_told(scope, without))
        .order_by(Report.received_at.desc())
        .limit(1)
        .correlate(Village)
        .scalar_subquery()
    )
    rows = session.execute(
        sa.select(Village.code, Village.name, last.label("at")).where(
            inside(area), scope.villages(Village.__table__.c.code)
        )
    )
    # Chosen and sorted here: in the query the look-up would be made once for each use of it.
    found = [row for row in rows if row.at is None or row.at <= before]
    found.sort(key=lambda row: (row.at is not None, row.at or before, row.code))
    depth = area.count(".") + 2
    return [
        (".".join(code.split(".")[:depth]), Place(code, name, is_village=True), at)
        for code, name, at in found
    ]


@dataclass(frozen=True, slots=True)
class Waiting:
    """Something that waits for a person."""

    id: str
    kind: str
    text: str
    at: datetime
    village_code: str | None


def waiting(session: Session, scope: Scope) -> list[Waiting]:
    """List what waits for a person: chat, drafts, unverified reports, set aside, quarantine."""
    plan_for_values(session)
    found = _waiting_reports(session, scope) + _waiting_messages(session, scope)
    if scope.holds_the_placeless:
        found += [
            Waiting(f"quarantine-{item.id}", "quarantine", item.reason, item.received_at, None)
            for item in session.scalars(
                sa.select(Quarantined).order_by(Quarantined.id.desc()).limit(MOST_LINES)
            )
        ]
    return found


def _waiting_reports(session: Session, scope: Scope) -> list[Waiting]:
    code = Report.__table__.c.village_code
    newest = sa.select(Report.id).where(scope.reports_of_a_village(), report_table.FOR_A_PERSON)
    parts = [newest.where(lies_within(code, scope.area)).order_by(Report.id.desc())]
    if scope.holds_the_placeless:
        # Apart, and in the order of the index to the letter: only so are the newest few read alone.
        parts.append(newest.where(code.is_(None)).order_by(code.desc(), Report.id.desc()))
    few = [part.limit(MOST_LINES).subquery() for part in parts]
    rows = session.scalars(
        sa.select(Report)
        .where(Report.id.in_(sa.union_all(*(sa.select(part.c.id) for part in few))))
        .order_by(Report.id.desc())
        .limit(MOST_LINES)
    )
    return [
        Waiting(
            f"report-{report.id}",
            "draft" if report.state is ReportState.DRAFT else "unverified",
            f"{report.code} {report.number or ''}".strip(),
            report.received_at,
            report.village_code,
        )
        for report in rows
    ]


def _waiting_messages(session: Session, scope: Scope) -> list[Waiting]:
    rows = session.execute(
        sa.select(InboundMessage, Reporter.village_code)
        .outerjoin(
            Reporter,
            sa.and_(Reporter.phone_id == InboundMessage.phone_id, Reporter.ended_at.is_(None)),
        )
        .where(
            inbox_table.FOR_A_PERSON,  # more than what follows, in the words of its index
            sa.or_(InboundMessage.outcome == "chat", InboundMessage.set_aside_at.is_not(None)),
            scope.villages(Reporter.__table__.c.village_code),
        )
        .order_by(InboundMessage.id.desc())
        .limit(MOST_LINES)
    )
    found: dict[int, Waiting] = {}
    for message, village_code in rows:
        kind = "set_aside" if message.set_aside_at else "chat"
        seen = Waiting(f"in-{message.id}", kind, message.text, message.received_at, village_code)
        found.setdefault(message.id, seen)  # once, though its phone may report for two villages
    return list(found.values())


def month_range(now: datetime, month: int, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Give begin and end of a month: the latest such month not after now; 0 is this one."""
    local = now.astimezone(zone)
    wanted = month or local.month
    year = local.year - (wanted > local.month)
    begin = datetime(year, wanted, 1, tzinfo=zone)
    return begin, datetime(year + wanted // 12, wanted % 12 + 1, 1, tzinfo=zone)


def name_of(session: Session, area: str) -> str:
    """Name an area as its officers know it; a kabupaten or more by its code."""
    found = session.scalars(
        sa.select(Village)
        .where(sa.or_(Village.code == area, Village.kecamatan_code == area))
        .limit(1)
    ).first()
    if found is None:
        return f"Kab {area}" if area.count(".") == 1 else area
    return f"Ds {found.name}" if found.code == area else f"Kec {found.kecamatan}"
