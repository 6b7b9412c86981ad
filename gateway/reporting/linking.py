"""Reports that belong together: a departure and its arrival, or two that may tell of the same.

A link never changes what a reporter hears, and no report is dropped for it: an officer decides.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from models.report import LinkKind, Report, ReportLink
from models.states import ReportState
from parsers.language import Language

#: Two reports of the same may lie so far apart, and their counts differ by so much.
_NEAR = timedelta(hours=48)
_COUNT_SLACK = 1
#: A morning in which a village says the same again and again is linked to the latest few.
_MOST_LINKS = 5
_MOST_LOOKED_AT = 50


def link_alike(
    session: Session, language: Language, reports: Sequence[Report]
) -> dict[Report, list[str]]:
    """Link new reports to those of their village that may tell of the same; give their numbers.

    The new ones, too, are linked to one another, each to those before it.
    """
    groups: dict[tuple[str, str], list[Report]] = defaultdict(list)
    for report in reports:
        alike_by = language.forms[report.code].alike_by
        if report.village_code is None or alike_by is None or alike_by not in report.fields:
            continue
        groups[report.village_code, report.code].append(report)
    if groups:
        session.flush()  # all have their ids now
    linked: dict[Report, list[str]] = {}
    for (village_code, code), group in groups.items():
        alike_by = language.forms[code].alike_by or ""
        new = {report.id for report in group}
        before = [one for one in _near(session, village_code, code, group) if one.id not in new]
        for report in group:
            alike = list(islice(_alike(report, before, alike_by), _MOST_LINKS))
            for other in alike:
                _link(session, report.id, other.id, LinkKind.LIKENESS)
            if alike:
                linked[report] = [other.number or "" for other in alike]
            before.insert(0, _Near(report.id, report.number, report.fields, report.received_at))
    return linked


class _Near(NamedTuple):
    """What is looked at of a report to see whether another one may tell of the same."""

    id: int
    number: str | None
    fields: dict[str, Any]
    received_at: datetime


def _near(
    session: Session, village_code: str, code: str, group: Sequence[Report]
) -> Iterator[_Near]:
    """Give the latest reports of a village with a code about the time of some, the newest first."""
    times = [report.received_at for report in group]
    rows = session.execute(
        sa.select(Report.id, Report.number, Report.fields, Report.received_at)
        .where(
            Report.village_code == village_code,
            Report.code == code,
            Report.received_at > min(times) - _NEAR,
            Report.received_at < max(times) + _NEAR,
            Report.state.not_in([ReportState.DRAFT, ReportState.INVALID]),
        )
        .order_by(Report.received_at.desc(), Report.id.desc())
        .limit(_MOST_LOOKED_AT + len(group))
    )
    return (_Near(*row) for row in rows)


def _alike(report: Report, before: Iterable[_Near], alike_by: str) -> Iterator[_Near]:
    for other in before:
        is_near = abs(other.received_at - report.received_at) < _NEAR
        if is_near and other.fields.get(alike_by) == report.fields[alike_by]:
            mine, theirs = report.fields.get("count"), other.fields.get("count")
            if _agree(mine, theirs):
                yield other


def link_departure(session: Session, departure: Report, arrival: Report) -> None:
    """Link a report of a departure to the arrival whose number it gave."""
    session.flush()  # both have their ids now
    _link(session, departure.id, arrival.id, LinkKind.DEPARTURE)


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


def _agree(mine: object, theirs: object) -> bool:
    """Say whether two counts may be of the same people; one that is not told can be any."""
    if not isinstance(mine, int) or not isinstance(theirs, int):
        return True
    return abs(mine - theirs) <= _COUNT_SLACK


def _link(session: Session, report_id: int, other_id: int, kind: LinkKind) -> None:
    session.add(ReportLink(report_id=report_id, other_id=other_id, kind=kind))
