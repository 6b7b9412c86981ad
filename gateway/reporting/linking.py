"""Reports that belong together: a departure and its arrival, or two that may tell of the same.

A link never changes what a reporter hears, and no report is dropped for it: an officer decides.
"""

from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from models.report import LinkKind, Report, ReportLink
from models.states import ReportState
from parsers.form import Form

#: Two reports of the same may lie so far apart, and their counts differ by so much.
_NEAR = timedelta(hours=48)
_COUNT_SLACK = 1
#: A morning in which a village says the same again and again is linked to the latest few.
_MOST_LINKS = 5
_MOST_LOOKED_AT = 50


def link_alike(session: Session, form: Form, report: Report) -> list[str]:
    """Link a report to those of its village that may tell of the same; give their numbers."""
    if form.alike_by is None or report.village_code is None:
        return []
    told = report.fields.get(form.alike_by)
    if told is None:
        return []
    near = session.scalars(
        sa.select(Report)
        .where(
            Report.village_code == report.village_code,
            Report.code == report.code,
            Report.received_at > report.received_at - _NEAR,
            Report.received_at < report.received_at + _NEAR,
            Report.state.not_in([ReportState.DRAFT, ReportState.INVALID]),
        )
        .order_by(Report.id.desc())
        .limit(_MOST_LOOKED_AT)
    )
    alike: list[Report] = []
    for other in near:
        if other is report or other.fields.get(form.alike_by) != told:
            continue
        if _count_agrees(report, other):
            alike.append(other)
        if len(alike) == _MOST_LINKS:
            break
    for other in alike:
        _link(session, report, other, LinkKind.LIKENESS)
    return [other.number or "" for other in alike]


def link_departure(session: Session, departure: Report, arrival: Report) -> None:
    """Link a report of a departure to the arrival whose number it gave."""
    _link(session, departure, arrival, LinkKind.DEPARTURE)


def arrival_of(session: Session, departure: Report) -> Report | None:
    """Find the arrival that a report of a departure was linked to by its number."""
    return session.scalars(
        sa.select(Report)
        .join(ReportLink, ReportLink.other_id == Report.id)
        .where(ReportLink.report_id == departure.id, ReportLink.kind == LinkKind.DEPARTURE)
    ).first()


def linked_numbers(session: Session, report_id: int) -> list[str]:
    """List the numbers of all reports that are linked to one, whichever came first."""
    other = sa.case(
        (ReportLink.report_id == report_id, ReportLink.other_id), else_=ReportLink.report_id
    )
    found = session.scalars(
        sa.select(Report.number)
        .join(ReportLink, Report.id == other)
        .where(
            sa.or_(ReportLink.report_id == report_id, ReportLink.other_id == report_id),
            Report.number.is_not(None),
        )
        .order_by(Report.id)
    )
    return [number for number in dict.fromkeys(found) if number is not None]


def _count_agrees(one: Report, other: Report) -> bool:
    mine, theirs = one.fields.get("count"), other.fields.get("count")
    if not isinstance(mine, int) or not isinstance(theirs, int):
        return True
    return abs(mine - theirs) <= _COUNT_SLACK


def _link(session: Session, report: Report, other: Report, kind: LinkKind) -> None:
    session.flush()  # both have their ids now
    session.add(ReportLink(report_id=report.id, other_id=other.id, kind=kind))
